"""Signing keys: made here and sealed at rest, or made and kept by a security module; rotated with an overlap, parsed once.

Owns the key-encryption key, the life of a key and the JWK set. Does not decide what is signed: that is
:mod:`idp.tokens`. Start with :class:`idp.keys.ring.KeyRing`.
"""

from idp.keys.ring import KeyRing
from idp.keys.seal import Seal
from idp.keys.security_module import SecurityModule, Token
from idp.keys.signing_key import SigningKey

__all__ = ["KeyRing", "Seal", "SecurityModule", "SigningKey", "Token"]
