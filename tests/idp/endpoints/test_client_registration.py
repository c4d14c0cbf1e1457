from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from authlib.oauth2.rfc7591 import ClientMetadataClaims

from tests.idp.registering import ENDPOINT, INITIAL, Registrar, registering
from tests.idp.wire import ISSUER, REDIRECT, VERIFIER, Wire, claims_of


@pytest.fixture
def registrar(tmp_path: Path) -> Iterator[Registrar]:
    with registering(tmp_path) as started:
        yield started


def test_registration_is_closed_unless_the_operator_opens_it(wire: Wire) -> None:
    assert wire.http.post(ENDPOINT, json={"redirect_uris": [REDIRECT]}).status_code == 404
    assert "registration_endpoint" not in wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()


@pytest.mark.spec("RFC7591-3.1", "RFC7591-3.2.1", "OIDCR-3.2", "RFC8414-2")
def test_a_client_registers_itself_and_logs_somebody_in(registrar: Registrar) -> None:
    registrar.grant()
    answer = registrar.register()
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["client_secret_expires_at"] == 0
    assert body["registration_client_uri"] == f"{ENDPOINT}/{body['client_id']}"
    assert body["scope"] == "identity openid profile"
    assert (body["response_types"], body["grant_types"]) == (["code"], ["authorization_code"])
    assert body["id_token_signed_response_alg"] == "RS256"
    ClientMetadataClaims({**body, "scope": body["scope"]}, {}).validate()
    wire = registrar.wire
    wire.agree(body["client_id"])
    code = wire.code(body["client_id"])
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    auth = (body["client_id"], body["client_secret"])
    tokens = wire.http.post(f"{ISSUER}/protocol/openid-connect/token", data=form, auth=auth)
    assert claims_of(tokens.json()["id_token"])["aud"] == body["client_id"]
    document = wire.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert document["registration_endpoint"] == ENDPOINT


@pytest.mark.spec("RFC7591-3")
@pytest.mark.parametrize("token", [None, "guess", "x" * 4000])
def test_without_an_initial_access_token_nothing_is_registered(registrar: Registrar, token: str | None) -> None:
    answer = registrar.register(token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert len(registrar.wire.events("client.refused")) == (1 if token else 0)


@pytest.mark.spec("RFC7591-3")
def test_a_token_counts_as_often_as_it_was_made_for_and_until_it_expires(registrar: Registrar) -> None:
    registrar.grant(use_count=2)
    assert registrar.register(software_statement="e30.e30.e30").status_code == 400
    assert [registrar.register().status_code for _ in range(3)] == [201, 201, 401]
    registrar.grant("later")
    registrar.wire.wall.advance(3600)
    assert registrar.register("later").status_code == 401


def test_two_registrations_at_once_with_one_use_have_one_winner(registrar: Registrar) -> None:
    registrar.grant()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: registrar.register().status_code, range(4)))
    assert sorted(answers) == [201, 401, 401, 401]


@pytest.mark.spec("RFC7591-3.2.2")
@pytest.mark.parametrize(
    ("members", "error", "named"),
    [
        ({"redirect_uris": ["http://service.example/"]}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": ["https://service.example/#x"]}, "invalid_redirect_uri", "fragment"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": None}, "invalid_redirect_uri", "redirect_uris"),
        ({"redirect_uris": "https://service.example/"}, "invalid_redirect_uri", "redirect_uris"),
        ({"software_statement": "e30.e30.e30"}, "unapproved_software_statement", "software_statement"),
        ({"scope": "openid sessions:revoke"}, "invalid_client_metadata", "sessions:revoke"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata", "client_credentials"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata", "implicit"),
        ({"response_types": ["token"]}, "invalid_client_metadata", "response_types"),
        ({"quirks": {"pkce_required": False}}, "invalid_client_metadata", "quirks"),
        ({"profile": "psc"}, "invalid_client_metadata", "profile"),
        ({"structure_name": "Un autre hôpital"}, "invalid_client_metadata", "structure_name"),
        ({"exchange_subject_clients": ["baseline"]}, "invalid_client_metadata", "exchange_subject_clients"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata", "token_endpoint_auth_method"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata", "id_token_signed_response_alg"),
        ({"jwks_uri": "http://10.0.0.1/keys"}, "invalid_client_metadata", "jwks_uri"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata", "logo_uri"),
        ({"policy_uri": "data:text/html,x"}, "invalid_client_metadata", "policy_uri"),
        ({"client_name": "x" * 101}, "invalid_client_metadata", "client_name"),
        ({"client_name": "Hôpital \u202etnemessilbaté"}, "invalid_client_metadata", "client_name"),
        ({"client_name": "a\x85b"}, "invalid_client_metadata", "client_name"),
    ],
)
def test_what_cannot_be_registered_is_named_and_written(registrar: Registrar, members: dict[str, Any], error: str, named: str) -> None:
    registrar.grant()
    answer = registrar.register(**members)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert named in answer.json()["error_description"]
    [event] = registrar.wire.events("client.refused")
    assert error in event["event.reason"]
    assert registrar.register().status_code == 201, "a registration that was refused costs no use of the token"


@pytest.mark.spec("RFC7591-2")
def test_members_that_nobody_knows_are_ignored(registrar: Registrar) -> None:
    body = registrar.registered(colour="blue", **{"client_name#fr": "Service"})
    assert not {"colour", "client_name#fr"} & body.keys()


@pytest.mark.parametrize(
    ("headers", "content"),
    [({"content-type": "text/plain"}, b"{}"), ({"content-type": "application/json"}, b"["), ({"content-type": "application/json"}, b"[]")],
)
def test_a_body_that_is_no_object_is_refused(registrar: Registrar, headers: dict[str, str], content: bytes) -> None:
    registrar.grant()
    answer = registrar.wire.http.post(ENDPOINT, content=content, headers={**headers, "Authorization": f"Bearer {INITIAL}"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_the_establishment_is_the_one_that_the_token_was_made_for(registrar: Registrar) -> None:
    body = registrar.registered()
    client = registrar.wire.call(lambda provider: provider.store.clients.get(body["client_id"]))
    assert client is not None
    assert (client.structure_name, client.structure_finess) == ("Centre hospitalier d’Exemple", "0B0000005")
    [event] = [e for e in registrar.wire.events("client.changed") if e.get("health.relying_party.id") == body["client_id"]]
    assert "éditeur" in event["event.reason"]
    assert body["client_secret"] not in str(registrar.wire.events())


@pytest.mark.spec("RFC7592-2.1", "RFC7592-2.2", "RFC7592-3")
def test_what_is_read_can_be_sent_back_and_changes_nothing(registrar: Registrar) -> None:
    body = registrar.registered(default_max_age=3600, contacts=["equipe@service.example"], policy_uri="https://service.example/donnees")
    uri, token = body["registration_client_uri"], body["registration_access_token"]
    read = registrar.send("GET", uri, token)
    assert read.status_code == 200
    secrets = {"client_secret", "client_secret_expires_at"}
    assert read.json() == {name: value for name, value in body.items() if name not in secrets}
    ours = {"registration_access_token", "registration_client_uri", "client_id_issued_at"}
    update = registrar.send("PUT", uri, token, {name: value for name, value in read.json().items() if name not in ours})
    assert update.status_code == 200, update.text
    assert update.json() == {**read.json(), "registration_access_token": update.json()["registration_access_token"]}
    auth = (body["client_id"], body["client_secret"])
    answer = registrar.wire.http.post(f"{ISSUER}/protocol/openid-connect/token", data={"grant_type": "refresh_token"}, auth=auth)
    assert answer.json()["error"] == "unauthorized_client", "the secret still proves the client"


@pytest.mark.spec("RFC7592-2.2", "RFC7592-5")
def test_an_update_replaces_everything_and_turns_the_token_over(registrar: Registrar) -> None:
    body = registrar.registered(policy_uri="https://service.example/donnees")
    uri, first = body["registration_client_uri"], body["registration_access_token"]
    wire = registrar.wire
    client = wire.call(lambda provider: provider.store.clients.get(body["client_id"]))
    assert client is not None
    wire.call(lambda provider: provider.store.clients.put(replace(client, resources=("https://api.example/",))))
    document = {"client_id": body["client_id"], "redirect_uris": ["https://service.example/neuf"], "client_name": "Autre nom"}
    second = registrar.send("PUT", uri, first, document).json()
    assert second["redirect_uris"] == ["https://service.example/neuf"]
    assert "policy_uri" not in second
    changed = wire.call(lambda provider: provider.store.clients.get(body["client_id"]))
    assert changed is not None
    assert changed.resources == ("https://api.example/",), "what the operator said stays"
    assert second["registration_access_token"] != first
    assert registrar.send("GET", uri, first).status_code == 401
    assert registrar.send("GET", uri, second["registration_access_token"]).status_code == 200


@pytest.mark.spec("RFC7592-2.2")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "baseline"}, "invalid_request"),
        ({"client_secret": "chosen"}, "invalid_request"),
        ({"registration_access_token": "x"}, "invalid_request"),
        ({"client_id_issued_at": 1}, "invalid_request"),
        ({"scope": "openid sessions:revoke"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"quirks": {}}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://evil.example/*"]}, "invalid_redirect_uri"),
    ],
)
def test_an_update_gives_a_client_nothing_more_than_it_was_registered_for(
    registrar: Registrar, changed: dict[str, Any], error: str
) -> None:
    body = registrar.registered()
    uri, token = body["registration_client_uri"], body["registration_access_token"]
    document = {"client_id": body["client_id"], "redirect_uris": [REDIRECT], **changed}
    answer = registrar.send("PUT", uri, token, document)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert registrar.send("GET", uri, token).json()["redirect_uris"] == [REDIRECT]


@pytest.mark.spec("RFC7592-2.3")
def test_a_deleted_client_and_its_tokens_are_gone(registrar: Registrar) -> None:
    body = registrar.registered(token_endpoint_auth_method="client_secret_post")
    wire = registrar.wire
    wire.agree(body["client_id"])
    code = wire.code(body["client_id"])
    form = {"client_id": body["client_id"], "client_secret": body["client_secret"]}
    tokens = wire.redeem(code, None, **form).json()
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    uri, token = body["registration_client_uri"], body["registration_access_token"]
    assert registrar.send("DELETE", uri, token).status_code == 204
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert registrar.send("GET", uri, token).status_code == 401
    assert wire.authorize(body["client_id"]).status_code == 400


@pytest.mark.spec("RFC7592-2")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_registration_is_managed_with_its_own_token_alone(registrar: Registrar, method: str) -> None:
    one, two = registrar.registered(), registrar.registered()
    for uri in (one["registration_client_uri"], f"{ENDPOINT}/baseline", f"{ENDPOINT}/nobody"):
        for token in (two["registration_access_token"], INITIAL, "guess"):
            answer = registrar.send(method, uri, token, {"client_id": "baseline"} if method == "PUT" else None)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert registrar.send("GET", one["registration_client_uri"], one["registration_access_token"]).status_code == 200
