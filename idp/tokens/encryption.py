"""Encryption of what one client alone may read (RFC 7516): signed first, then encrypted to a key that the client registered.

RSA1_5 (RFC 7518 §4.2) is never used: its padding has been an oracle too often. RSA-OAEP with SHA-1, passwords, shared keys and
compression are left out as well.
"""

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from idp.errors import InvalidRequest
from idp.model import Client

#: ``alg`` and ``enc`` offered; discovery lists them from here.
KEY_ALGORITHMS: Final = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW")
CONTENT_ALGORITHMS: Final = ("A256GCM", "A128GCM", "A256CBC-HS512", "A128CBC-HS256")
#: OpenID Connect Registration §2: where ``alg`` is said and ``enc`` is not.
DEFAULT_CONTENT_ALGORITHM: Final = "A128CBC-HS256"
#: What can be encrypted, by the beginning of the members that ask for it.
ENCRYPTABLE: Final = ("id_token", "userinfo", "authorization", "introspection")
_KTY: Final[Mapping[str, str]] = {"RSA-OAEP-256": "RSA", "ECDH-ES": "EC", "ECDH-ES+A256KW": "EC"}


def wanted(client: Client, what: str) -> tuple[str, str] | None:
    """``alg`` and ``enc`` in which the client wants one of :data:`ENCRYPTABLE`; None where it wants it plain."""
    alg: str | None = getattr(client, f"{what}_encrypted_response_alg")
    enc: str | None = getattr(client, f"{what}_encrypted_response_enc")
    return (alg, enc or DEFAULT_CONTENT_ALGORITHM) if alg else None


def find_key(jwks: Mapping[str, Any] | None, alg: str) -> Mapping[str, Any] | None:
    """The client's key to encrypt to: of the right kind, and meant for it or for nothing in particular; one meant for it comes first."""
    keys = [key for key in (jwks or {}).get("keys", ()) if key.get("kty") == _KTY[alg] and key.get("alg", alg) == alg]
    meant = [key for key in keys if key.get("use") == "enc"]
    return next((key for key in meant or keys if key.get("use", "enc") == "enc"), None)


def encrypt_for(client: Client, what: str, signed: str) -> str:
    """``signed`` for this client's eyes alone, where it wants that (RFC 7519 §5.2: a nested JWT); as it is otherwise.

    Raises :class:`InvalidRequest` when there is no key: nothing that should be encrypted ever leaves in the clear.
    """
    algorithms = wanted(client, what)
    if algorithms is None:
        return signed
    alg, enc = algorithms
    jwk = find_key(client.jwks, alg)
    if jwk is None:
        raise InvalidRequest(f"the keys of this client hold none to encrypt to with {alg}: publish one with use enc")
    header = {"alg": alg, "enc": enc, "cty": "JWT"} | ({"kid": jwk["kid"]} if "kid" in jwk else {})
    public = {name: value for name, value in jwk.items() if name in ("kty", "crv", "x", "y", "n", "e")}
    try:
        key = RSAKey.import_key(public) if public["kty"] == "RSA" else ECKey.import_key(public)
        return jwe.encrypt_compact(header, signed.encode("ascii"), key, algorithms=[alg, enc])
    except (JoseError, ValueError, KeyError) as error:
        raise InvalidRequest(f"the key of this client cannot be used with {alg}", detail=type(error).__name__) from error
