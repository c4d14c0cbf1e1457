import logging
import re

import pytest
from starlette.testclient import TestClient

from siem.console import PAGES, routes
from siem.console import queue as queue_page
from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, World


def test_an_unknown_address_is_a_page_for_people_and_json_for_programs(world: World) -> None:
    page = world.client(ANALYST).get("/nulle-part")
    assert page.status_code == 404 and "Page introuvable" in page.text and "content-security-policy" in page.headers
    assert world.client(accept="application/json").get("/nulle-part").json() == {"detail": "Not Found"}


def test_a_bug_shows_a_number_that_stands_in_the_log_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(queue_page, "_page", broken)
    browser = TestClient(world.app, raise_server_exceptions=False, headers={"accept": "text/html"})
    browser.cookies.set("veilleur_console", world.session(ANALYST))
    with caplog.at_level(logging.ERROR, logger="siem.console"):
        page = browser.get("/alertes")
    number = re.search(r'class="detail">([0-9a-f]{8})<', page.text)
    assert page.status_code == 500 and "a secret of the inside" not in page.text
    assert number is not None and number[1] in caplog.text


def test_style_and_scripts_are_ours_and_carry_the_safe_headers(world: World) -> None:
    browser = world.client()
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', world.client(ANALYST).get("/alertes").text):
        answer = browser.get(path)
        assert (
            answer.status_code == 200
            and answer.headers["x-content-type-options"] == "nosniff"
            and answer.headers["cache-control"] == "no-cache"
        )
        assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", answer.text), path
    assert browser.get("/static/../__init__.py").status_code == 404


def test_every_page_is_a_route_once(world: World) -> None:
    assert len(routes(world.services)) == len(PAGES) + 1
    assert len({(page.method, page.path) for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize("path", ["/alertes", "/incidents", "/recherche?periode=tout", "/sources", "/regles", "/dossiers"])
def test_pages_stay_below_a_hundred_kilobytes(world: World, incident: Incident, path: str) -> None:
    assert len(world.client(ANALYST).get(path).content) < 100_000
