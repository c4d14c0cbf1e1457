"""Authorization requests that another site posts (OpenID Connect Core §3.1.2.1): kept for a moment, and asked again by GET.

A browser sends such a form without its ``SameSite=Lax`` cookies, so that it would look like nobody's; the redirect that answers the
form it follows with them.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import sessions
from idp.authorization.request import KEPT_PARAMETERS
from idp.endpoints.own_client import find_client
from idp.model import PushedRequest
from idp.provider import Provider
from idp.tokens.issuer import hash_token

#: What the browser is sent to, under a reference.
PATH: Final = "/auth/posted/{reference}"
#: A redirect takes no longer.
_LIFETIME: Final = timedelta(seconds=60)
#: Most that is kept of one request, in characters: a request object, and parameters beside it.
_MAX_LENGTH: Final = 24_576
#: Stands for the client, so that no client's ``request_uri`` finds it: no registration can have this name.
_NOBODY: Final = "_posted"


async def ask_by_get(request: Request, provider: Provider, parameters: Mapping[str, str]) -> Response | None:
    """Where the browser goes on with its cookies; None when the request is to be answered as it is.

    That is so when it came with cookies, when no service asks, and when it is longer than any that could be granted.
    """
    if request.method != "POST" or sessions.shows_cookie(request, https=provider.https):
        return None
    kept = {name: value for name, value in parameters.items() if name in KEPT_PARAMETERS or name in ("request", "request_uri")}
    if sum(map(len, kept.values())) > _MAX_LENGTH or await find_client(provider, kept.get("client_id")) is None:
        return None
    reference = secrets.token_urlsafe(32)
    await provider.store.pushed_requests.put(
        PushedRequest(request_hash=_hash(reference), client_id=_NOBODY, parameters=kept, expires_at=provider.clock() + _LIFETIME)
    )
    return RedirectResponse(f"{provider.base_url}{PATH.format(reference=reference)}", 303)


async def take_posted(provider: Provider, reference: str) -> Mapping[str, str] | None:
    """The request, once and within a minute."""
    store = provider.store.pushed_requests
    found = await store.find(_hash(reference), _NOBODY, None, provider.clock())
    return found.parameters if found is not None and await store.answer(found.request_hash) else None


def _hash(reference: str) -> str:
    """Of another kind than that of a ``request_uri``, which is kept in the same place."""
    return hash_token(f"posted\0{reference}")
