"""Forms of another site, in a real Chromium: they carry no ``SameSite=Lax`` cookie, and must neither end nor lose a session."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conformance.live import Live, chromium, live_provider, relying_party, window
from tests.idp.wire import CHALLENGE, client

pytestmark = pytest.mark.service("chromium")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_provider(tmp_path_factory.mktemp("idp")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _form(action: str, fields: Mapping[str, str]) -> str:
    inputs = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    form = f'<form method="post" action="{action}">{inputs}</form><script>document.forms[0].submit()</script>'
    return f"<!doctype html><title>Service</title>{form}"


@contextmanager
def _another_site(action: str, fields: Mapping[str, str]) -> Iterator[str]:
    """A page that sends a form as soon as it is opened, on a host that is another site than the provider's."""
    answers = "<!doctype html><title>Service</title><h1>Service</h1>"
    with relying_party(lambda path: _form(action, fields) if path == "/" else answers, host="localhost") as (origin, _):
        yield origin


def _cookies(page: Page) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}


@pytest.mark.spec("OIDCRP-2", "OIDCRP-6")
def test_a_logout_that_another_site_posts_asks_the_person_and_ends_nothing_by_itself(live: Live, browser: Browser) -> None:
    context = window(browser)
    live.log_in(context)
    page = context.new_page()
    before = _cookies(page)
    with _another_site(f"{live.connect}/logout", {"state": "x"}) as origin:
        page.goto(f"{origin}/")
        expect(page.locator("#logout button")).to_be_visible()
        assert _cookies(page) == before
        page.click("#logout button")
        expect(page.locator("h1")).to_contain_text("déconnecté")
    assert "veilleur_idp_sso" not in _cookies(page)
    context.close()


def _asking(redirect_uri: str, **more: str) -> dict[str, str]:
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return {"client_id": "party", "response_type": "code", "redirect_uri": redirect_uri, "scope": "openid", "state": "s", **pkce, **more}


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_a_login_that_another_site_posts_finds_the_session_and_leaves_another_tab_s_login_alive(live: Live, browser: Browser) -> None:
    fields: dict[str, str] = {}
    with _another_site(f"{live.base_url}/auth", fields) as origin:
        live.register(client("party", redirect_uris=(f"{origin}/retour",)))
        context = window(browser)
        fields.update(_asking(f"{origin}/retour"))
        other_tab, page = context.new_page(), context.new_page()
        other_tab.goto(f"{origin}/")
        other_tab.wait_for_url("**/login/**")
        live.log_in(context)
        fields["prompt"] = "none"
        page.goto(f"{origin}/")
        page.wait_for_url(f"{origin}/retour**")
        assert parse_qs(urlsplit(page.url).query).keys() >= {"code", "state"}
        fields["prompt"] = "login"
        page.goto(f"{origin}/")
        page.wait_for_url("**/login/**")
        other_tab.reload()
        expect(other_tab.locator("input[name=national_id]")).to_be_visible()
        context.close()
