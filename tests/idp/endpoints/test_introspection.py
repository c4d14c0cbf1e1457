import json
from dataclasses import replace
from urllib.parse import urlencode

import jwt
import pytest

from idp.model import AccountKind, Profile
from tests.idp.wire import CONNECT, ISSUER, NATIONAL_ID, PERSON, SECRET, Wire, claims_of, client


@pytest.mark.spec("RFC7662-2.2")
def test_an_active_token_is_described(wire: Wire) -> None:
    token = wire.tokens(scope="openid identity")["access_token"]
    described = wire.post("token/introspect", "interface", token=token).json()
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


API, RECORDS = "https://medicaments.example/fhir", "https://dossiers.example/"


@pytest.mark.spec("RFC7662-2.2", "RFC7662-4", "RFC9701-5")
@pytest.mark.parametrize("accept", ["application/json", "application/token-introspection+jwt"])
@pytest.mark.parametrize(
    ("resource", "readers"),
    [
        (None, {"asking", "interface"}),
        (API, {"asking", "api"}),
        (RECORDS, {"asking", "records"}),
        (f"{API} {RECORDS}", {"asking", "api", "records"}),
    ],
)
def test_a_token_is_the_business_of_its_client_and_of_the_servers_that_it_is_for(
    wire: Wire, accept: str, resource: str | None, readers: set[str]
) -> None:
    for registered in (
        client("asking", resources=(API, RECORDS)),
        client("api", serves_resources=(API,)),
        client("records", serves_resources=(RECORDS,), resources=(API,)),
    ):
        wire.register(registered)
    told = wire.tokens("asking")
    if resource is not None:
        asked = [
            ("grant_type", "refresh_token"),
            ("refresh_token", told["refresh_token"]),
            *(("resource", one) for one in resource.split()),
        ]
        content = urlencode(asked)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        told = wire.http.post(f"{CONNECT}/token", content=content, headers=headers, auth=("asking", SECRET)).json()
    seen = set()
    for reader in ("asking", "api", "records", "interface", "other", "psc", "exchanger"):
        form = {"token": told["access_token"]}
        answer = wire.http.post(f"{CONNECT}/token/introspect", data=form, auth=(reader, SECRET), headers={"Accept": accept})
        document = answer.json() if accept == "application/json" else claims_of(answer.text)["token_introspection"]
        if document["active"]:
            seen.add(reader)
        else:
            assert document == {"active": False}
    assert seen == readers


@pytest.mark.spec("PSC-3.6")
def test_clients_of_psc_are_told_of_each_other_s_tokens_and_of_nobody_else_s(wire: Wire) -> None:
    for registered in (
        client("neighbour", profile=Profile.PSC),
        client("closed", profile=Profile.PSC, quirks={"open_introspection": False}),
        client("apart", profile=Profile.PSC, subject_type="pairwise", quirks={"keycloak_subject": False}),
    ):
        wire.register(registered)
    for of, reader, active in (
        ("psc", "neighbour", True),
        ("neighbour", "psc", True),
        ("psc", "closed", False),
        ("closed", "psc", False),
        ("apart", "psc", False),
        ("baseline", "psc", False),
        ("psc", "baseline", False),
    ):
        assert wire.post("token/introspect", reader, token=wire.tokens(of)["access_token"]).json()["active"] is active, (of, reader)


@pytest.mark.spec("OIDCC-8.1", "RFC7662-5")
def test_an_interface_does_not_learn_the_name_behind_a_subject_that_is_one_service_s_own(wire: Wire) -> None:
    told = wire.tokens("pairwise", scope="openid identity profile")
    own, others = (wire.post("token/introspect", reader, token=told["access_token"]).json() for reader in ("pairwise", "interface"))
    assert own["username"] == NATIONAL_ID
    assert others == {name: value for name, value in own.items() if name != "username"}
    assert others["sub"] == claims_of(told["access_token"])["sub"], "the token itself says so"
    patient = replace(PERSON, kind=AccountKind.PATIENT, national_id=None)
    wire.call(lambda provider: provider.store.accounts.put(patient))
    wire.call(lambda provider: provider.store.clients.put(client("neighbour", profile=Profile.PSC)))
    assert wire.post("token/introspect", "neighbour", token=wire.tokens("psc")["access_token"]).json() == {"active": False}


@pytest.mark.spec("PSC-3.6")
def test_a_refresh_token_of_a_psc_client_is_described_as_ans_documents_it(wire: Wire) -> None:
    tokens = wire.tokens("psc", scope="openid scope_all", nonce="n-7")
    wire.wall.advance(30)
    access, refresh = (wire.post("token/introspect", "psc", token=tokens[name]).json() for name in ("access_token", "refresh_token"))
    documented = (
        "exp iat auth_time jti iss sub typ azp nonce session_state preferred_username email_verified acr scope client_id username active"
    )
    assert refresh.keys() == {*documented.split(), "sid"}
    assert (refresh["typ"], refresh["nonce"], refresh["exp"] - refresh["iat"]) == ("Refresh", "n-7", 1800)
    same = set(documented.split()) - {"exp", "jti", "typ"}
    assert {name: refresh[name] for name in same} == {name: access[name] for name in same}
    again = wire.post("token/introspect", "psc", token=tokens["refresh_token"]).json()
    renewed = wire.refresh(tokens["refresh_token"], "psc").json()["refresh_token"]
    other = wire.post("token/introspect", "psc", token=renewed).json()
    assert again == refresh
    assert (other["jti"] != refresh["jti"], other["iat"]) == (True, refresh["iat"] + 30)


def test_a_refresh_token_is_described_to_its_own_client_alone(wire: Wire) -> None:
    token = wire.tokens()["refresh_token"]
    assert wire.post("token/introspect", "baseline", token=token).json()["typ"] == "Refresh"
    assert wire.post("token/introspect", "interface", token=token).json() == {"active": False}
    wire.refresh(token)
    assert wire.post("token/introspect", "baseline", token=token).json() == {"active": False}


def test_each_look_is_audited(wire: Wire) -> None:
    wire.post("token/introspect", "interface", token=wire.tokens()["access_token"])
    wire.post("token/introspect", "interface", token="x")
    wire.post("token/introspect", "other", token=wire.tokens()["access_token"])
    seen = wire.events("token.introspected")
    assert [(e["event.outcome"], e.get("user.id"), e["health.relying_party.id"]) for e in seen] == [
        ("success", NATIONAL_ID, "interface"),
        ("failure", None, "interface"),
        ("failure", NATIONAL_ID, "other"),
    ]
    assert "neither this client's nor" in seen[2]["event.reason"]


@pytest.mark.spec("RFC9701-4", "RFC9701-5", "RFC9701-6")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_an_answer_asked_for_as_jwt_is_signed_for_the_one_who_asked_and_is_no_token(wire: Wire, alg: str) -> None:
    other = client("other", introspection_signed_response_alg=alg, serves_resources=(ISSUER,))
    wire.call(lambda provider: provider.store.clients.put(other))
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
