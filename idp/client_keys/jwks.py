"""What a client's public keys must be (RFC 7517)."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

from idp.tokens.certificate import read_der

#: Shortest RSA key of a client, in bits (RFC 7518 §3.3).
_MIN_RSA_BITS: Final = 2048
#: Most keys that are read of one set.
_MAX_KEY_COUNT: Final = 50


def usable_keys(document: object) -> list[dict[str, Any]]:
    """The keys of a JWK set that can be used here; others (of another kind, too short, private, broken) are as if they were not there."""
    keys = document.get("keys") if isinstance(document, dict) else None
    return [key for key in keys[:_MAX_KEY_COUNT] if _is_usable(key)] if isinstance(keys, list) else []


def _is_usable(key: object) -> bool:
    try:
        check_jwks({"keys": [key]})
    except ValueError:
        return False
    return True


def check_jwks(jwks: Mapping[str, Any]) -> None:
    """Raise ValueError, naming the key at fault, unless every key can be used and is public."""
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        raise ValueError("jwks: must hold a list 'keys'")
    for number, key in enumerate(keys, start=1):
        if not isinstance(key, dict) or key.get("kty") not in ("RSA", "EC"):
            raise ValueError(f"jwks: key {number} must be an RSA or EC key")
        if "x5c" in key:
            _check_chain(key["x5c"], number)
        if "d" in key:
            raise ValueError(f"jwks: key {number} is a private key; register the public part alone")
        _check_key(key, number)


def _check_key(key: dict[str, Any], number: int) -> None:
    """It must be usable now: a key that cannot be read would only show when the client comes."""
    # A command that registers clients without keys does without this import.
    from joserfc.errors import JoseError, SecurityWarning
    from joserfc.jwk import ECKey, RSAKey

    try:
        with warnings.catch_warnings():
            # A short key only makes the library warn; it is refused below.
            warnings.simplefilter("ignore", SecurityWarning)
            read = RSAKey.import_key(key) if key["kty"] == "RSA" else ECKey.import_key(key)
        public = read.raw_value
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"jwks: key {number} cannot be read: {error}") from error
    if isinstance(read, RSAKey) and public.key_size < _MIN_RSA_BITS:
        raise ValueError(f"jwks: key {number} has {public.key_size} bits; RSA needs at least {_MIN_RSA_BITS}")
    if isinstance(read, ECKey) and key.get("crv") != "P-256":
        raise ValueError(f"jwks: key {number} must be on P-256, the curve of ES256")


def _check_chain(chain: object, number: int) -> None:
    """A certificate that cannot be read would only show when the client comes."""
    try:
        read_der(chain[0])  # type: ignore[index]  # whatever else it is raises TypeError
    except (IndexError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"jwks: key {number}: x5c cannot be read: {error}") from error
