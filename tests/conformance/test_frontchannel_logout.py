"""``oidcc-frontchannel-rp-initiated-logout-certification-test-plan``: each test of a module has its name; frames in a real Chromium."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, expect

from tests.conformance.live import Live, chromium, id_token, live_provider, relying_party, window
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, Wire, client, query_of

FRONT = "https://service.example/fin?cle=a;b"
GOODBYE = "https://service.example/au-revoir"


def _register(wire: Wire, name: str = "framed", **members: Any) -> None:
    registered = client(name, **{"frontchannel_logout_uri": FRONT, "frontchannel_logout_session_required": True, **members})
    wire.call(lambda provider: provider.store.clients.put(registered))


@pytest.mark.spec("OIDCFCL-3")
def test_oidcc_frontchannel_logout_discovery_endpoint_verification(wire: Wire) -> None:
    document = wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True


@pytest.mark.spec("OIDCFCL-2", "OIDCFCL-3")
def test_oidcc_frontchannel_rp_initiated_logout(wire: Wire) -> None:
    _register(wire)
    hint = wire.tokens("framed")["id_token"]
    query = {"id_token_hint": hint, "post_logout_redirect_uri": GOODBYE, "state": "s"}
    page = wire.http.get(f"{CONNECT}/logout", params=query, follow_redirects=False)
    assert page.status_code == 200
    [frame] = re.findall(r'<iframe src="([^"]+)"', page.text)
    assert frame == (
        "https://service.example/fin?cle=a;b&amp;iss=http%3A%2F%2F127.0.0.1%3A8800%2Fauth%2Frealms%2Fesante-wallet&amp;sid=session-one"
    )
    assert f'id="continue" href="{GOODBYE}?state=s"' in page.text
    assert query_of(wire.authorize("framed", cookie="veilleur_idp_sso=cookie-one", prompt="none"))["error"] == "login_required"


@pytest.mark.spec("OIDCFCL-3")
def test_the_page_may_frame_the_registered_addresses_and_nothing_else(wire: Wire) -> None:
    _register(wire)
    _register(wire, "second", frontchannel_logout_uri="https://second.example:8443/a'b,c;d/fin", redirect_uris=(REDIRECT,))
    first = wire.tokens("framed")
    wire.redeem(wire.code("second", cookie="veilleur_idp_sso=cookie-one"), "second")
    page = wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": first["id_token"]})
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["frame-src"] == "https://service.example/fin https://second.example:8443/a%27b%2Cc%3Bd/fin"
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    other = wire.http.get(f"{CONNECT}/logout")
    assert "frame-src" not in other.headers["content-security-policy"]


def test_only_services_of_this_session_are_framed(wire: Wire) -> None:
    _register(wire)
    _register(wire, "stranger", frontchannel_logout_uri="https://service.example/autre-fin")
    hint = wire.tokens("framed")["id_token"]
    wire.redeem(wire.code("stranger", cookie=wire.log_in("two")), "stranger")
    page = wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": hint})
    assert page.text.count("<iframe") == 1
    assert "autre-fin" not in page.text
    again = wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": hint})
    assert "<iframe" not in again.text, "what has ended does not end again"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_provider(tmp_path_factory.mktemp("idp")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def _framed(live: Live, body: str) -> Iterator[tuple[str, Any]]:
    with relying_party(lambda path: body) as (origin, asked):
        live.register(
            client(
                "framed",
                redirect_uris=(f"{origin}/retour",),
                post_logout_redirect_uris=(f"{origin}/au-revoir",),
                frontchannel_logout_uri=f"{origin}/fin",
                frontchannel_logout_session_required=True,
            )
        )
        yield origin, asked


@pytest.mark.service("chromium")
@pytest.mark.spec("OIDCFCL-3", "OIDCRP-3")
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_service_s_frame_is_loaded_before_the_person_goes_back_to_it(live: Live, browser: Browser, script: bool) -> None:
    with _framed(live, "<title>Service</title><h1>Service</h1>") as (origin, asked):
        context = window(browser, script=script)
        session = live.log_in(context)
        hint = id_token(live, "framed", f"{origin}/retour", session)
        page = context.new_page()
        page.goto(
            f"{live.connect}/logout?{urlencode({'id_token_hint': hint, 'post_logout_redirect_uri': f'{origin}/au-revoir', 'state': 's'})}"
        )
        page.wait_for_url(f"{origin}/au-revoir?state=s")
        first, second = asked.get(timeout=5), asked.get(timeout=5)
        assert first == f"/fin?{urlencode({'iss': live.provider.issuer, 'sid': session.id})}"
        assert second == "/au-revoir?state=s"
        context.close()


@pytest.mark.service("chromium")
def test_a_frame_cannot_take_the_page_elsewhere(live: Live, browser: Browser) -> None:
    grab = "<script>try { top.location = 'https://evil.example/' } catch (e) {}</script>"
    with _framed(live, grab) as (origin, asked):
        context = window(browser)
        hint = id_token(live, "framed", f"{origin}/retour", live.log_in(context))
        page = context.new_page()
        page.goto(f"{live.connect}/logout?{urlencode({'id_token_hint': hint})}", wait_until="load")
        assert asked.get(timeout=5).startswith("/fin?")
        expect(page.locator("h1")).to_contain_text("déconnecté")
        assert page.url.startswith(live.base_url)
        context.close()
