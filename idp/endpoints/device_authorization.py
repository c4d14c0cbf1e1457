"""The device authorization endpoint (RFC 8628 §3.1): a device without browser asks for a person, who answers elsewhere."""

import secrets
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.authentication.limits import admit_device
from idp.authentication.refusal import AuthenticationRefused
from idp.authentication.user_code import hash_user_code, new_user_code
from idp.endpoints.answers import json_answer
from idp.endpoints.device_verification import PAGE, pepper_of
from idp.endpoints.refusals import explained
from idp.endpoints.sender import prove_client
from idp.errors import InvalidScope, OAuthError, TooManyAttempts, UnauthorizedClient
from idp.grants import device_code
from idp.http import read_form
from idp.model import Client, DeviceAuthorization
from idp.provider import Provider, provider_of
from idp.sessions import user_agent
from idp.tokens.issuer import hash_token
from idp.tokens.resources import asked_resources
from vocabulary.audit import AuditAction, AuditValue, Outcome

#: Least time between two polls (§3.2).
_INTERVAL_SECONDS: Final = 5


async def ask(request: Request) -> Response:
    """POST. ``{device_code, user_code, verification_uri, verification_uri_complete, expires_in, interval}``; each outcome is audited."""
    provider = provider_of(request)
    form = await read_form(request)
    return await explained(request, provider, "device_authorization", form, _ask(request, provider, form))


async def _ask(request: Request, provider: Provider, form: dict[str, str]) -> Response:
    client = await prove_client(request, provider, form)
    try:
        await _admit(request, provider, client)
        answer = await _answer(request, provider, client, form)
    except OAuthError as error:
        _record(request, provider, client, AuditAction.AUTHORIZATION_REFUSED, f"{error.error}: {error.detail or error.description}")
        raise
    _record(request, provider, client, AuditAction.AUTHORIZATION_REQUESTED, "")
    return answer


async def _admit(request: Request, provider: Provider, client: Client) -> None:
    if device_code.GRANT_TYPE not in client.grant_types:
        raise UnauthorizedClient("this client is not registered for the device authorization grant")
    try:
        await admit_device(provider.store.counters, provider.limits, ip=provider.sources(request), now=provider.clock())
    except AuthenticationRefused as refusal:
        seconds = str(refusal.retry_after_seconds or 60)
        raise TooManyAttempts(
            "too many device authorizations from here: wait as long as Retry-After says",
            detail=refusal.detail,
            headers={"Retry-After": seconds},
        ) from refusal


async def _answer(request: Request, provider: Provider, client: Client, form: dict[str, str]) -> Response:
    scope = frozenset(form.get("scope", "").split())
    if "openid" not in scope:
        raise InvalidScope("scope must contain openid")
    if not scope <= client.scope:
        raise InvalidScope(f"scope: this client may not ask for {min(scope - client.scope)[:60]!r}")
    resources = asked_resources(client, form.get("resource"), issuer=provider.issuer)
    text = form.get("authorization_details")
    details = provider.detail_types.check(text, client.authorization_details_types) if text else ()
    now, lifetime = provider.clock(), provider.lifetimes.device_code
    value, user_code = secrets.token_urlsafe(32), new_user_code()
    await provider.store.device_codes.put(
        DeviceAuthorization(
            device_code_hash=hash_token(value),
            user_code_hash=hash_user_code(pepper_of(provider), user_code) or "",
            client_id=client.client_id,
            scope=scope,
            resources=resources,
            authorization_details=details,
            created_at=now,
            expires_at=now + lifetime,
            interval_seconds=_INTERVAL_SECONDS,
            source_ip=provider.sources(request),
            user_agent=user_agent(request),
        )
    )
    page = f"{provider.base_url}{PAGE}"
    return json_answer(
        {
            "device_code": value,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "expires_in": int(lifetime.total_seconds()),
            "interval": _INTERVAL_SECONDS,
        }
    )


def _record(request: Request, provider: Provider, client: Client, action: AuditAction, reason: str) -> None:
    fields: dict[str, AuditValue | None] = {
        "event.reason": reason,
        "source.ip": provider.sources(request),
        "user_agent.original": user_agent(request),
        "health.relying_party.id": client.client_id,
        "health.structure.finess": client.structure_finess,
        "health.grant.type": device_code.GRANT_TYPE,
    }
    provider.audit.record(action, Outcome.FAILURE if reason else Outcome.UNKNOWN, fields)


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/auth/device", ask, methods=["POST"])]
