"""The challenge that will be bound to the code (RFC 7636 §4.3): S256, required or not as the profile says."""

from idp import pkce
from idp.authorization.request import AuthorizationRequest
from idp.profiles import rules_of


def check_pkce(request: AuthorizationRequest) -> None:
    """A public client always needs it, whatever its profile: it has no other proof (RFC 9700 §2.1.1)."""
    client = request.proved_client
    required = rules_of(client).pkce_required or client.token_endpoint_auth_method == "none"
    request.code_challenge = pkce.check_challenge(request.get("code_challenge"), request.get("code_challenge_method"), required=required)
