import base64
import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest

from siem.declarations.receipt import ReceiptInvalid, ReceiptSigner, verify
from siem.errors import OperationError

CLAIMS: dict[str, Any] = {
    "iss": "https://guichet.example/guichet",
    "number": "VEI-2026-000001",
    "received_at": "2026-11-22T03:14:00Z",
    "sha256": "ab" * 32,
    "declaration_id": "a2d7303d-d160-5b2a-8223-2a8de4491f01",
    "version_number": 1,
}


@pytest.fixture
def signer(tmp_path: Path) -> ReceiptSigner:
    return ReceiptSigner.from_folder(tmp_path / "keys")


@pytest.mark.spec("RFC7515-5.2")
def test_a_receipt_is_verified_by_another_implementation_with_the_published_key(signer: ReceiptSigner) -> None:
    (published,) = signer.jwks()["keys"]
    assert "d" not in published
    key = jwt.PyJWK(published)
    token = signer.sign(CLAIMS)
    assert jwt.decode(token, key.key, algorithms=["ES256"], options={"verify_aud": False}) == CLAIMS
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "typ": "veilleur-receipt+jwt", "kid": published["kid"]}


def test_the_receipt_read_back_is_the_one_that_was_signed(signer: ReceiptSigner) -> None:
    receipt = verify(signer.sign(CLAIMS), signer.jwks())
    assert (receipt.number, receipt.sha256, receipt.version_number) == ("VEI-2026-000001", "ab" * 32, 1)
    assert receipt.received_at.isoformat() == "2026-11-22T03:14:00+00:00"


def _with_part(token: str, index: int, change: dict[str, Any]) -> str:
    parts = token.split(".")
    data = json.loads(base64.urlsafe_b64decode(parts[index] + "=="))
    parts[index] = base64.urlsafe_b64encode(json.dumps(data | change).encode()).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.spec("RFC8725-3.1")
@pytest.mark.parametrize(
    ("index", "change"),
    [(1, {"number": "VEI-2026-000002"}), (0, {"alg": "none"}), (0, {"alg": "HS256"}), (0, {"typ": "JWT"}), (0, {"kid": "another"})],
)
def test_a_receipt_that_was_touched_is_refused(signer: ReceiptSigner, index: int, change: dict[str, Any]) -> None:
    with pytest.raises(ReceiptInvalid):
        verify(_with_part(signer.sign(CLAIMS), index, change), signer.jwks())


@pytest.mark.parametrize("token", ["", "a.b.c", "é", "a" * 100])
def test_what_is_no_receipt_is_refused(signer: ReceiptSigner, token: str) -> None:
    with pytest.raises(ReceiptInvalid):
        verify(token, signer.jwks())


def test_a_receipt_without_a_claim_is_refused(signer: ReceiptSigner) -> None:
    for name in CLAIMS:
        with pytest.raises(ReceiptInvalid):
            verify(signer.sign({key: value for key, value in CLAIMS.items() if key != name}), signer.jwks())


def test_the_key_is_made_once_and_is_the_owner_s_alone(tmp_path: Path, signer: ReceiptSigner) -> None:
    path = tmp_path / "keys" / "receipt.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["receipt.pem"]
    assert ReceiptSigner.from_folder(tmp_path / "keys").jwks() == signer.jwks()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, signer: ReceiptSigner) -> None:
    os.chmod(tmp_path / "keys" / "receipt.pem", 0o644)
    with pytest.raises(OperationError, match="others may read it"):
        ReceiptSigner.from_folder(tmp_path / "keys")


def test_a_file_that_is_no_key_is_an_error_that_names_it(tmp_path: Path, signer: ReceiptSigner) -> None:
    (tmp_path / "keys" / "receipt.pem").write_text("nothing")
    with pytest.raises(OperationError, match=r"receipt\.pem"):
        ReceiptSigner.from_folder(tmp_path / "keys")
