"""The pages of a service's developers in a real Chromium: sound for a screen reader, whole at 320 px, in both languages and themes."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.conformance.live import Live, chromium, live_provider, sound, window
from tests.end_to_end.conftest import artefact
from tests.idp.wire import CHALLENGE, NATIONAL_ID, client

pytestmark = pytest.mark.service("chromium")

RETURN = "https://dossier.example/connexion/retour"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_provider(tmp_path_factory.mktemp("idp")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize(("language", "theme"), [("fr-FR", "light"), ("en-GB", "dark")])
@pytest.mark.parametrize("width", [1000, 320])
def test_a_developer_finds_the_character_that_differs(live: Live, browser: Browser, language: str, theme: str, width: int) -> None:
    live.register(client("record", client_name="Dossier patient", redirect_uris=(RETURN,), developers=(NATIONAL_ID,)))
    query = {
        "client_id": "record",
        "response_type": "code",
        "redirect_uri": RETURN.replace("example/", "example:8443/"),
        "scope": "openid drugs:read",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    httpx.post(f"{live.connect}/token", data={"grant_type": "authorization_code", "code": "x"}, auth=("record", "wrong"))
    context = window(browser, language=language, width=width)
    page = context.new_page()
    page.goto(str(httpx.Request("GET", f"{live.base_url}/auth", params={**query, "theme": theme}).url))
    page.click("summary")
    sound(page)
    page.screenshot(path=artefact(f"unanswerable-{language}-{width}.png"), full_page=True)
    live.log_in(context)
    page.click("details a")
    page.goto(f"{page.url}?theme={theme}")
    expect(page.locator(".fault")).to_have_count(2)
    expect(page.locator("mark").first).to_have_text(":")
    page.click("summary")
    sound(page)
    page.screenshot(path=artefact(f"developer-refusal-{language}-{width}.png"), full_page=True)
    page.goto(f"{live.base_url}/developers")
    expect(page.locator(".cards > li").first).to_be_visible()
    sound(page)
    page.screenshot(path=artefact(f"developers-{language}-{width}.png"), full_page=True)
    page.goto(f"{live.base_url}/developers/0000000000000000")
    sound(page)
    context.close()
