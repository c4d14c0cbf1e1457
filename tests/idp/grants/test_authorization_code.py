from dataclasses import replace

import pytest

from idp.model import AccountState
from tests.idp.wire import PERSON, VERIFIER, Wire, claims_of


@pytest.mark.spec("OIDCC-3.1.3.3", "OIDCC-2", "RFC9700-4.5.3.2")
def test_a_code_gives_an_id_token_for_this_login(wire: Wire) -> None:
    claims = claims_of(wire.tokens()["id_token"])
    assert claims["aud"] == "baseline"
    assert claims["nonce"] == "n-1"
    assert claims["sub"] == PERSON.id
    assert (claims["acr"], claims["amr"], claims["sid"]) == ("eidas2", ["hwk", "pin"], "session-one")
    assert claims["auth_time"] == int(wire.wall.at.timestamp())


@pytest.mark.spec("RFC6749-4.1.2", "RFC9700-4.2.4", "OIDCC-3.1.3.2")
def test_a_replayed_code_ends_the_tokens_it_gave(wire: Wire) -> None:
    code = wire.code()
    tokens = wire.redeem(code).json()
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    wire.wall.advance(40)
    assert wire.redeem(code).json()["error"] == "invalid_grant"
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert wire.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    (replayed,) = wire.events("authorization_code.replayed")
    assert replayed["user.id"] == PERSON.national_id


@pytest.mark.spec("RFC6749-4.1.2")
def test_a_code_lives_a_minute(wire: Wire) -> None:
    early, late = wire.code(), wire.code()
    wire.wall.advance(59)
    assert wire.redeem(early).status_code == 200
    wire.wall.advance(1)
    assert wire.redeem(late).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC6749-4.1.3")
def test_a_code_of_another_client_is_refused_and_spent(wire: Wire) -> None:
    code = wire.code("baseline")
    assert wire.redeem(code, "other").json()["error"] == "invalid_grant"
    assert wire.redeem(code, "baseline").json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC6749-4.1.3")
@pytest.mark.parametrize("redirect_uri", [None, "https://service.example/autre?a=1", "https://service.example/retour/"])
def test_the_redirect_uri_must_be_that_of_the_request(wire: Wire, redirect_uri: str | None) -> None:
    assert wire.redeem(wire.code(), redirect_uri=redirect_uri).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC7636-4.6", "RFC9700-2.1.1")
@pytest.mark.parametrize("verifier", [None, "x" * 43, VERIFIER[:-1]])
def test_the_verifier_must_fit(wire: Wire, verifier: str | None) -> None:
    assert wire.redeem(wire.code(), code_verifier=verifier).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC9700-4.8.2")
def test_a_verifier_where_the_request_had_no_challenge_is_refused(wire: Wire) -> None:
    code = wire.code("psc", code_challenge=None, code_challenge_method=None)
    assert wire.redeem(code, "psc").json()["error"] == "invalid_grant"


def test_psc_clients_may_do_without_pkce_and_repeat_the_scope(wire: Wire) -> None:
    code = wire.code("psc", code_challenge=None, code_challenge_method=None, scope="openid scope_all")
    answer = wire.redeem(code, "psc", code_verifier=None, scope="openid scope_all identity")
    assert answer.json()["scope"] == "openid scope_all"


@pytest.mark.spec("RFC6749-2.1")
def test_a_public_client_redeems_with_its_verifier_alone(wire: Wire) -> None:
    assert wire.redeem(wire.code("public"), None, client_id="public").status_code == 200


def test_nothing_is_issued_to_someone_suspended_meanwhile(wire: Wire) -> None:
    code = wire.code()
    wire.call(lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)))
    assert wire.redeem(code).json()["error"] == "invalid_grant"


def test_nothing_is_issued_once_the_session_ended(wire: Wire) -> None:
    code = wire.code()
    wire.call(lambda provider: provider.store.revocations.revoke_session("session-one", provider.clock()))
    assert wire.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.spec("PSC-3.1")
def test_a_psc_client_gets_the_members_that_keycloak_adds(wire: Wire) -> None:
    body = wire.tokens("psc", scope="openid scope_all")
    assert body["expires_in"] == 120
    assert (body["refresh_expires_in"], body["not-before-policy"], body["session_state"]) == (1800, 0, "session-one")
    assert "session_state" not in wire.tokens("baseline")
