import pytest

from tests.idp.wire import Wire


@pytest.mark.spec("RFC7009-2.1")
def test_a_revoked_refresh_token_takes_its_access_token_with_it(wire: Wire) -> None:
    tokens = wire.tokens()
    assert wire.post("revoke", token=tokens["refresh_token"]).status_code == 200
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert wire.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    (revoked,) = wire.events("token.revoked")
    assert revoked["health.session.id"] == "session-one"


@pytest.mark.spec("RFC7009-2.1")
def test_a_revoked_access_token_leaves_the_refresh_token(wire: Wire) -> None:
    tokens = wire.tokens()
    assert wire.post("revoke", token=tokens["access_token"], token_type_hint="refresh_token").status_code == 200
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert wire.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC7009-2.1", "RFC7009-2.2")
def test_another_client_s_token_stays_and_a_service_that_proves_itself_is_told_so(wire: Wire) -> None:
    tokens = wire.tokens()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        answer = wire.post("revoke", "other", token=token)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert "another client" in answer.json()["error_description"]
        assert wire.post("revoke", None, client_id="public", token=token).status_code == 200
    assert wire.post("revoke", "other", token="unknown").status_code == 200
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    assert wire.refresh(tokens["refresh_token"]).status_code == 200
    assert wire.events("token.revoked") == []


@pytest.mark.spec("RFC7009-2.1")
def test_the_client_must_prove_itself_and_name_a_token(wire: Wire) -> None:
    assert wire.post("revoke", None, token="x").status_code == 401
    assert wire.post("revoke").json()["error"] == "invalid_request"
