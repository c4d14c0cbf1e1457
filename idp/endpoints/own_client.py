"""The client that our own pages are: a person logs in to them as to any service, by the same steps and with the same events.

It is registered nowhere: nobody can change or disable it, and the token endpoint does not know it. Nor could its code be redeemed: the
challenge is chance, and has no verifier.
"""

import secrets
from urllib.parse import urlencode

from idp.model import Client
from idp.provider import Provider

#: No registration can have it: identifiers begin with a letter or a digit.
OWN_CLIENT_ID = "_sessions"
RETURN_PATH = "/sessions/return"


async def find_client(provider: Provider, client_id: str | None) -> Client | None:
    """A registered client, or the one that our own pages are."""
    if client_id == OWN_CLIENT_ID:
        return own_client(provider.base_url)
    return await provider.store.clients.get(client_id) if client_id else None


def own_client(base_url: str) -> Client:
    """Named in French, as every service is by its own people."""
    return Client(
        client_id=OWN_CLIENT_ID,
        client_name="Mes sessions",
        redirect_uris=(f"{base_url}{RETURN_PATH}",),
        token_endpoint_auth_method="none",
        structure_name="Veilleur",
        quirks={"session_state_parameter": "none"},
    )


def login_path(base_url: str) -> str:
    """Where a browser without a session is sent, to come back by :data:`RETURN_PATH`."""
    query = {
        "client_id": OWN_CLIENT_ID,
        "response_type": "code",
        "redirect_uri": f"{base_url}{RETURN_PATH}",
        "scope": "openid",
        "code_challenge": secrets.token_urlsafe(32),
        "code_challenge_method": "S256",
    }
    return f"/auth?{urlencode(query)}"
