"""The pages of sessions and of logout in a real Chromium: sound for a screen reader, whole at 320 px, in both languages; pictures kept."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from playwright.sync_api import Browser, expect

from idp.model import Session
from tests.conformance.live import Live, chromium, id_token, live_provider, sound, window
from tests.end_to_end.conftest import artefact
from tests.idp.test_outbound import listening
from tests.idp.wire import PERSON, client

pytestmark = pytest.mark.service("chromium")

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
RETURN = "https://service.example/retour"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_provider(tmp_path_factory.mktemp("idp")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _elsewhere(live: Live, mine: Session) -> Session:
    """The same person on another machine."""
    other = replace(
        mine, id=f"{mine.id[:-4]}beef", cookie_hash=f"{mine.cookie_hash[:-4]}beef", user_agent=FIREFOX, source_ip="198.51.100.9"
    )
    live.call(lambda provider: provider.store.sessions.put(other))
    return other


@pytest.mark.parametrize("language", ["fr-FR", "en-GB"])
@pytest.mark.parametrize("width", [1000, 320])
def test_a_person_sees_their_sessions_ends_one_and_then_everything(live: Live, browser: Browser, language: str, width: int) -> None:
    with listening(503) as (url, _):
        live.register(client("record", client_name="Dossier patient", redirect_uris=(RETURN,), backchannel_logout_uri=url))
        live.register(client("mail", client_name="Messagerie sécurisée", redirect_uris=(RETURN,)))
        context = window(browser, language=language, width=width)
        mine = live.log_in(context)
        other = _elsewhere(live, mine)
        for name, session in (("record", mine), ("mail", mine), ("record", other)):
            id_token(live, name, RETURN, session)
        page = context.new_page()
        page.goto(f"{live.base_url}/sessions")
        expect(page.locator(".sessions > li")).to_have_count(2)
        sound(page)
        page.screenshot(path=artefact(f"sessions-{language}-{width}.png"), full_page=True)
        page.locator(".sessions > li").nth(1).locator("button").click()
        expect(page.locator("#ended")).to_be_visible()
        expect(page.locator(".sessions > li")).to_have_count(1)
        page.goto(f"{live.base_url}/sessions")
        page.wait_for_function("() => document.getElementById('notices') || location.reload()")
        sound(page)
        page.screenshot(path=artefact(f"sessions-ended-{language}-{width}.png"), full_page=True)
        page.click("#all button")
        expect(page.locator("#untold")).to_contain_text("Messagerie sécurisée")
        expect(page.locator("#told")).to_contain_text("Dossier patient")
        sound(page)
        page.screenshot(path=artefact(f"logged-out-{language}-{width}.png"), full_page=True)
        page.goto(f"{live.base_url}/sessions")
        expect(page.locator("#national_id")).to_be_visible()
        context.close()


@pytest.mark.parametrize("language", ["fr-FR", "en-GB"])
def test_the_question_before_a_logout_issound(live: Live, browser: Browser, language: str) -> None:
    context = window(browser, language=language, width=320)
    live.log_in(context)
    page = context.new_page()
    page.goto(f"{live.connect}/logout")
    sound(page)
    page.screenshot(path=artefact(f"log-out-{language}-320.png"), full_page=True)
    context.close()


def test_the_sessions_page_works_by_keyboard_alone(live: Live, browser: Browser) -> None:
    context = window(browser)
    mine = live.log_in(context)
    other = _elsewhere(live, mine)
    page = context.new_page()
    page.goto(f"{live.base_url}/sessions")
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.form?.action.includes('beef')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#ended")).to_be_visible()
    assert live.call(lambda provider: provider.store.sessions.get(other.id, provider.clock())) is None
    assert PERSON.national_id is not None
    assert PERSON.national_id not in page.content()
    assert httpx.get(f"{live.base_url}/sessions").status_code == 303
    context.close()
