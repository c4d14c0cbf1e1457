"""For which resource servers the tokens are asked (RFC 8707 §2.1)."""

from idp.authorization.request import AuthorizationRequest
from idp.tokens.resources import asked_resources


def check_resource(request: AuthorizationRequest) -> None:
    """Within the client's own list: a token must not become good for a server that nobody thought of."""
    request.resources = asked_resources(request.proved_client, request.get("resource"), issuer=request.issuer)
