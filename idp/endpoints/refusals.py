"""Keeping a refused request for the developers of its client, at the doors where it was refused.

Only clients that name developers have anything kept. What is ordinary (nobody has answered yet, the person said no, a limit) is not.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from idp.endpoints.sender import certificate_of, proof_header
from idp.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InteractionRequired,
    InvalidClient,
    InvalidGrant,
    LoginRequired,
    OAuthError,
    RequestDenied,
    SlowDown,
    TemporarilyUnavailable,
    UnknownUserId,
    UseDpopNonce,
)
from idp.explanation.facts import back_channel_facts, named_client
from idp.grants.authorization_code import UNKNOWN_CODE
from idp.http import counted_network
from idp.model import Client, Refusal
from idp.provider import Provider
from idp.tokens.certificate import NAME_MEMBERS, Certificate, has_name
from idp.tokens.issuer import hash_token
from idp.tracing import request_id

#: Not faults of the client: the life of a login, limits, and what would tell of a person.
_ORDINARY: Final = (
    *(AccessDenied, AuthorizationPending, ExpiredToken, InteractionRequired, LoginRequired, RequestDenied, SlowDown),
    *(TemporarilyUnavailable, UnknownUserId, UseDpopNonce),
)
#: Longest text of ours kept, in characters.
_MAX_TEXT: Final = 500


def developer_url(base_url: str, reference: str) -> str:
    """The page of one refusal."""
    return f"{base_url}/developers/{reference}"


async def keep_refusal(
    request: Request, provider: Provider, client: Client | None, endpoint: str, error: OAuthError, facts: Mapping[str, str]
) -> bool:
    """Keep it where somebody may read it; whether it was kept. Names the page in ``error_uri``, to a client that has proved itself."""
    reference = request_id.get()
    if client is None or not client.developers or not reference or isinstance(error, _ORDINARY):
        return False
    now, kept = provider.clock(), provider.kept_refusals
    network = counted_network(provider.sources(request))
    source = hmac.new(provider.keys.pepper("refusal-source"), network.encode(), hashlib.sha256).hexdigest()[:16]
    refusal = Refusal(
        reference=reference,
        client_id=client.client_id,
        endpoint=endpoint,
        at=now,
        expires_at=now + kept.memory,
        source=source,
        error=error.error,
        description=error.description[:_MAX_TEXT],
        # Of other errors it may speak of a person, or of another client.
        detail=error.detail[:_MAX_TEXT] if isinstance(error, InvalidClient) else "",
        facts=facts,
    )
    await provider.store.refusals.put(refusal, client_count=kept.client_count, source_count=kept.source_count)
    if not isinstance(error, InvalidClient):
        error.error_uri = developer_url(provider.base_url, reference)
    return True


async def explained(request: Request, provider: Provider, endpoint: str, form: Mapping[str, str], answer: Awaitable[Response]) -> Response:
    """The answer of a door of the back channel to a form; a refusal is kept for the client that the request names."""
    try:
        return await answer
    except OAuthError as error:
        await _keep(request, provider, endpoint, form, error)
        raise


async def _keep(request: Request, provider: Provider, endpoint: str, form: Mapping[str, str], error: OAuthError) -> None:
    authorization = request.headers.get("authorization", "")
    client_id = named_client(form, authorization)
    client = await provider.store.clients.get(client_id) if client_id else None
    if client is None or not client.developers:
        return
    certificate = _certificate(request, provider)
    facts = back_channel_facts(form, authorization, certificate, proof=proof_header(request) is not None)
    if certificate is not None:
        facts["certificate.name_fits"] = "yes" if _name_fits(certificate, client) else "no"
    if isinstance(error, InvalidGrant) and error.description == UNKNOWN_CODE and not error.detail and "code" in form:
        used = await provider.store.codes.consumed_grant(hash_token(form["code"]))
        facts["code.state"] = "used" if used else "over"
    await keep_refusal(request, provider, client, endpoint, error, facts)


def _certificate(request: Request, provider: Provider) -> Certificate | None:
    try:
        return certificate_of(request, provider)
    except InvalidClient:
        return None


def _name_fits(certificate: Certificate, client: Client) -> bool:
    named = [(member, getattr(client, member)) for member in NAME_MEMBERS if getattr(client, member) is not None]
    return bool(named) and all(has_name(certificate, member, value) for member, value in named)
