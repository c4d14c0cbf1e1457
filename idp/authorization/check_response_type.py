"""The code flow alone (RFC 9700 §2.1.2: no token from this endpoint), and how the client wants its answer."""

from typing import Final

from idp.authorization.request import RESPONSE_MODES, AuthorizationRequest
from idp.errors import InvalidRequest, UnsupportedResponseType

#: Discovery lists it from here.
RESPONSE_TYPES: Final = ("code",)


def check_response_type(request: AuthorizationRequest) -> None:
    """RFC 6749 §3.1.1; OAuth 2.0 Multiple Response Type Encoding §2.1. A code never travels in a fragment."""
    response_type = request.get("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing")
    if response_type not in RESPONSE_TYPES:
        raise UnsupportedResponseType("response_type must be code")
    if request.parameters.get("response_mode", "query") not in RESPONSE_MODES:
        raise InvalidRequest(f"response_mode must be one of {', '.join(RESPONSE_MODES)}")
