"""What a phone signs with each request: method, address, time, a number used once, and the body's hash.

A compact JWS (RFC 7515) in ``Authorization: Device …``, ES256 only; the members ``htm``, ``htu``, ``iat`` and ``jti`` mean
what they mean in a DPoP proof (RFC 9449 §4.2). ``body_sha256`` binds the body, also an empty one.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from idp.authentication.refusal import AuthenticationRefused

#: ``typ`` of the header.
REQUEST_TYPE: Final = "veilleur-device+jwt"
#: How far ``iat`` may be from the provider's clock.
MAX_CLOCK_SKEW: Final = timedelta(seconds=60)
#: For how long a ``jti`` must be remembered: a proof cannot be fresh any longer.
JTI_MEMORY: Final = 2 * MAX_CLOCK_SKEW

_MAX_TOKEN_CHARACTERS: Final = 4096
_MAX_JTI_CHARACTERS: Final = 128
_P256_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A signature as it came: whose it says it is, and nothing verified yet."""

    token: str
    device_id: str


def read_signed_request(authorization: str | None) -> SignedRequest:
    """Take the proof out of the header. Raises AuthenticationRefused ``invalid_device_request`` when it is not one."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "device" or not token or len(token) > _MAX_TOKEN_CHARACTERS:
        raise _refused("no device signature")
    header = _json_object(token.partition(".")[0])
    if header.keys() != {"alg", "typ", "kid"} or header["alg"] != "ES256" or header["typ"] != REQUEST_TYPE:
        raise _refused("the header must hold alg ES256, typ and kid, and nothing else")
    kid = header["kid"]
    if not isinstance(kid, str) or not kid:
        raise _refused("kid is not a device")
    return SignedRequest(token, kid)


def verify_signed_request(
    request: SignedRequest, public_jwk: Mapping[str, str], *, method: str, url: str, body: bytes, now: datetime
) -> str:
    """Check signature, method, address, time and body; return the ``jti``, which the caller must see once.

    Raises AuthenticationRefused ``invalid_device_request``, whose detail says which check failed.
    """
    claims = _parse(_verified_payload(request.token, public_jwk))
    if claims.get("htm") != method:
        raise _refused("htm is another method")
    htu = claims.get("htu")
    if not isinstance(htu, str) or _without_query(htu) != _without_query(url):
        raise _refused("htu is another address")
    issued_at = claims.get("iat")
    if not isinstance(issued_at, int) or isinstance(issued_at, bool) or abs(now.timestamp() - issued_at) > MAX_CLOCK_SKEW.total_seconds():
        raise _refused("iat is too far from the provider's clock")
    digest = claims.get("body_sha256")
    if not isinstance(digest, str) or not hmac.compare_digest(digest.encode(), body_sha256(body).encode()):
        raise _refused("body_sha256 is not that of the body")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 8 <= len(jti) <= _MAX_JTI_CHARACTERS:
        raise _refused("jti must have 8 to 128 characters")
    return jti


def _verified_payload(token: str, public_jwk: Mapping[str, str]) -> bytes:
    """What the device signed (RFC 7515 §5.2, RFC 7518 §3.4). The header has been read: it names ES256 and no extension."""
    signed, _, signature = token.rpartition(".")
    r_and_s = _bytes(signature, "the signature is not base64url")
    if signed.count(".") != 1 or len(r_and_s) != 2 * _P256_BYTES:
        raise _refused("not a compact JWS of ES256")
    x, y = (int.from_bytes(_bytes(public_jwk[name], "the device's key is not base64url")) for name in ("x", "y"))
    der = encode_dss_signature(int.from_bytes(r_and_s[:_P256_BYTES]), int.from_bytes(r_and_s[_P256_BYTES:]))
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(der, signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise _refused("the signature is not this device's") from error
    return _bytes(signed.partition(".")[2], "the payload is not base64url")


def body_sha256(body: bytes) -> str:
    """SHA-256 of the exact bytes, base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def _without_query(url: str) -> tuple[str, str, str] | None:
    """Scheme, host and path; None for what is no address, which equals none of ours."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme, parts.netloc, parts.path


def _json_object(segment: str) -> Mapping[str, object]:
    return _parse(_bytes(segment, "the header is not base64url"))


def _bytes(segment: str, fault: str) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    try:
        return base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise _refused(fault) from error


def _parse(document: bytes) -> Mapping[str, object]:
    """orjson bounds the depth and refuses lone surrogates, both of which the standard library lets through."""
    try:
        value = orjson.loads(document)
    except ValueError as error:
        raise _refused("not JSON") from error
    if not isinstance(value, dict):
        raise _refused("not a JSON object")
    return value


def _refused(detail: str) -> AuthenticationRefused:
    return AuthenticationRefused("invalid_device_request", detail, status=401)
