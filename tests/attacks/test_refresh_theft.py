"""A stolen refresh token is found out, and ends with the session.

Precedents: Keycloak CVE-2026-1035 (reuse slipped through in parallel) and keycloak#52666 (rotation state lost), RFC 9700 §4.14.
"""

import asyncio

import pytest

from idp import grants
from idp.grants.phases import Services, TokenRequest
from idp.provider import Provider
from tests.idp.wire import Wire

pytestmark = pytest.mark.precedent("CVE-2026-1035", "keycloak#52666")


@pytest.mark.spec("RFC9700-4.14.2", "RFC9700-2.2.2")
def test_a_rotated_token_shown_again_ends_the_family(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.refresh(first["refresh_token"]).json()
    wire.wall.advance(10)
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.userinfo(second["access_token"]).status_code == 401
    assert len(wire.events("refresh_token.replayed")) == 1


def test_of_ten_refreshes_at_once_all_get_the_same_tokens_and_a_late_one_ends_them(wire: Wire) -> None:
    token = wire.tokens()["refresh_token"]
    client = wire.call(lambda provider: provider.store.clients.get("baseline"))
    assert client is not None
    form = {"grant_type": "refresh_token", "refresh_token": token}

    async def race(provider: Provider) -> list[object]:
        services = Services(
            store=provider.store, tokens=provider.tokens, audit=provider.audit, lifetimes=provider.lifetimes, now=provider.clock()
        )
        asked = TokenRequest(client=client, parameters=form, source_ip="192.0.2.1")
        return await asyncio.gather(*(grants.run(asked, services) for _ in range(10)), return_exceptions=True)

    won = [answer for answer in wire.call(race) if isinstance(answer, dict)]
    assert len(won) == 10
    assert all(answer == won[0] for answer in won), "one token has one successor"
    assert wire.userinfo(won[0]["access_token"]).status_code == 200
    wire.wall.advance(10)
    assert wire.refresh(token).json()["error"] == "invalid_grant"
    assert all(wire.userinfo(answer["access_token"]).status_code == 401 for answer in won)
    assert all("error" in wire.refresh(answer["refresh_token"]).json() for answer in won)


def test_another_client_cannot_use_it_and_learns_nothing(wire: Wire) -> None:
    token = wire.tokens("baseline")["refresh_token"]
    theirs, unknown = wire.refresh(token, "other"), wire.refresh("unknown", "other")
    assert theirs.content == unknown.content
    assert wire.refresh(token, "baseline").status_code == 200


def test_a_client_without_the_grant_cannot_use_it(wire: Wire) -> None:
    token = wire.tokens("baseline")["refresh_token"]
    assert wire.refresh(token, "code-only").json()["error"] == "unauthorized_client"


@pytest.mark.spec("RFC9700-2.3", "RFC9700-4.14.2")
def test_scope_cannot_be_widened(wire: Wire) -> None:
    token = wire.tokens(scope="openid")["refresh_token"]
    assert wire.refresh(token, scope="openid identity").json()["error"] == "invalid_scope"


@pytest.mark.spec("RFC9700-4.14.2")
def test_it_ends_with_the_session(wire: Wire) -> None:
    tokens = wire.tokens()
    wire.http.get(f"{wire.provider.issuer}/protocol/openid-connect/logout", params={"id_token_hint": tokens["id_token"]})
    assert wire.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.userinfo(tokens["access_token"]).status_code == 401
