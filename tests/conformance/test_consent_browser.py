"""The page of who asks for what, in a real Chromium: sound for a screen reader, whole at 320 px, in both languages, by keyboard alone."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conformance.live import Live, chromium, live_provider, sound, window
from tests.end_to_end.conftest import artefact
from tests.idp.wire import CHALLENGE, START, client

pytestmark = pytest.mark.service("chromium")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_provider(tmp_path_factory.mktemp("idp")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _asked(live: Live, page: Page, name: str) -> str:
    """Where a service that registered itself sends a browser; the address at which it wants it back."""
    back = f"{live.base_url}/static/veilleur.css"
    live.register(
        client(name, client_name=f"Agenda {name}", redirect_uris=(back,), registered_at=START, tos_uri="https://agenda.example/cgu")
    )
    query = {
        "client_id": name,
        "response_type": "code",
        "scope": "openid profile identity",
        "redirect_uri": back,
        "state": "s",
        "nonce": "n",
    }
    page.goto(f"{live.base_url}/auth?{urlencode({**query, 'code_challenge': CHALLENGE, 'code_challenge_method': 'S256'})}")
    return back


@pytest.mark.parametrize("language", ["fr-FR", "en-GB"])
@pytest.mark.parametrize("width", [1000, 320])
def test_a_person_sees_who_asks_for_what_agrees_once_and_takes_it_back(live: Live, browser: Browser, language: str, width: int) -> None:
    name = f"c{width}{language[:2]}"
    context = window(browser, language=language, width=width)
    live.log_in(context)
    page = context.new_page()
    back = _asked(live, page, name)
    expect(page.locator("#asked li")).not_to_have_count(0)
    sound(page)
    page.screenshot(path=artefact(f"consent-{language}-{width}.png"), full_page=True)
    page.click("#consent button")
    page.wait_for_url(f"{back}?*code=*")
    _asked(live, page, name)
    assert "code=" in page.url, "what was agreed to is not asked again"
    page.goto(f"{live.base_url}/sessions")
    sound(page)
    page.screenshot(path=artefact(f"consents-{language}-{width}.png"), full_page=True)
    page.click("#consents button >> nth=-1")
    _asked(live, page, name)
    expect(page.locator("#asked")).to_be_visible()
    context.close()


def test_the_keyboard_alone_is_enough_to_agree_or_to_leave(live: Live, browser: Browser) -> None:
    context = window(browser)
    live.log_in(context)
    page = context.new_page()
    back = _asked(live, page, "keys")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('form')?.id") == "consent":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"{back}?*code=*")
    context.close()
