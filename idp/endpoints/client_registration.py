"""Dynamic registration and its management (RFC 7591, RFC 7592): served only where the operator opened it, and only with a token."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.answers import json_answer
from idp.errors import InvalidClientMetadata, InvalidToken, OAuthError
from idp.http import read_body
from idp.model import Client, InitialAccessToken
from idp.provider import Provider, provider_of
from idp.registration import make_secret, needs_secret
from idp.registration.dynamic import (
    Bounds,
    check_update,
    issued_at,
    new_client_id,
    new_token,
    read_registration,
    registered_members,
)
from idp.registration.sector import check_sector_document
from vocabulary.audit import AuditAction, Outcome

_PATH: Final = "/clients-registrations/openid-connect"
#: For how long a token that made an update is remembered: longer than two updates can be in the making together.
_UPDATE_MEMORY: Final = timedelta(hours=1)


async def register(request: Request) -> Response:
    """POST with an initial access token: a new client, its secret and its registration access token, each shown once."""
    provider = provider_of(request)
    token = await _initial_token(request, provider)
    try:
        document = await _document(request)
        client = read_registration(document, new_client_id(), Bounds.of_token(token))
        await _check_sector(client, provider)
    except OAuthError as error:
        _record(request, provider, None, Outcome.FAILURE, f"registration by {token.label}: {error.error}: {error.description}")
        raise
    secret, secret_hash = make_secret() if needs_secret(client) else (None, None)
    management, management_hash = new_token()
    now = provider.clock()
    client = replace(client, client_secret_hash=secret_hash, registration_token_hash=management_hash, registered_at=now)
    if not await provider.store.clients.use_initial_token(token.token_hash, client, now):
        raise _refused("the initial access token is unknown, expired or used up")
    _record(request, provider, client, Outcome.SUCCESS, f"registered with the initial access token {token.label}")
    return _answer(provider, client, management, secret=secret, status=201)


async def read(request: Request) -> Response:
    """GET with the registration access token."""
    provider = provider_of(request)
    return _answer(provider, await _managed(request, provider), _bearer(request))


async def update(request: Request) -> Response:
    """PUT: the whole registration anew; what is left out is gone. The registration access token is another one afterwards."""
    provider = provider_of(request)
    client = await _managed(request, provider)
    try:
        document = await _document(request)
        check_update(document, client)
        changed = read_registration(document, client.client_id, Bounds.of_client(client))
        await _check_sector(changed, provider)
    except OAuthError as error:
        _record(request, provider, client, Outcome.FAILURE, f"update: {error.error}: {error.description}")
        raise
    now = provider.clock()
    spent = f"registration-update:{client.registration_token_hash}"
    if not await provider.store.counters.remember_once(spent, until=now + _UPDATE_MEMORY, now=now):
        raise _refused("the registration access token was used for an update already")
    secret = None
    secret_hash = client.client_secret_hash if needs_secret(changed) else None
    if needs_secret(changed) and secret_hash is None:
        secret, secret_hash = make_secret()
    management, management_hash = new_token()
    changed = replace(changed, client_secret_hash=secret_hash, registration_token_hash=management_hash, registered_at=client.registered_at)
    await provider.store.clients.put(changed)
    _record(request, provider, changed, Outcome.SUCCESS, "updated by the client")
    return _answer(provider, changed, management, secret=secret)


async def delete(request: Request) -> Response:
    """DELETE: the client is gone, and with it everything that it could show."""
    provider = provider_of(request)
    client = await _managed(request, provider)
    await provider.store.clients.delete(client.client_id)
    _record(request, provider, client, Outcome.SUCCESS, "deleted by the client")
    return Response(b"", 204)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("a token is required")
    return token.strip()


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def _initial_token(request: Request, provider: Provider) -> InitialAccessToken:
    found = await provider.store.clients.get_initial_token(_hashed(_bearer(request)), provider.clock())
    if found is None:
        _record(request, provider, None, Outcome.FAILURE, "registration with a token that is unknown, expired or used up")
        raise _refused("the initial access token is unknown, expired or used up")
    return found


async def _managed(request: Request, provider: Provider) -> Client:
    """The client that the token manages; one answer for an unknown client and a wrong token (RFC 7592 §2)."""
    shown = _hashed(_bearer(request))
    client = await provider.store.clients.get(request.path_params["client_id"])
    kept = client.registration_token_hash if client else None
    if client is None or client.disabled or kept is None or not hmac.compare_digest(shown, kept):
        _record(request, provider, None, Outcome.FAILURE, "management of a registration with a token that is not its own")
        raise _refused("the registration access token is not that of this client")
    return client


def _refused(description: str) -> InvalidToken:
    return InvalidToken(description)


async def _document(request: Request) -> Mapping[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidClientMetadata("the body must be application/json")
    try:
        document = orjson.loads(await read_body(request))
    except orjson.JSONDecodeError as error:
        raise InvalidClientMetadata("the body must be a JSON object") from error
    if not isinstance(document, dict):
        raise InvalidClientMetadata("the body must be a JSON object")
    return document


async def _check_sector(client: Client, provider: Provider) -> None:
    try:
        await check_sector_document(client, provider.outbound)
    except ValueError as error:
        raise InvalidClientMetadata(str(error)) from error


def _answer(provider: Provider, client: Client, token: str, *, secret: str | None = None, status: int = 200) -> Response:
    """RFC 7591 §3.2.1, RFC 7592 §3. A secret is told once, when it is made: only its hash is kept."""
    document = registered_members(client) | {
        "client_id": client.client_id,
        "client_id_issued_at": int(issued_at(client).timestamp()),
        "registration_access_token": token,
        "registration_client_uri": f"{provider.issuer}{_PATH}/{client.client_id}",
    }
    if secret is not None:
        document |= {"client_secret": secret, "client_secret_expires_at": 0}
    return json_answer(document, status)


def _record(request: Request, provider: Provider, client: Client | None, outcome: Outcome, reason: str) -> None:
    action = AuditAction.CLIENT_CHANGED if outcome is Outcome.SUCCESS else AuditAction.CLIENT_REFUSED
    provider.audit.record(
        action,
        outcome,
        {
            "event.reason": reason,
            "health.relying_party.id": client.client_id if client else None,
            "health.actor.id": client.client_id if client else None,
            "health.structure.finess": client.structure_finess if client else None,
            "source.ip": provider.sources(request),
        },
    )


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    one = f"{realm}{_PATH}/{{client_id}}"
    return [
        Route(f"{realm}{_PATH}", register, methods=["POST"]),
        Route(one, read, methods=["GET"]),
        Route(one, update, methods=["PUT"]),
        Route(one, delete, methods=["DELETE"]),
    ]
