"""What exactly the client asks to do (RFC 9396), within the types it registered."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InteractionRequired


def check_authorization_details(request: AuthorizationRequest) -> None:
    """A person reads each detail on a screen, at every request: a session from before is no consent to it (§7)."""
    text = request.get("authorization_details")
    if text is None:
        return
    request.authorization_details = request.detail_types.check(text, request.proved_client.authorization_details_types)
    if not request.proved_here:
        if "none" in request.prompt:
            raise InteractionRequired("authorization_details are shown to the person: ask without prompt=none")
        request.login_reasons.append("authorization_details")
