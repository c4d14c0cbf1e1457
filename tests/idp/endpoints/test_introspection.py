import json

import jwt
import pytest

from tests.idp.wire import CONNECT, ISSUER, NATIONAL_ID, SECRET, Wire, claims_of, client


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


@pytest.mark.spec("RFC9701-4", "RFC9701-5", "RFC9701-6")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_an_answer_asked_for_as_jwt_is_signed_for_the_one_who_asked_and_is_no_token(wire: Wire, alg: str) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("other", introspection_signed_response_alg=alg)))
    token = wire.tokens()["access_token"]
    accept = {"Accept": "application/token-introspection+jwt"}
    asked = {"data": {"token": token}, "auth": ("other", SECRET)}
    answer = wire.http.post(f"{CONNECT}/token/introspect", headers=accept, **asked)
    assert answer.headers["content-type"] == "application/token-introspection+jwt"
    assert answer.headers["cache-control"] == "no-store"
    header = jwt.get_unverified_header(answer.text)
    assert (header["typ"], header["alg"]) == ("token-introspection+jwt", alg)
    keys = jwt.PyJWKSet.from_dict(json.loads(wire.provider.keys.jwks()))
    claims = jwt.decode(answer.text, keys[header["kid"]].key, [alg], audience="other", issuer=ISSUER, options={"verify_iat": False})
    assert claims.keys() == {"iss", "aud", "iat", "token_introspection"}
    assert claims["token_introspection"] == wire.http.post(f"{CONNECT}/token/introspect", **asked).json()
    assert wire.userinfo(answer.text).status_code == 401
    for other in ("*/*", "application/json"):
        plain = wire.http.post(f"{CONNECT}/token/introspect", headers={"Accept": other}, **asked)
        assert plain.headers["content-type"] == "application/json"
    inactive = wire.http.post(f"{CONNECT}/token/introspect", headers=accept, data={"token": "x"}, auth=("other", SECRET))
    assert claims_of(inactive.text)["token_introspection"] == {"active": False}
