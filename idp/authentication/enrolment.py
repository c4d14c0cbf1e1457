"""The right to enrol one phone: an activation code handed to the person by another way, used once.

The code is Crockford base 32 (no I, L, O, U), sixteen characters, 80 bits: a person can type it, nobody can guess it.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from idp.authentication.refusal import AuthenticationRefused
from idp.model import Enrolment

#: Longest name of a phone, in characters.
MAX_DEVICE_NAME: Final = 60

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0"})
_COORDINATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_activation_code() -> str:
    """A fresh code as it is shown to the person: ``7K3D-9QXA-…``, four groups of four."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))


def activation_code_hash(code: str) -> str:
    """SHA-256 in hex of the code as a person may type it: case, spaces, dashes and the letters I, L, O forgiven."""
    typed = re.sub(r"[\s-]", "", code).upper().translate(_MISREAD)
    return hashlib.sha256(typed.encode()).hexdigest()


def new_enrolment(account_id: str, now: datetime, lifetime: timedelta) -> tuple[str, Enrolment]:
    """An activation code to hand over, and the record to store."""
    code = new_activation_code()
    return code, Enrolment(code_hash=activation_code_hash(code), account_id=account_id, expires_at=now + lifetime)


def device_public_jwk(jwk: object) -> Mapping[str, str]:
    """The four public members of a P-256 key (RFC 7518 §6.2.1), whatever else was sent left out.

    Raises AuthenticationRefused ``invalid_public_jwk`` for another kind of key, a point off the curve, or a private key.
    """
    if not isinstance(jwk, Mapping) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise AuthenticationRefused("invalid_public_jwk", "the key must be EC on P-256")
    if "d" in jwk:
        raise AuthenticationRefused("invalid_public_jwk", "a private key was sent: it must never leave the phone")
    x, y = jwk.get("x"), jwk.get("y")
    if not (isinstance(x, str) and isinstance(y, str) and _COORDINATE.fullmatch(x) and _COORDINATE.fullmatch(y)):
        raise AuthenticationRefused("invalid_public_jwk", "x and y must be 32 bytes in base64url")
    try:
        ec.EllipticCurvePublicNumbers(_integer(x), _integer(y), ec.SECP256R1()).public_key()
    except ValueError as error:
        raise AuthenticationRefused("invalid_public_jwk", "the point is not on the curve") from error
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def device_name(value: object) -> str:
    """The name a person gave their phone, trimmed; raises AuthenticationRefused ``invalid_name`` when empty, long or unprintable."""
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > MAX_DEVICE_NAME or not name.isprintable():
        raise AuthenticationRefused("invalid_name", f"a phone's name has 1 to {MAX_DEVICE_NAME} printable characters")
    return name


def _integer(coordinate: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(coordinate + "="))
