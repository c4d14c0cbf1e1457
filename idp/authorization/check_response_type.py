"""The code flow alone (RFC 9700 §2.1.2: no token from this endpoint), answered in the query."""

from typing import Final

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest, UnsupportedResponseType

#: Discovery lists them from here.
RESPONSE_TYPES: Final = ("code",)
RESPONSE_MODES: Final = ("query",)


def check_response_type(request: AuthorizationRequest) -> None:
    """RFC 6749 §3.1.1; OAuth 2.0 Multiple Response Type Encoding §2.1."""
    response_type = request.get("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing")
    if response_type not in RESPONSE_TYPES:
        raise UnsupportedResponseType("response_type must be code")
    if request.parameters.get("response_mode", "query") not in RESPONSE_MODES:
        raise InvalidRequest("response_mode must be query")
