"""The key that the code will be bound to (RFC 9449 §10): the thumbprint, as it must be written."""

import re
from typing import Final

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest

#: SHA-256 in base64url (RFC 7638 §3): 43 characters.
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def check_dpop_key(request: AuthorizationRequest) -> None:
    """A client without ``dpop_jkt`` binds its tokens at the token endpoint, or not at all."""
    value = request.get("dpop_jkt")
    if value is not None and not _THUMBPRINT.fullmatch(value):
        raise InvalidRequest("dpop_jkt must be the SHA-256 thumbprint of a JWK, in base64url")
