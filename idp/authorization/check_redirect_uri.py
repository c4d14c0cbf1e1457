"""Where the answer may go: exactly a registered URI, character for character (RFC 9700 §2.1, OpenID Connect Core §3.1.2.1)."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest


def check_redirect_uri(request: AuthorizationRequest) -> None:
    """Never redirects. No default even when a single one is registered: OpenID Connect demands the parameter."""
    redirect_uri = request.get("redirect_uri")
    if redirect_uri is None:
        raise InvalidRequest("redirect_uri is missing", allow_redirect=False)
    if redirect_uri not in request.proved_client.redirect_uris:
        raise InvalidRequest(
            "redirect_uri is not one that this service registered", detail=f"redirect_uri {redirect_uri[:200]!r}", allow_redirect=False
        )
    request.redirect_uri = redirect_uri
