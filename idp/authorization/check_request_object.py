"""Request objects are not supported, and saying nothing would drop what they ask (OpenID Connect Core §3.1.2.6, §6)."""

from idp.authorization.request import MAX_VALUE_LENGTH, AuthorizationRequest
from idp.errors import InvalidRequest, RequestNotSupported, RequestUriNotSupported


def check_request_object(request: AuthorizationRequest) -> None:
    """Also bounds the length of every value, since a request is stored while its person logs in."""
    if request.get("request") is not None:
        raise RequestNotSupported("request objects are not supported")
    if request.get("request_uri") is not None:
        raise RequestUriNotSupported("request_uri is not supported")
    for name, value in request.parameters.items():
        if len(value) > MAX_VALUE_LENGTH:
            raise InvalidRequest(f"{name[:40]} is longer than {MAX_VALUE_LENGTH} characters")
