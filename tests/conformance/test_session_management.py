"""``oidcc-session-management-certification-test-plan`` in a real Chromium: each test of a module has its name."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conformance.live import PARTY_PAGE, Live, chromium, launch, live_provider, relying_party, window
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


@pytest.mark.spec("OIDCSM-3.3")
def test_oidcc_session_management_discovery_endpoint_verification(live: Live) -> None:
    document = httpx.get(f"{live.provider.issuer}/.well-known/openid-configuration").json()
    assert document["check_session_iframe"] == f"{live.connect}/login-status-iframe.html"
    frame = httpx.get(document["check_session_iframe"])
    assert frame.headers["content-security-policy"].endswith("frame-ancestors *")
    assert "x-frame-options" not in frame.headers


def _page(live: Live) -> str:
    return PARTY_PAGE.format(frame=f"{live.connect}/login-status-iframe.html", origin=live.base_url)


def _log_in(live: Live, page: Page, client_id: str, redirect_uri: str) -> str:
    """Come back from the authorization endpoint in this window; the ``session_state`` of the answer."""
    query = {
        "client_id": client_id, "response_type": "code", "redirect_uri": redirect_uri, "scope": "openid", "state": "s",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    page.goto(f"{live.base_url}/auth?{urlencode(query)}")
    page.wait_for_url(f"{redirect_uri}**")
    return parse_qs(urlsplit(page.url).query)["session_state"][0]


def _ask(page: Page, message: str, expected: str) -> None:
    page.evaluate("document.getElementById('said').textContent = ''")
    page.evaluate("message => ask(message)", message)
    expect(page.locator("#said")).to_have_text(expected)


@pytest.mark.spec("OIDCSM-2", "OIDCSM-3.1", "OIDCSM-3.2")
@pytest.mark.parametrize("form", ["salted", "keycloak"])
def test_oidcc_session_management_rp_initiated_logout(live: Live, browser: Browser, form: str) -> None:
    with relying_party(lambda path: _page(live)) as (origin, _):
        live.register(client("party", redirect_uris=(f"{origin}/retour",), quirks={"session_state_parameter": form}))
        context = window(browser)
        session = live.log_in(context)
        page = context.new_page()
        state = _log_in(live, page, "party", f"{origin}/retour")
        assert (state == session.id) == (form == "keycloak")
        _ask(page, f"party {state}", "unchanged")
        _ask(page, f"party {state}", "unchanged")
        other = context.new_page()
        other.goto(f"{live.connect}/logout")
        other.click("#logout button")
        expect(other.locator("h1")).to_contain_text("déconnecté")
        _ask(page, f"party {state}", "changed")
        live.log_in(context)
        _ask(page, f"party {state}", "changed")
        context.close()


@pytest.mark.spec("OIDCSM-3.2")
def test_the_answer_is_for_the_client_and_the_origin_alone(live: Live, browser: Browser) -> None:
    with relying_party(lambda path: _page(live)) as (origin, _), relying_party(lambda path: _page(live)) as (elsewhere, _):
        live.register(client("party", redirect_uris=(f"{origin}/retour",)))
        context = window(browser)
        live.log_in(context)
        page = context.new_page()
        state = _log_in(live, page, "party", f"{origin}/retour")
        for message, expected in (
            (f"other {state}", "changed"),
            (f"party {state[:-1]}", "changed"),
            ("party", "error"),
            (f"party {state} more", "error"),
            ("", "error"),
            (f" {state}", "error"),
        ):
            _ask(page, message, expected)
        page.goto(f"{elsewhere}/")
        _ask(page, f"party {state}", "changed")
        context.close()


@pytest.mark.spec("OIDCSM-3.2")
def test_a_frame_without_origin_gets_no_answer(live: Live, browser: Browser) -> None:
    context = window(browser)
    live.log_in(context)
    page = context.new_page()
    page.set_content(_page(live), wait_until="load")
    page.evaluate("ask('party x')")
    page.evaluate("fetch('data:,').then(() => new Promise(done => setTimeout(done, 300)))")
    assert page.inner_text("#said") == ""
    context.close()


def test_a_service_of_another_site_hears_error_where_the_browser_hides_cookies_from_frames(live: Live, browser: Browser) -> None:
    """What Session Management cannot do any more, said as it is: such a service relies on the back channel."""
    blind = launch(browser.browser_type, "test-third-party-cookie-phaseout")
    with relying_party(lambda path: _page(live), host="localhost") as (origin, _):
        live.register(client("party", redirect_uris=(f"{origin}/retour",)))
        context = window(blind)
        live.log_in(context)
        page = context.new_page()
        state = _log_in(live, page, "party", f"{origin}/retour")
        _ask(page, f"party {state}", "error")
    blind.close()
