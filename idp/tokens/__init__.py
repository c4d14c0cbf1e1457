"""Tokens: what they say and who signs them.

Owns claim sets and the making of access, refresh and ID tokens, and recognises those it made. Does not own
when a token may be had (:mod:`idp.grants`) nor its record (:mod:`idp.store`). Start with :class:`Issuer`.
"""

from idp.tokens.issuer import Issuer, TokenSet

__all__ = ["Issuer", "TokenSet"]
