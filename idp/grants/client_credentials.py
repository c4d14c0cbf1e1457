"""``client_credentials`` (RFC 6749 §4.4): a confidential client acts for itself."""

from idp.clock import ordered_id
from idp.errors import InvalidScope
from idp.grants.phases import Authorization, Services, TokenRequest
from idp.model import Grant

GRANT_TYPE = "client_credentials"
PARAMETERS = frozenset({"scope"})
REQUIRES_CLIENT_AUTH = True


async def authorize(request: TokenRequest, services: Services) -> Authorization:
    """The scope asked for, within what the client registered; without ``scope``, all of that."""
    registered = request.client.scope - {"openid"}
    asked = frozenset(request.parameters.get("scope", "").split())
    if not asked <= registered:
        raise InvalidScope(f"scope: this client may not ask for {min(asked - registered)[:60]!r}")
    grant = Grant(
        id=ordered_id(services.now),
        client_id=request.client.client_id,
        account_id=None,
        session_id=None,
        scope=asked or registered,
        nonce=None,
        acr=None,
        amr=(),
        method=None,
        auth_time=None,
        created_at=services.now,
    )
    return Authorization(grant=grant, account=None)
