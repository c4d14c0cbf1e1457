"""One signing key: its JWK, its life, and the signature itself as a thin layer over ``cryptography``.

Importing an RSA private key checks it for some 40 ms with the interpreter held; ours were made and sealed by
us, so the check is skipped and each key is parsed once.
"""

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from idp.keys.security_module import ModuleKey, PublicNumbers

#: What a key is made for. An RSA key also signs with PSS, under a name of its own (:meth:`SigningKey.with_pss`).
Algorithm = Literal["RS256", "ES256"]
SignatureAlgorithm = Literal["RS256", "PS256", "ES256"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "ES256")
#: What we sign with: ES256 for new clients, RS256 where a client (every PSC one) says so, PS256 where one asks for it.
SIGNATURE_ALGORITHMS: Final[tuple[SignatureAlgorithm, ...]] = ("RS256", "PS256", "ES256")

_RSA_BITS = 2048
_P256_BYTES = 32
_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256)
#: RFC 7518 §3.5: the salt is as long as the hash.
_PSS = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=_SHA256.digest_size)
#: What the ``kid`` of a key ends in where it stands for PS256. It is no letter of a thumbprint.
_PSS_ENDING: Final = ".PS256"


def base64url(data: bytes) -> str:
    """RFC 7515 §2: without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key, or its name on a token, with its life.

    It is published at ``created_at``, signs from ``active_at``, out of the JWK set at ``removed_at``.

    The key that signs is the youngest active one of its algorithm.
    """

    kid: str
    alg: SignatureAlgorithm
    private_key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ModuleKey
    public_jwk: dict[str, str]
    created_at: datetime
    active_at: datetime
    removed_at: datetime | None = None

    @classmethod
    def generate(cls, alg: Algorithm, *, created_at: datetime, active_at: datetime) -> "SigningKey":
        """A new key; RSA takes about a quarter of a second."""
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        key = rsa.generate_private_key(65537, _RSA_BITS) if alg == "RS256" else ec.generate_private_key(ec.SECP256R1())
        jwk = _public_jwk(key, alg)
        return cls(kid=jwk["kid"], alg=alg, private_key=key, public_jwk=jwk, created_at=created_at, active_at=active_at)

    @classmethod
    def of_module(
        cls, alg: Algorithm, key: ModuleKey, numbers: PublicNumbers, *, created_at: datetime, active_at: datetime
    ) -> "SigningKey":
        """A key that a security module has made."""
        jwk = _numbers_jwk(numbers, alg)
        return cls(kid=jwk["kid"], alg=alg, private_key=key, public_jwk=jwk, created_at=created_at, active_at=active_at)

    def with_pss(self) -> "SigningKey | None":
        """The same RSA key for PS256, with a name of its own: who reads the JWK set finds one algorithm under each. None for others."""
        if self.alg != "RS256":
            return None
        kid = self.kid + _PSS_ENDING
        return replace(self, kid=kid, alg="PS256", public_jwk={**self.public_jwk, "kid": kid, "alg": "PS256"})

    def to_bytes(self) -> bytes:
        """What is sealed and stored: JSON with the key as PKCS #8 DER in base64, or with its name on the token and its public half."""
        if isinstance(self.private_key, ModuleKey):
            held: dict[str, object] = {"object_id": self.private_key.object_id.hex(), "public_jwk": self.public_jwk}
        else:
            der = self.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            held = {"pkcs8": base64.b64encode(der).decode()}
        return orjson.dumps(
            {
                "alg": self.alg,
                **held,
                "created_at": self.created_at,
                "active_at": self.active_at,
                "removed_at": self.removed_at,
            }
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> "SigningKey":
        """The key that :meth:`to_bytes` wrote."""
        members = orjson.loads(stored)
        alg: Algorithm = members["alg"]
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ModuleKey
        if "object_id" in members:
            key, jwk = ModuleKey(bytes.fromhex(members["object_id"])), members["public_jwk"]
        else:
            read = load_der_private_key(base64.b64decode(members["pkcs8"]), None, unsafe_skip_rsa_key_validation=True)
            if not isinstance(read, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
                raise TypeError(f"a signing key cannot be a {type(read).__name__}")
            key, jwk = read, _public_jwk(read, alg)
        removed_at = members["removed_at"]
        return cls(
            kid=jwk["kid"],
            alg=alg,
            private_key=key,
            public_jwk=jwk,
            created_at=datetime.fromisoformat(members["created_at"]),
            active_at=datetime.fromisoformat(members["active_at"]),
            removed_at=datetime.fromisoformat(removed_at) if removed_at else None,
        )

    def sign(self, data: bytes) -> bytes:
        """The JWS signature (RFC 7518 §3.3, §3.4) by a key that is here; :meth:`idp.keys.KeyRing.sign` also asks the module."""
        if isinstance(self.private_key, ModuleKey):
            raise TypeError("a key of the security module signs there, not here")
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(data, _PSS if self.alg == "PS256" else _PKCS1, _SHA256)
        r, s = decode_dss_signature(self.private_key.sign(data, _ECDSA))
        return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


def _public_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, alg: Algorithm) -> dict[str, str]:
    """The public JWK; ``kid`` is its RFC 7638 thumbprint, so that it never names two keys."""
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        required = {"e": _uint(rsa_numbers.e), "kty": "RSA", "n": _uint(rsa_numbers.n)}
    else:
        point = key.public_key().public_numbers()
        x, y = (base64url(value.to_bytes(_P256_BYTES, "big")) for value in (point.x, point.y))
        required = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    return _named(required, alg)


def _numbers_jwk(numbers: PublicNumbers, alg: Algorithm) -> dict[str, str]:
    first, second = (int.from_bytes(number) for number in (numbers.first, numbers.second))
    if alg == "RS256":
        return _named({"e": _uint(second), "kty": "RSA", "n": _uint(first)}, alg)
    x, y = (base64url(number.to_bytes(_P256_BYTES, "big")) for number in (first, second))
    return _named({"crv": "P-256", "kty": "EC", "x": x, "y": y}, alg)


def _named(required: dict[str, str], alg: Algorithm) -> dict[str, str]:
    return {**required, "kid": thumbprint(required), "use": "sig", "alg": alg}


def key_of(kid: str) -> str:
    """The ``kid`` under which a key is stored, from either of its names."""
    return kid.removesuffix(_PSS_ENDING)


def thumbprint(required: dict[str, str]) -> str:
    """RFC 7638 §3: SHA-256 over the required members, sorted, without spaces."""
    return base64url(hashlib.sha256(orjson.dumps(required, option=orjson.OPT_SORT_KEYS)).digest())


def _uint(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))
