"""Proof Key for Code Exchange (RFC 7636), S256 alone: ``plain`` would show the verifier to whoever sees the request."""

import hashlib
import hmac
import re

from idp.errors import InvalidGrant, InvalidRequest
from idp.keys.signing_key import base64url

#: RFC 7636 §4.1: 43 to 128 unreserved characters.
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
#: §4.2: base64url of a SHA-256 digest is always 43 characters.
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def check_challenge(code_challenge: str | None, method: str | None, *, required: bool) -> str | None:
    """The challenge to bind to the code (§4.3, §4.4.1); an absent method would mean ``plain`` and is refused."""
    if code_challenge is None:
        if method is not None:
            raise InvalidRequest("code_challenge_method is given without code_challenge")
        if required:
            raise InvalidRequest("code_challenge is missing: this client must use PKCE with S256")
        return None
    if method != "S256":
        raise InvalidRequest("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(code_challenge):
        raise InvalidRequest("code_challenge must be 43 characters of base64url")
    return code_challenge


def verify(code_challenge: str | None, code_verifier: str | None) -> None:
    """Compare at the token endpoint (§4.6); a verifier where no challenge came is a downgrade (RFC 9700 §2.1.1)."""
    if code_challenge is None:
        if code_verifier is not None:
            raise InvalidGrant("code_verifier is given without a code_challenge in the authorization request: send both, or none")
        return
    if code_verifier is None:
        raise InvalidGrant("code_verifier is missing")
    if not _VERIFIER.fullmatch(code_verifier):
        raise InvalidGrant("code_verifier must be 43 to 128 unreserved characters")
    computed = base64url(hashlib.sha256(code_verifier.encode("ascii")).digest())
    if not hmac.compare_digest(computed, code_challenge):
        raise InvalidGrant("code_verifier does not fit the code_challenge")
