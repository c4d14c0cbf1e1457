import hashlib

import pytest
from starlette.testclient import TestClient

from siem.declarations.desk_api import LARGEST_BODY_BYTES, sender_of
from siem.declarations.receipt import verify
from tests.siem.declarations.world import DIRECTOR, KEY, World

HEADERS = {"authorization": f"ApiKey {KEY}", "content-type": "application/json"}
POST = "/guichet/v1/declarations"


@pytest.fixture
def client(world: World) -> TestClient:
    return TestClient(world.application)


@pytest.fixture
def body(world: World) -> bytes:
    return world.dossiers.validate(world.complete(), DIRECTOR).body


def test_a_declaration_is_created_once_and_its_receipt_verifies_with_the_published_key(client: TestClient, body: bytes) -> None:
    first, second = (client.post(POST, content=body, headers=HEADERS) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    receipt = verify(first.json()["jws"], client.get("/guichet/v1/jwks.json").json())
    assert receipt.sha256 == hashlib.sha256(body).hexdigest() == first.json()["sha256"]
    listed = client.get(f"/guichet/v1/recepisses/{receipt.number}", headers=HEADERS)
    assert listed.json() == {"recepisses": [first.json()]}


@pytest.mark.parametrize("authorization", ["", "ApiKey", "ApiKey ", "ApiKey wrong", f"Bearer {KEY}", KEY])
def test_without_its_key_nobody_files_or_reads(client: TestClient, body: bytes, authorization: str) -> None:
    headers = HEADERS | {"authorization": authorization}
    assert client.post(POST, content=body, headers=headers).status_code == 401
    refused = client.get("/guichet/v1/recepisses/VEI-2026-000001", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("ApiKey")


def test_a_fault_names_its_field(client: TestClient) -> None:
    answer = client.post(POST, content=b'{"format": "x"}', headers=HEADERS)
    assert answer.status_code == 422
    assert {"field": "format", "problem": "autre valeur attendue ('dossier-declaration-ssi-sante' was expected)"} in answer.json()["errors"]


def test_another_content_under_the_same_version_is_a_conflict(client: TestClient, body: bytes) -> None:
    client.post(POST, content=body, headers=HEADERS)
    answer = client.post(POST, content=body.replace(b"AMBER+STRICT", b"RED"), headers=HEADERS)
    assert (answer.status_code, answer.json()["error"]) == (409, "version_conflict")


def test_too_large_or_of_another_type_is_refused(client: TestClient) -> None:
    assert client.post(POST, content=b"x" * (LARGEST_BODY_BYTES + 1), headers=HEADERS).status_code == 413
    assert client.post(POST, content=b"{}", headers=HEADERS | {"content-type": "text/plain"}).status_code == 415


def test_a_number_that_was_never_given_is_not_found(client: TestClient) -> None:
    assert client.get("/guichet/v1/recepisses/VEI-2026-000009", headers=HEADERS).status_code == 404


def test_the_sender_is_the_one_whose_key_it_is() -> None:
    keys = {name: hashlib.sha256(name.encode()).hexdigest().upper() for name in ("a", "b")}
    assert [sender_of(f"ApiKey {key}", keys) for key in ("a", "b", "c")] == ["a", "b", None]
