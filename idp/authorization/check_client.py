"""Who asks (RFC 6749 §4.1.1): a registered client that may use this endpoint."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest, UnauthorizedClient


def check_client(request: AuthorizationRequest) -> None:
    """Never redirects: nothing of this request is proved yet (§4.1.2.1)."""
    client_id = request.get("client_id")
    if client_id is None:
        raise InvalidRequest("client_id is missing", allow_redirect=False)
    client = request.found_client
    if client is None or client.disabled:
        raise InvalidRequest(
            "client_id: this service is not registered here", detail=f"client_id {client_id[:100]!r}", allow_redirect=False
        )
    if "authorization_code" not in client.grant_types:
        raise UnauthorizedClient("this client is not registered for the grant type authorization_code", allow_redirect=False)
    request.client = client
