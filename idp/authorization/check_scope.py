"""What the client asks for (RFC 6749 §3.3): within what it registered, and OpenID Connect (Core §3.1.2.1)."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidScope


def check_scope(request: AuthorizationRequest) -> None:
    """``openid`` is always part of it; an unregistered value is refused rather than dropped, so that nobody wonders."""
    asked = frozenset((request.get("scope") or "").split())
    if "openid" not in asked:
        raise InvalidScope("scope must contain openid")
    excess = asked - request.proved_client.scope
    if excess:
        raise InvalidScope(f"scope: this client may not ask for {min(excess)[:60]!r}")
    request.scope = asked
