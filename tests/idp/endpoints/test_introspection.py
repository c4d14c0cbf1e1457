import pytest

from tests.idp.wire import ISSUER, NATIONAL_ID, Wire


@pytest.mark.spec("RFC7662-2.2")
def test_an_active_token_is_described(wire: Wire) -> None:
    token = wire.tokens(scope="openid identity")["access_token"]
    described = wire.post("token/introspect", "other", token=token).json()
    assert described["active"] is True
    assert (described["iss"], described["client_id"], described["scope"]) == (ISSUER, "baseline", "identity openid")
    assert described["exp"] - described["iat"] == 120
    assert described["username"] == NATIONAL_ID


@pytest.mark.spec("PSC-3.6")
def test_a_token_of_a_psc_client_is_described_as_ans_documents_it(wire: Wire) -> None:
    described = wire.post("token/introspect", "psc", token=wire.tokens("psc")["access_token"]).json()
    documented = (
        "exp iat auth_time jti iss sub typ azp nonce session_state preferred_username email_verified acr scope client_id username active"
    )
    assert set(documented.split()) | {"SubjectNameID"} <= described.keys()
    assert described["typ"] == "Bearer"
    assert described["azp"] == described["client_id"] == "psc"


@pytest.mark.spec("RFC7662-2.2")
@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "x" * 9000])
def test_anything_else_is_exactly_inactive(wire: Wire, token: str) -> None:
    answer = wire.post("token/introspect", token=token)
    assert answer.status_code == 200
    assert answer.json() == {"active": False}


@pytest.mark.spec("RFC7662-2.1", "RFC7662-4")
def test_the_caller_must_be_an_authenticated_client(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    assert wire.post("token/introspect", None, token=token).status_code == 401
    assert wire.post("token/introspect").json()["error"] == "invalid_request"


def test_a_refresh_token_is_described_to_its_own_client_alone(wire: Wire) -> None:
    token = wire.tokens()["refresh_token"]
    assert wire.post("token/introspect", "baseline", token=token).json()["typ"] == "Refresh"
    assert wire.post("token/introspect", "other", token=token).json() == {"active": False}
    wire.refresh(token)
    assert wire.post("token/introspect", "baseline", token=token).json() == {"active": False}


def test_each_look_is_audited(wire: Wire) -> None:
    wire.post("token/introspect", "other", token=wire.tokens()["access_token"])
    wire.post("token/introspect", "other", token="x")
    seen = wire.events("token.introspected")
    assert [(e["event.outcome"], e.get("user.id"), e["health.relying_party.id"]) for e in seen] == [
        ("success", NATIONAL_ID, "other"),
        ("failure", None, "other"),
    ]
