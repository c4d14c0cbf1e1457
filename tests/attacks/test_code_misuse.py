"""A code counts once, for one client, and nothing else passes for one.

Precedents: Keycloak CVE-2026-4282 (one store for single-use values of every kind), RFC9700-4.5 (injection and replay).
"""

import asyncio

import httpx
import pytest
from starlette.testclient import TestClient

from idp import grants
from idp.grants.phases import Services, TokenRequest
from idp.provider import Provider
from tests.idp.wire import BASE, REDIRECT, VERIFIER, Wire

pytestmark = pytest.mark.precedent("CVE-2026-4282", "RFC9700-4.5")


PUSHED = "urn:ietf:params:oauth:request_uri:"
_ASKED = {
    "response_type": "code",
    "redirect_uri": REDIRECT,
    "scope": "openid",
    "code_challenge": "E" * 43,
    "code_challenge_method": "S256",
}


@pytest.mark.spec("RFC6749-4.1.2", "RFC9700-4.2.4", "RFC9700-4.3.1")
def test_a_code_shown_again_ends_what_it_gave(wire: Wire) -> None:
    code = wire.code()
    first = wire.redeem(code).json()
    assert wire.redeem(code).json()["error"] == "invalid_grant"
    assert wire.userinfo(first["access_token"]).status_code == 401
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert len(wire.events("authorization_code.replayed")) == 1


def test_of_ten_redemptions_at_once_one_wins_and_then_all_lose(wire: Wire) -> None:
    code = wire.code()
    client = wire.call(lambda provider: provider.store.clients.get("baseline"))
    assert client is not None
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}

    async def race(provider: Provider) -> list[object]:
        services = Services(
            store=provider.store, tokens=provider.tokens, audit=provider.audit, lifetimes=provider.lifetimes, now=provider.clock()
        )
        asked = TokenRequest(client=client, parameters=form, source_ip="192.0.2.1")
        return await asyncio.gather(*(grants.run(asked, services) for _ in range(10)), return_exceptions=True)

    won = [answer for answer in wire.call(race) if isinstance(answer, dict)]
    assert len(won) == 1
    assert wire.userinfo(won[0]["access_token"]).status_code == 401, "the nine others were a replay"


@pytest.mark.spec("RFC9126-7.3", "FAPI2SP-5.3.2.2")
def test_of_ten_tabs_with_one_pushed_request_one_gets_a_code(wire: Wire) -> None:
    pushed = wire.post("ext/par/request", **_ASKED).json()["request_uri"]
    query = {"client_id": "baseline", "request_uri": pushed}
    headers = {"Cookie": wire.log_in()}

    async def race(_: Provider) -> list[httpx.Response]:
        transport = httpx.ASGITransport(wire.http.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as browser:
            return await asyncio.gather(*(browser.get("/auth", params=query) for _ in range(10)))

    answers = wire.call(race)
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 9
    assert len(wire.events("authorization_code.issued")) == 1


def test_a_code_of_one_client_is_worth_nothing_to_another_and_is_spent(wire: Wire) -> None:
    code = wire.code("baseline")
    assert wire.redeem(code, "other").json()["error"] == "invalid_grant"
    assert wire.redeem(code, "baseline").json()["error"] == "invalid_grant"


def test_no_other_artefact_passes_for_a_code(wire: Wire) -> None:
    tokens = wire.tokens(scope="openid identity")
    cookie = wire.log_in()
    login = wire.authorize(prompt="login").headers["location"]
    artefacts = [tokens["refresh_token"], tokens["access_token"], tokens["id_token"], cookie.partition("=")[2], login.rpartition("/")[2]]
    for artefact in [*artefacts, "session-one", "baseline", "0", "' OR 1=1 --", "\u0000", "x" * 5000]:
        assert wire.redeem(artefact).json()["error"] == "invalid_grant"


def test_what_was_pushed_or_awaits_an_answer_passes_for_no_code(wire: Wire) -> None:
    pushed = wire.post("ext/par/request", **_ASKED).json()["request_uri"]
    device = wire.post("auth/device", "device", scope="openid").json()
    for artefact in (pushed, pushed.rpartition(":")[2], device["device_code"], device["user_code"]):
        assert wire.redeem(artefact).json()["error"] == "invalid_grant"
        assert wire.refresh(artefact).json()["error"] == "invalid_grant"
        assert wire.userinfo(artefact).status_code == 401
    code = wire.code()
    for artefact in (code, pushed, wire.tokens()["refresh_token"]):
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": artefact}
        assert wire.post("token", "device", **form).json()["error"] in ("invalid_grant", "expired_token")
        brought = wire.http.get(
            f"{BASE}/auth", params={"client_id": "baseline", "request_uri": f"{PUSHED}{artefact}"}, follow_redirects=False
        )
        assert (brought.status_code, "location" in brought.headers) == (400, False)


def test_no_other_artefact_passes_for_a_refresh_token_an_access_token_or_a_session(wire: Wire) -> None:
    tokens, code = wire.tokens(), wire.code()
    for artefact in (code, tokens["access_token"], tokens["id_token"], "session-one"):
        assert wire.refresh(artefact).json()["error"] == "invalid_grant"
    for artefact in (code, tokens["refresh_token"], tokens["id_token"], "session-one"):
        assert wire.userinfo(artefact).status_code == 401
    for artefact in (code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"], "session-one"):
        assert "/login/" in wire.authorize(cookie=f"veilleur_idp_sso={artefact}").headers["location"]


@pytest.mark.spec("RFC9700-4.3.1")
def test_a_code_lives_a_minute(wire: Wire) -> None:
    code = wire.code()
    wire.wall.advance(60)
    assert wire.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC6749-5.1")
def test_a_token_answer_is_never_kept(wire: Wire) -> None:
    http: TestClient = wire.http
    assert http is not None
    assert wire.redeem(wire.code()).headers["cache-control"] == "no-store"
