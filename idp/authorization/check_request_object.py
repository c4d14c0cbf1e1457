"""How the request came: as parameters, in a signed object (RFC 9101) that came along or was fetched, or pushed before (RFC 9126)."""

from typing import Final

from idp.authorization.check_redirect_uri import is_registered
from idp.authorization.request import MAX_VALUE_LENGTH, AuthorizationRequest
from idp.authorization.request_object import open_request_object
from idp.errors import InvalidRequest, InvalidRequestUri, RequestUriNotSupported
from idp.profiles import rules_of

#: What a ``request_uri`` of ours begins with (RFC 9126 §2.2).
PUSHED_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"


def check_request_object(request: AuthorizationRequest) -> None:
    """What came signed or pushed replaces every other parameter: nobody on the way may add to it (RFC 9101 §6.3).

    Only addresses that the client registered are fetched, by the endpoint. Also bounds the length of every value, since a
    request is stored while its person logs in.
    """
    client = request.proved_client
    outer = request.get("redirect_uri")
    if outer is not None and is_registered(client, outer):
        # The client may be told what is wrong with its object, at an address it registered.
        request.redirect_uri = outer
    signed, request_uri = request.get("request"), request.get("request_uri")
    if request_uri is not None and (request.pushing or request_uri.startswith(PUSHED_PREFIX)):
        request.parameters = _pushed(request, request_uri)
    else:
        _check_demands(request, signed or request_uri)
        if request_uri is not None:
            signed = _fetched(request, request_uri)
        if signed is not None:
            opened = open_request_object(signed, client, issuer=request.issuer, now=request.now, hosted=request_uri is not None)
            request.parameters, request.object_id = opened.parameters, opened.object_id
    if request.get("redirect_uri") != outer:
        request.redirect_uri = None
    for name, value in request.parameters.items():
        if len(value) > MAX_VALUE_LENGTH:
            raise InvalidRequest(f"{name[:40]} is longer than {MAX_VALUE_LENGTH} characters")


def _pushed(request: AuthorizationRequest, request_uri: str) -> dict[str, str]:
    if request.pushing:
        raise InvalidRequest("request_uri cannot be pushed: push the parameters, or request")
    if request.get("request") is not None:
        raise InvalidRequest("request and request_uri exclude each other")
    if request.pushed is None:
        raise InvalidRequestUri(
            "request_uri is unknown, expired, answered, of another client, or open in another browser: push the request again"
        )
    return dict(request.pushed.parameters)


def _fetched(request: AuthorizationRequest, request_uri: str) -> str:
    """OpenID Connect Core §6.2: an address that the client registered, and nothing else beside it."""
    if request.get("request") is not None:
        raise InvalidRequest("request and request_uri exclude each other")
    if request_uri not in request.proved_client.request_uris:
        raise RequestUriNotSupported("request_uri must be one that this client pushed, or one of its registered request_uris")
    if request.fetched_object is None:
        raise InvalidRequestUri("request_uri cannot be read: it must answer with the request object, over https")
    return request.fetched_object


def _check_demands(request: AuthorizationRequest, signed: str | None) -> None:
    """What this client, or its profile, must do; whatever was pushed has passed here when it was."""
    client = request.proved_client
    if not request.pushing and (client.require_pushed_authorization_requests or rules_of(client).par_required):
        raise InvalidRequest("this client must push its authorization requests (RFC 9126)")
    if client.require_signed_request_object and signed is None:
        raise InvalidRequest("this client must sign its authorization requests (RFC 9101)")
