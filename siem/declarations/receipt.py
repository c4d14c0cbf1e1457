"""Receipts: signed by the desk's own key (ES256), checked by whoever holds one with the published key.

The receipt is a compact JWS whose header has ``typ: veilleur-receipt+jwt`` and whose claims are ``iss``, ``number``, ``received_at``
(RFC 3339, UTC), ``sha256`` (of the declaration's bytes as received), ``declaration_id`` and ``version_number``.
Signing is joserfc's work, checking PyJWT's: two implementations that must agree.

Source: RFC 7515 (JWS), RFC 7518 §3.4 (ES256), RFC 7638 (thumbprint as key id).
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey

from siem.declarations.documents import canonical
from siem.declarations.model import Receipt
from siem.errors import OperationError

TYP: Final = "veilleur-receipt+jwt"
_CLAIMS: Final = ("iss", "number", "received_at", "sha256", "declaration_id", "version_number")


class ReceiptInvalid(Exception):
    """A receipt whose signature, key or claims are not right; the message says which."""


class ReceiptSigner:
    """Signs receipts with one private key (P-256)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._key = ECKey.import_key(pem)
        self.key_id = self._key.thumbprint()

    @classmethod
    def from_folder(cls, folder: Path) -> "ReceiptSigner":
        """The key kept in ``folder/receipt.pem``, made on first use, readable by its owner only.

        Raises OperationError when it cannot be read or written, or when others may read it.
        """
        path = folder / "receipt.pem"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                _write_new_key(path)
            if path.stat().st_mode & 0o077:
                raise OperationError(
                    "reading the receipt key", f"{path}: others may read it; chmod 600 and replace the key", retry_helps=False
                )
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise OperationError("reading the receipt key", f"{path}: {error}", retry_helps=False) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise OperationError("reading the receipt key", f"{path}: a P-256 key is expected", retry_helps=False)
        return cls(key)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The compact JWS over these claims."""
        return jws.serialize_compact({"alg": "ES256", "typ": TYP, "kid": self.key_id}, canonical(claims), self._key, algorithms=["ES256"])

    def jwks(self) -> dict[str, Any]:
        """The public key, as published."""
        public = self._key.as_dict(private=False)
        return {"keys": [{**public, "kid": self.key_id, "use": "sig", "alg": "ES256"}]}


def _write_new_key(path: Path) -> None:
    """Write beside, then link: two processes that start together end with one key, and no half key is ever there."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            return
    finally:
        beside.unlink()


def verify(token: str, jwks: Mapping[str, Any]) -> Receipt:
    """Check a receipt against the published keys. Raises ReceiptInvalid."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != TYP:
            raise ReceiptInvalid(f"typ {header.get('typ')!r} is not {TYP}")
        key = next(key for key in jwt.PyJWKSet.from_dict(dict(jwks)).keys if key.key_id == header.get("kid"))
        claims = jwt.decode(token, key.key, algorithms=["ES256"], options={"require": list(_CLAIMS), "verify_aud": False})
    except StopIteration:
        raise ReceiptInvalid("signed with a key that the desk does not publish") from None
    except jwt.PyJWTError as error:
        raise ReceiptInvalid(str(error)) from error
    try:
        received_at = datetime.fromisoformat(claims["received_at"])
        version_number = int(claims["version_number"])
        if received_at.tzinfo is None:
            raise ValueError("received_at has no time zone")
    except (TypeError, ValueError, OverflowError) as error:
        raise ReceiptInvalid(f"claims are not those of a receipt: {error}") from error
    return Receipt(
        number=str(claims["number"]),
        received_at=received_at,
        sha256=str(claims["sha256"]),
        declaration_id=str(claims["declaration_id"]),
        version_number=version_number,
        jws=token,
        issuer=str(claims["iss"]),
    )
