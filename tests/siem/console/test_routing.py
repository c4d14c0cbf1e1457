import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from siem.access import Permission, Principal
from siem.console import PAGES
from siem.console.routing import Page, safe_return
from siem.incidents.model import Incident
from tests.siem.console.world import ANALYST, DIRECTOR, LEAD, PEOPLE, STRANGER, World, csrf

PROTECTED = [page for page in PAGES if not page.public]
SAFE_HEADERS = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")


def _ask(browser: TestClient, page: Page, places: dict[str, str]):  # type: ignore[no-untyped-def]
    path = re.sub(r"\{(\w+)\}", lambda match: places.get(f"{page.section}.{match[1]}", places.get(match[1], "nothing")), page.path)
    if page.method == "GET":
        return browser.get(path)
    filled = {
        "motif": "un motif assez long",
        "etat": "pris_en_compte",
        "decision": "approuver",
        "relu": "oui",
        "le": "2026-11-22T03:00",
        "canal": "x",
    }
    return browser.post(path, data={"csrf": csrf(browser.get("/preferences").text), **filled})


@pytest.fixture
def places(world: World, incident: Incident) -> dict[str, str]:
    """What stands in each route's path: objects of the establishment 0B0000005."""
    dossier = world.services.open_dossier(incident, ANALYST)
    run = world.runs.of_incident(ANALYST, incident.id)[0]
    step = next(step for step in run.steps if step.type == "action")
    alert = world.incidents.alerts_of(ANALYST, incident.id)[0]
    return {
        "alertes.id": alert.id,
        "incidents.id": incident.id,
        "dossiers.id": dossier.id,
        "regles.id": alert.rule_id,
        "run": run.id,
        "step": step.step_id,
        "section": world.dossiers.page(dossier.id, ANALYST).forms[0].sections[0].id,
        "number": "VEI-2026-000001",
    }


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: next(iter(person.roles)) + person.subject[-2:])
def test_every_route_opens_to_the_roles_it_declares_and_to_no_other(world: World, places: dict[str, str], person: Principal) -> None:
    browser = world.client(person)
    for page in PROTECTED:
        if page.path in {"/flux", "/deconnexion"}:
            continue  # an endless stream, and the end of this session: tested by themselves
        answer = _ask(browser, page, places)
        permitted = page.permission is None or person.may(page.permission)
        assert (answer.status_code == 403) == (not permitted), f"{page.method} {page.path}: {answer.status_code}"
        assert all(header in answer.headers for header in SAFE_HEADERS), f"{page.method} {page.path}"


def test_every_route_hides_what_belongs_to_another_establishment(world: World, places: dict[str, str]) -> None:
    browser = world.client(STRANGER)
    for page in PROTECTED:
        if "{" not in page.path or page.permission is None or not STRANGER.may(page.permission):
            continue
        answer = _ask(browser, page, places)
        assert answer.status_code == 404, f"{page.method} {page.path}: {answer.status_code}"
        assert "P-4F7K2M9QXA" not in answer.text and "INC-2026" not in answer.text
    for path in ("/incidents", "/dossiers"):
        assert "INC-2026" not in browser.get(path).text
    assert "INC-2026" in world.client(DIRECTOR).get("/incidents").text


def test_nothing_is_shown_without_a_session(world: World, places: dict[str, str]) -> None:
    browser = world.client()
    for page in PROTECTED:
        path = re.sub(r"\{\w+\}", "x", page.path)
        answer = browser.request(page.method, path)
        asked = page.method == "GET" and page.path != "/flux"
        assert answer.status_code == (303 if asked else 401), f"{page.method} {page.path}"
        if asked:
            assert answer.headers["location"].startswith("/connexion?retour=%2F")


def test_every_change_needs_the_sessions_own_token(world: World) -> None:
    browser = world.client(LEAD)
    other = csrf(world.client(ANALYST).get("/preferences").text)
    for page in PROTECTED:
        if page.method == "POST" and (page.permission is None or LEAD.may(page.permission)):
            path = re.sub(r"\{\w+\}", "x", page.path)
            for data in ({}, {"csrf": ""}, {"csrf": other}):
                answer = browser.post(path, data=data)
                assert answer.status_code == 403 and "n’est plus valable" in answer.text, f"{page.path} {data}"


def test_a_form_sent_from_another_site_is_refused(world: World) -> None:
    browser = world.client(ANALYST)
    data = {"csrf": csrf(browser.get("/preferences").text), "theme": "dark"}
    assert browser.post("/preferences", data=data, headers={"origin": "https://evil.example"}).status_code == 403
    assert browser.post("/preferences", data=data, headers={"origin": "http://testserver"}).status_code == 303


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(world: World) -> None:
    policy = world.client(ANALYST).get("/alertes").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert "form-action 'self' http://127.0.0.1:8800;" in policy


def test_no_page_holds_inline_script_style_or_an_address_of_another_host(world: World, places: dict[str, str]) -> None:
    browser = world.client(LEAD)
    for page in PROTECTED:
        if page.method == "GET" and page.path not in {"/flux", "/"} and "." not in page.path:
            text = _ask(browser, page, places).text
            assert not re.search(r"<script(?![^>]*\ssrc=\"/)|<style|\sstyle=|\son\w+=\"", text), page.path
            assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), page.path


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    assert world.client(ANALYST).post("/preferences", content=b"x" * 600_000).status_code == 413


def test_an_unreadable_body_is_refused(world: World) -> None:
    browser = world.client(ANALYST)
    assert browser.post("/preferences", content=b"\xff\xfe=1").status_code == 400
    assert browser.post("/preferences", content=b"&".join(b"a=1" for _ in range(3000))).status_code == 400


def test_a_missing_permission_says_who_has_it(world: World) -> None:
    page = world.client(DIRECTOR).get("/recherche")
    assert (
        page.status_code == 403
        and "Responsable de la veille" in page.text
        and "Déclarant" not in page.text.split("Ces rôles")[1].split("</ul>")[0]
    )


@given(st.text(max_size=60))
def test_the_way_back_never_leaves_the_console(path: str) -> None:
    back = safe_return(path)
    assert back.startswith("/") and not back.startswith(("//", "/\\"))


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "/\\evil.example", "/a\nb", "javascript:alert(1)", ""])
def test_an_address_of_elsewhere_becomes_the_home_page(path: str) -> None:
    assert safe_return(path) == "/"
    assert safe_return("/alertes?etat=new#x") == "/alertes?etat=new#x"


def test_every_protected_route_but_the_personal_ones_declares_a_permission() -> None:
    free = {(page.method, page.path) for page in PROTECTED if page.permission is None}
    assert free == {("POST", "/deconnexion"), ("GET", "/"), ("GET", "/preferences"), ("POST", "/preferences")}
    assert {page.permission for page in PROTECTED} - {None} == set(Permission)
