"""Tokens as an attacker makes them: no library, so that nothing refuses to build what must be refused."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64u_decode(text: str) -> bytes:
    """The bytes behind it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def segments(header: Any, payload: Any) -> str:
    """What a signature is made over."""
    return f"{b64u(json.dumps(header).encode())}.{b64u(json.dumps(payload).encode())}"


def unsigned(header: Any, payload: Any, signature: str = "") -> str:
    """A token with no signature, or an invented one."""
    return f"{segments(header, payload)}.{signature}"


def hmac_signed(header: Any, payload: Any, key: bytes) -> str:
    """HS256 under any bytes: a public key, nothing, a guess."""
    made = segments(header, payload)
    return f"{made}.{b64u(hmac.digest(key, made.encode(), hashlib.sha256))}"


def ec_signed(header: Any, payload: Any, key: ec.EllipticCurvePrivateKey) -> str:
    """ES256 under a key of the attacker's."""
    made = segments(header, payload)
    r, s = decode_dss_signature(key.sign(made.encode(), ec.ECDSA(SHA256())))
    return f"{made}.{b64u(r.to_bytes(32) + s.to_bytes(32))}"


def public_jwk(key: ec.EllipticCurvePrivateKey, **members: str) -> dict[str, str]:
    """The public half as a JWK."""
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64u(numbers.x.to_bytes(32)), "y": b64u(numbers.y.to_bytes(32)), **members}


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload of a token, unverified."""
    header, payload, _ = token.split(".")
    return json.loads(b64u_decode(header)), json.loads(b64u_decode(payload))
