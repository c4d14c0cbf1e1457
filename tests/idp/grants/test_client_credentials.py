import pytest

from tests.idp.wire import ISSUER, Wire, claims_of


@pytest.mark.spec("RFC6749-4.4.2", "RFC6749-4.4.3", "RFC9068-2.2")
def test_a_client_gets_a_token_for_itself_without_refresh_or_id_token(wire: Wire) -> None:
    body = wire.post("token", "machine", grant_type="client_credentials").json()
    assert body["scope"] == "sessions:read sessions:revoke"
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    claims = claims_of(body["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("machine", "machine", ISSUER)


@pytest.mark.spec("RFC6749-3.3")
def test_the_scope_is_what_was_asked_within_what_was_registered(wire: Wire) -> None:
    assert wire.post("token", "machine", grant_type="client_credentials", scope="sessions:read").json()["scope"] == "sessions:read"
    assert wire.post("token", "machine", grant_type="client_credentials", scope="accounts:suspend").json()["error"] == "invalid_scope"
    assert wire.post("token", "machine", grant_type="client_credentials", scope="openid").json()["error"] == "invalid_scope"


def test_the_token_of_a_client_opens_no_person_s_data(wire: Wire) -> None:
    token = wire.post("token", "machine", grant_type="client_credentials").json()["access_token"]
    assert wire.userinfo(token).status_code == 403
