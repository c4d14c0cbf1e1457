"""Proofs of possession at the application level (RFC 9449): read a proof, hold it against the request, and make server nonces.

A proof is a JWT signed with a key that it carries itself; the thumbprint of that key (``jkt``) is what tokens are bound to.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from idp.errors import InvalidDpopProof, UseDpopNonce
from idp.keys.signing_key import base64url, thumbprint
from idp.resource_server import is_address_of
from idp.store import CounterStore

#: What a proof may be signed with; discovery lists them. RSASSA-PKCS1-v1_5 is not among them (FAPI 2.0 §5.4.1).
DPOP_ALGORITHMS: Final = ("ES256", "PS256")
#: How far ``iat`` may lie from our clock; a proof is remembered as long as that lets it live.
WINDOW: Final = timedelta(seconds=60)
#: A nonce is accepted until the end of the period after the one that it was made in.
NONCE_PERIOD: Final = timedelta(minutes=5)

_MAX_LENGTH: Final = 4096
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 4096
#: Members of a JWK that are secret (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
#: Members that a thumbprint is made of (RFC 7638 §3.2).
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
_KTY: Final[Mapping[str, str]] = {"ES256": "EC", "PS256": "RSA"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof whose signature holds with the key of thumbprint ``jkt``; its claims are not judged yet."""

    jkt: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofExpectation:
    """What a proof must be made for. ``urls``: the names under which this very endpoint is announced."""

    method: str
    urls: frozenset[str]
    now: datetime
    #: The token that comes with the proof, at a resource (``ath``).
    access_token: str | None = None
    #: Set when the proof must hold a nonce of ours.
    nonces: "Nonces | None" = None


class _Registry(jws.JWSRegistry):
    """The header of a proof holds a whole RSA key; members we do not know are ignored (RFC 7515 §4)."""

    max_header_length = 2048


_REGISTRY: Final = _Registry(algorithms=DPOP_ALGORITHMS, strict_check_header=False)


class Nonces:
    """Server nonces (§8) that nothing is stored for: the number of the period, and its MAC."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self, now: datetime) -> str:
        """The nonce that proofs should hold from now on."""
        return self._of(int(now.timestamp() // NONCE_PERIOD.total_seconds()))

    def _of(self, period: int) -> str:
        number = period.to_bytes(8, "big")
        return base64url(number + hmac.digest(self._key, b"dpop-nonce" + number, hashlib.sha256)[:16])

    def accept(self, nonce: object, now: datetime) -> bool:
        """Whether it was made in this period or the one before."""
        period = int(now.timestamp() // NONCE_PERIOD.total_seconds())
        given = nonce.encode() if isinstance(nonce, str) and nonce.isascii() else b""
        return hmac.compare_digest(given, self._of(period).encode()) | hmac.compare_digest(given, self._of(period - 1).encode())


def read_proof(header: str) -> Proof:
    """The proof of a ``DPoP`` header; raises :class:`InvalidDpopProof` unless it is well made and well signed (§4.3, 1 to 7)."""
    if len(header) > _MAX_LENGTH:
        raise InvalidDpopProof(f"the proof is longer than {_MAX_LENGTH} characters")
    try:
        compact = header.encode("ascii")
        members = jws.extract_compact(compact, registry=_REGISTRY).headers()
        key, jkt = _key(members)
        claims = orjson.loads(jws.deserialize_compact(compact, key, registry=_REGISTRY).payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidDpopProof(
            "the DPoP proof cannot be read, or its signature does not hold: sign it with the key of its jwk", detail=type(error).__name__
        ) from error
    if not isinstance(claims, dict):
        raise InvalidDpopProof("the payload of the proof must be a JSON object")
    return Proof(jkt=jkt, claims=claims)


def _key(header: Mapping[str, Any]) -> tuple[ECKey | RSAKey, str]:
    """The public key that the header carries, and its thumbprint."""
    if header.get("typ") != "dpop+jwt":
        raise InvalidDpopProof("typ must be dpop+jwt")
    if header.get("alg") not in DPOP_ALGORITHMS:
        raise InvalidDpopProof(f"alg must be one of {', '.join(DPOP_ALGORITHMS)}")
    if "crit" in header:
        raise InvalidDpopProof("crit: no extension is understood here; leave it out")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or jwk.get("kty") != _KTY[header["alg"]]:
        raise InvalidDpopProof("jwk must be a public key that fits alg")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise InvalidDpopProof("jwk must not hold a private key")
    required = {name: jwk[name] for name in _REQUIRED[jwk["kty"]]}
    if not all(isinstance(value, str) for value in required.values()):
        raise InvalidDpopProof("jwk cannot be read")
    if jwk["kty"] == "EC":
        if jwk["crv"] != "P-256":
            raise InvalidDpopProof("jwk must be on P-256, the curve of ES256")
        return ECKey.import_key(required), thumbprint(required)
    # Looked at before it is imported: a key of another length is not worth the work.
    if not _MIN_RSA_BITS <= int.from_bytes(urlsafe_b64decode(required["n"] + "==")).bit_length() <= _MAX_RSA_BITS:
        raise InvalidDpopProof(f"an RSA key must have between {_MIN_RSA_BITS} and {_MAX_RSA_BITS} bits")
    return RSAKey.import_key(required), thumbprint(required)


def judge(proof: Proof, expected: ProofExpectation) -> datetime:
    """Hold the claims against the request (§4.3, 8 to 12); returns until when the proof must be remembered.

    Raises :class:`UseDpopNonce` when only the nonce is at fault, so that the client can try again with ours.
    """
    claims = proof.claims
    if claims.get("htm") != expected.method:
        raise InvalidDpopProof(f"htm must be {expected.method}")
    htu = claims.get("htu")
    if not isinstance(htu, str) or not is_address_of(htu, expected.urls):
        raise InvalidDpopProof("htu must be the URL of this endpoint, as discovery announces it")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 256:
        raise InvalidDpopProof("jti is missing or too long")
    iat = claims.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, int | float) or abs(iat - expected.now.timestamp()) > WINDOW.total_seconds():
        raise InvalidDpopProof(f"iat must lie within {int(WINDOW.total_seconds())} seconds of now")
    if expected.access_token is not None:
        ath = base64url(hashlib.sha256(expected.access_token.encode()).digest())
        if claims.get("ath") != ath:
            raise InvalidDpopProof("ath must be the hash of the access token that comes with the proof")
    if expected.nonces is not None and not expected.nonces.accept(claims.get("nonce"), expected.now):
        nonce = expected.nonces.current(expected.now)
        raise UseDpopNonce("the proof must hold the nonce of the DPoP-Nonce header", headers={"DPoP-Nonce": nonce})
    return expected.now + 2 * WINDOW


async def check_proof(header: str, expected: ProofExpectation, counters: CounterStore) -> str:
    """The thumbprint of the key that a sound and fresh proof was made with; each proof counts once (§11.1)."""
    proof = read_proof(header)
    until = judge(proof, expected)
    seen = hashlib.sha256(orjson.dumps([proof.jkt, proof.claims["jti"]])).hexdigest()
    if not await counters.remember_once(f"dpop:{seen}", until=until, now=expected.now):
        raise InvalidDpopProof("the DPoP proof was used before: give each a jti of its own")
    return proof.jkt
