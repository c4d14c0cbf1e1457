"""Registering is for whom the operator let in, once, and gives nobody more than the operator meant.

Precedents: Obot CVE-2026-101062 (open to everybody), Keycloak CVE-2026-15572 and CVE-2026-107623 (an update dropped a setting), Spring
Authorization Server CVE-2026-59354.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.idp.registering import ENDPOINT, INITIAL, Registrar, registering
from tests.idp.wire import ISSUER, REDIRECT, Wire

pytestmark = pytest.mark.precedent("CVE-2026-101062", "CVE-2026-15572", "CVE-2026-107623", "CVE-2026-59354")

#: What an update must not send back (RFC 7592 §2.2).
OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
#: Each would be more than the token was made for.
GREEDY: list[dict[str, Any]] = [
    {"scope": "openid sessions:revoke"},
    {"scope": "openid clients:write accounts:suspend"},
    {"grant_types": ["authorization_code", "client_credentials"]},
    {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"]},
    {"grant_types": ["authorization_code", "urn:openid:params:grant-type:ciba"], "backchannel_token_delivery_mode": "poll"},
    {"grant_types": ["password"]},
    {"profile": "psc"},
    {"quirks": {"pkce_required": False}},
    {"resources": ["https://medicaments.example/fhir"]},
    {"exchange_subject_clients": ["baseline"]},
    {"authorization_details_types": ["any"]},
    {"structure_finess": "0B0000006"},
    {"sector_identifier": "service.example"},
    {"disabled": False},
]


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    with registering(tmp_path_factory.mktemp("registering")) as started:
        yield started


def test_it_is_not_there_unless_the_operator_opened_it(wire: Wire) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        for path in (ENDPOINT, f"{ENDPOINT}/baseline"):
            answer = wire.http.request(method, path, headers={"Authorization": f"Bearer {INITIAL}"})
            assert answer.status_code == 404


@pytest.mark.parametrize("scheme", ["Basic", "bearer", "DPoP", "Token", ""])
def test_only_a_token_made_for_it_opens_it(registrar: Registrar, scheme: str) -> None:
    wire = registrar.wire
    machine = wire.post("token", "machine", grant_type="client_credentials", scope="sessions:read").json()["access_token"]
    for token in ("", "x", machine, wire.tokens()["access_token"], wire.tokens()["refresh_token"], "%", "' OR 1=1 --"):
        document = {"redirect_uris": [REDIRECT], "client_name": "S"}
        answer = wire.http.post(f"{ENDPOINT}?access_token={INITIAL}", json=document, headers={"Authorization": f"{scheme} {token}"})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("members", GREEDY, ids=lambda members: next(iter(members)))
def test_nobody_registers_for_more_than_the_token_was_made_for(registrar: Registrar, members: dict[str, Any]) -> None:
    token = f"initial-{members}"
    registrar.grant(token)
    assert registrar.register(token, **members).status_code == 400


@pytest.mark.spec("RFC7592-2.2")
def test_an_update_gives_no_more_and_drops_nothing(registrar: Registrar) -> None:
    body = registrar.registered(policy_uri="https://service.example/donnees", default_max_age=600, require_signed_request_object=False)
    uri, token = body["registration_client_uri"], body["registration_access_token"]
    for members in GREEDY:
        answer = registrar.send("PUT", uri, token, {name: body[name] for name in body if name not in OURS} | members)
        assert answer.status_code == 400, members
    read = registrar.send("GET", uri, token).json()
    stored = registrar.wire.call(lambda provider: provider.store.clients.get(body["client_id"]))
    put = registrar.send("PUT", uri, token, {name: read[name] for name in read if name not in OURS})
    assert put.status_code == 200, put.text
    again = registrar.wire.call(lambda provider: provider.store.clients.get(body["client_id"]))
    different = {name for name in stored.__dataclass_fields__ if getattr(stored, name) != getattr(again, name)}  # type: ignore[union-attr]
    assert different == {"registration_token_hash"}, "what was read and sent back changes nothing but the token"
    assert registrar.send("GET", uri, token).status_code == 401, "and the token that made the update is spent"


def test_a_client_manages_itself_alone(registrar: Registrar) -> None:
    mine, theirs = registrar.registered(), registrar.registered()
    document = {"client_id": theirs["client_id"], "redirect_uris": ["https://evil.example/"], "client_name": "E"}
    for method, sent in (("GET", None), ("PUT", document), ("DELETE", None)):
        for uri in (
            theirs["registration_client_uri"],
            f"{ENDPOINT}/baseline",
            f"{ENDPOINT}/nobody",
            f"{ENDPOINT}/{theirs['client_id']}%00",
        ):
            assert registrar.send(method, uri, mine["registration_access_token"], sent).status_code in (401, 404)
    taking_over = {**document, "client_secret": "chosen"}
    assert registrar.send("PUT", mine["registration_client_uri"], mine["registration_access_token"], taking_over).status_code == 400
    assert registrar.send("GET", theirs["registration_client_uri"], theirs["registration_access_token"]).status_code == 200


def test_what_was_deleted_opens_nothing(registrar: Registrar) -> None:
    body = registrar.registered()
    assert registrar.send("DELETE", body["registration_client_uri"], body["registration_access_token"]).status_code == 204
    assert registrar.send("GET", body["registration_client_uri"], body["registration_access_token"]).status_code == 401
    form = {"grant_type": "authorization_code", "code": "x"}
    answer = registrar.wire.http.post(f"{ISSUER}/protocol/openid-connect/token", data=form, auth=(body["client_id"], body["client_secret"]))
    assert answer.status_code == 401
    assert registrar.wire.authorize(body["client_id"]).status_code == 400
