from dataclasses import replace

import pytest

from idp.model import AccountState
from tests.idp.wire import PERSON, Wire, claims_of, client


@pytest.mark.spec("FAPI2SP-5.3.2.1")
def test_without_rotation_the_same_token_goes_on_and_each_use_prolongs_it(wire: Wire) -> None:
    kept = client("kept", quirks={"refresh_rotation": False, "refresh_token_seconds": 600})
    wire.call(lambda provider: provider.store.clients.put(kept))
    first = wire.tokens("kept")["refresh_token"]
    seen = set()
    for _ in range(3):
        wire.wall.advance(500)
        answer = wire.refresh(first, "kept").json()
        assert answer["refresh_token"] == first
        assert wire.userinfo(answer["access_token"]).status_code == 200
        seen.add(answer["access_token"])
    assert len(seen) == 3
    assert not wire.events("refresh_token.rotated")
    wire.wall.advance(601)
    assert wire.refresh(first, "kept").json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC7009-2.1")
def test_without_rotation_a_revoked_token_gives_nothing_more(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("kept", quirks={"refresh_rotation": False})))
    tokens = wire.tokens("kept")
    assert wire.post("revoke", "kept", token=tokens["refresh_token"]).status_code == 200
    assert wire.refresh(tokens["refresh_token"], "kept").json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC6749-6", "RFC9700-4.14.2")
def test_each_use_rotates_the_token(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    third = wire.refresh(second["refresh_token"])
    assert third.status_code == 200
    assert wire.userinfo(third.json()["access_token"]).status_code == 200


@pytest.mark.spec("RFC9700-4.14.2")
def test_a_rotated_token_shown_again_ends_the_family(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.refresh(first["refresh_token"]).json()
    wire.wall.advance(10)
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.userinfo(second["access_token"]).status_code == 401
    (replayed,) = wire.events("refresh_token.replayed")
    assert replayed["user.id"] == PERSON.national_id
    assert replayed["health.session.id"] == "session-one"


@pytest.mark.spec("OIDCC-12.2")
def test_a_refreshed_id_token_speaks_of_the_same_login(wire: Wire) -> None:
    first = wire.tokens()
    wire.wall.advance(60)
    before, after = claims_of(first["id_token"]), claims_of(wire.refresh(first["refresh_token"]).json()["id_token"])
    assert after["iat"] == before["iat"] + 60
    assert all(after[name] == before[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "sid"))


@pytest.mark.spec("OIDCC-12.2")
def test_a_refreshed_id_token_has_no_nonce_but_in_the_profile_that_speaks_as_keycloak(wire: Wire) -> None:
    for client_id, repeated in (("baseline", None), ("psc", "n-7")):
        first = wire.tokens(client_id, nonce="n-7")
        assert claims_of(first["id_token"])["nonce"] == "n-7"
        second = wire.refresh(first["refresh_token"], client_id).json()
        assert claims_of(second["id_token"]).get("nonce") == repeated
        assert claims_of(wire.refresh(second["refresh_token"], client_id).json()["id_token"]).get("nonce") == repeated


@pytest.mark.spec("RFC6749-6")
def test_a_refresh_may_narrow_the_scope_but_never_widen_it(wire: Wire) -> None:
    first = wire.tokens(scope="openid identity")
    narrowed = wire.refresh(first["refresh_token"], scope="openid").json()
    assert narrowed["scope"] == "openid"
    assert wire.refresh(narrowed["refresh_token"], scope="openid profile").json()["error"] == "invalid_scope"


@pytest.mark.spec("RFC6749-10.4")
def test_a_token_of_another_client_is_refused_and_stays_good(wire: Wire) -> None:
    first = wire.tokens()
    assert wire.refresh(first["refresh_token"], "other").json()["error"] == "invalid_grant"
    assert wire.refresh(first["refresh_token"]).status_code == 200


def test_a_token_unused_for_half_an_hour_is_over(wire: Wire) -> None:
    first = wire.tokens()
    wire.wall.advance(30 * 60)
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"


def test_refreshing_keeps_the_session_alive_up_to_its_maximum(wire: Wire) -> None:
    tokens = wire.tokens()
    refreshed = 0
    while True:
        wire.wall.advance(29 * 60)
        answer = wire.refresh(tokens["refresh_token"])
        if answer.status_code != 200:
            break
        tokens, refreshed = answer.json(), refreshed + 1
    assert refreshed == 8  # 8 × 29 min = 3 h 52; the ninth would pass four hours
    assert answer.json()["error"] == "invalid_grant"


def test_nothing_is_refreshed_for_someone_suspended_or_logged_out(wire: Wire) -> None:
    first, second = wire.tokens(), wire.tokens()
    wire.call(lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)))
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    wire.call(lambda provider: provider.store.accounts.put(PERSON))
    wire.call(lambda provider: provider.store.revocations.revoke_session("session-one", provider.clock()))
    assert wire.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("value", [None, "unknown", "x" * 5000])
def test_an_unknown_token_is_refused(wire: Wire, value: str | None) -> None:
    answer = wire.post("token", grant_type="refresh_token", refresh_token=value)
    assert answer.json()["error"] == ("invalid_grant" if value else "invalid_request")


def test_a_code_or_an_access_token_is_no_refresh_token(wire: Wire) -> None:
    code, tokens = wire.code(), wire.tokens()
    for value in (code, tokens["access_token"], tokens["id_token"]):
        assert wire.refresh(value).json()["error"] == "invalid_grant"
    assert wire.redeem(tokens["refresh_token"]).json()["error"] == "invalid_grant"
