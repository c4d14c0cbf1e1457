"""The clients that our own pages are: a person logs in to them as to any service, by the same steps and with the same events.

They are registered nowhere: nobody can change or disable them, and the token endpoint does not know them. Where a session of this
browser is all that a page needs, its code could not be redeemed either: the challenge is chance, and has no verifier.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from idp.model import Client
from idp.provider import Provider


@dataclass(frozen=True, slots=True)
class OwnPages:
    """Pages of ours that people log in to. No registration can have ``client_id``: identifiers begin with a letter or a digit."""

    client_id: str
    #: In French, as every service is named by its own people.
    client_name: str
    return_path: str


SESSIONS: Final = OwnPages("_sessions", "Mes sessions", "/sessions/return")
DEVELOPERS: Final = OwnPages("_developers", "Espace des développeurs", "/developers/return")
#: On the port of the administration, which redeems the code itself.
ADMINISTRATION: Final = OwnPages("_administration", "Administration de Veilleur", "/administration/return")
_BY_ID: Final = {pages.client_id: pages for pages in (SESSIONS, DEVELOPERS, ADMINISTRATION)}


async def find_client(provider: Provider, client_id: str | None) -> Client | None:
    """A registered client, or one that our own pages are."""
    own = _BY_ID.get(client_id or "")
    if own is not None:
        served = own is not ADMINISTRATION or bool(provider.admin_base_url and provider.administrators)
        return _client(own, place_of(provider, own)) if served else None
    return await provider.store.clients.get(client_id) if client_id else None


def place_of(provider: Provider, own: OwnPages) -> str:
    """Where a login comes back to."""
    return f"{provider.admin_base_url if own is ADMINISTRATION else provider.base_url}{own.return_path}"


def _client(own: OwnPages, redirect_uri: str) -> Client:
    """As the authorization endpoint sees it."""
    return Client(
        client_id=own.client_id,
        client_name=own.client_name,
        redirect_uris=(redirect_uri,),
        token_endpoint_auth_method="none",
        structure_name="Veilleur",
        quirks={"session_state_parameter": "none"},
    )


def login_path(base_url: str, own: OwnPages, *, state: str = "") -> str:
    """Where a browser without a session is sent, to come back by ``return_path`` with ``state``."""
    query = {
        "client_id": own.client_id,
        "response_type": "code",
        "redirect_uri": f"{base_url}{own.return_path}",
        "scope": "openid",
        "code_challenge": secrets.token_urlsafe(32),
        "code_challenge_method": "S256",
        **({"state": state} if state else {}),
    }
    return f"/auth?{urlencode(query)}"
