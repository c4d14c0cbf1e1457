"""The backchannel authentication endpoint (OpenID Connect CIBA Core §7), as Pro Santé Connect's: poll and ping; and push.

The person is named by ``login_hint``, a national identifier or a bare RPPS. An identifier that nobody has is answered
like any other and waits in vain, unless the client's rules say otherwise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.authentication.device_approval import ServiceQuestion
from idp.authentication.refusal import AuthenticationRefused
from idp.authentication.service_login import ask_for_service
from idp.authorization.request_object import BACKCHANNEL_PARAMETERS, open_backchannel_request
from idp.authorization.respond import first_level
from idp.authorization_details import Detail
from idp.endpoints.answers import json_answer
from idp.endpoints.doors import doors_of, origin_of
from idp.endpoints.refusals import explained
from idp.endpoints.sender import prove_client
from idp.errors import (
    InvalidBindingMessage,
    InvalidRequest,
    InvalidRequestObject,
    InvalidScope,
    OAuthError,
    RequestUriNotSupported,
    TooManyAttempts,
    UnauthorizedClient,
    UnknownUserId,
)
from idp.grants import backchannel
from idp.http import read_form
from idp.model import Approval, AwaitedRequest, Client, Profile
from idp.profiles import Rules, rules_of
from idp.provider import Provider, provider_of
from idp.tokens.handles import new_handle
from idp.tokens.issuer import hash_token
from vocabulary.audit import AuditAction, Outcome
from vocabulary.identifiers import IdentifierError, PsIdNat

#: Ways in which the service hears of the end. Discovery lists them from here.
DELIVERY_MODES: Final = ("poll", "ping", "push")
_HINTS: Final = ("login_hint", "login_hint_token", "id_token_hint")
#: What a person answers by on each channel.
_BY_CHANNEL: Final = {"CARD": "certificate", "MOBILE": "device"}
#: Characters a phone shows in one line.
_MAX_BINDING_MESSAGE: Final = 40
#: RFC 6750 §2.1, at most 1024 characters (CIBA §7.1).
_BEARER: Final = re.compile(r"(?!.{1025})[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A backchannel request that holds."""

    scope: frozenset[str]
    hint: str
    binding_message: str | None
    lifetime_seconds: int
    notification_token: str | None
    acr_requested: str | None
    details: tuple[Detail, ...]
    method: str


async def authenticate(request: Request) -> Response:
    """POST. ``{auth_req_id, expires_in, interval}``, or an error of §13; each outcome is in the audit log."""
    provider = provider_of(request)
    form = await read_form(request)
    return await explained(request, provider, "backchannel_authentication", form, _authenticate(request, provider, form))


async def _authenticate(request: Request, provider: Provider, form: dict[str, str]) -> Response:
    source_ip = provider.sources(request)
    client = await prove_client(request, provider, form)
    try:
        _check_client(client)
        try:
            parameters = await _opened(provider, client, form)
        except InvalidRequestObject as error:
            # RFC 9101 gave the authorization endpoint a name for it; §13 has none but this one.
            raise InvalidRequest(error.description, detail=error.detail) from error
        asked = _read(parameters, client, provider)
        approval = await _ask(request, provider, client, asked)
        return await _answer(provider, client, asked, approval)
    except OAuthError as error:
        provider.audit.record(
            AuditAction.AUTHORIZATION_REFUSED,
            Outcome.FAILURE,
            {
                "event.reason": f"{error.error}: {error.detail or error.description}",
                "source.ip": source_ip,
                "health.relying_party.id": client.client_id,
                "health.grant.type": backchannel.GRANT_TYPE,
            },
        )
        raise


def _check_client(client: Client) -> None:
    """Before anything is read: who may not use it learns nothing from it (a public client may never, CVE-2026-109082)."""
    if backchannel.GRANT_TYPE not in client.grant_types or client.token_endpoint_auth_method == "none":
        raise UnauthorizedClient("this client is not registered for backchannel authentication")


async def _opened(provider: Provider, client: Client, form: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters: as they came, or out of a signed request, beside which there is nothing else (CIBA §7.1.1)."""
    if "request_uri" in form:
        raise RequestUriNotSupported("request_uri is not supported in a backchannel login: send the request itself")
    signed = form.get("request")
    if signed is None:
        if client.backchannel_authentication_request_signing_alg is not None or client.profile is Profile.FAPI2:
            raise InvalidRequest("this client must sign its backchannel logins: send them in request")
        return form
    if beside := form.keys() & set(BACKCHANNEL_PARAMETERS):
        raise InvalidRequest(f"{min(beside)} must stand inside the signed request, not beside it")
    client = await provider.client_keys.of(client, signed)
    now = provider.clock()
    opened = open_backchannel_request(signed, client, issuer=provider.issuer, now=now)
    if opened.object_id is not None:
        key = f"request-object:{client.client_id}:{opened.object_id.jti}"
        if not await provider.store.counters.remember_once(key, until=opened.object_id.expires_at, now=now):
            raise InvalidRequestObject("the signed request was used before: give each a jti of its own")
    return opened.parameters


def _read(form: Mapping[str, str], client: Client, provider: Provider) -> _Asked:
    rules, types = rules_of(client), provider.detail_types
    scope = frozenset(form.get("scope", "").split())
    if "openid" not in scope:
        raise InvalidScope("scope must contain openid")
    if not scope <= client.scope:
        raise InvalidScope(f"scope: this client may not ask for {min(scope - client.scope)[:60]!r}")
    return _Asked(
        method=_method(form.get("channel"), provider) if rules.channel_parameter else "device",
        scope=scope,
        hint=_hint(form),
        binding_message=_binding_message(form.get("binding_message"), rules),
        lifetime_seconds=_lifetime_seconds(form.get("requested_expiry"), rules),
        notification_token=_notification_token(form.get("client_notification_token"), client),
        acr_requested=first_level(form.get("acr_values")),
        details=types.check(details, client.authorization_details_types) if (details := form.get("authorization_details")) else (),
    )


def _hint(form: Mapping[str, str]) -> str:
    """§7.1: exactly one hint; its shape says nothing about who exists."""
    given = [name for name in _HINTS if name in form]
    if len(given) != 1:
        raise InvalidRequest(f"exactly one of {', '.join(_HINTS)} must be given")
    if given != ["login_hint"]:
        raise InvalidRequest(f"{given[0]} is not supported: name the person by login_hint")
    try:
        return PsIdNat.parse(form["login_hint"]).value
    except IdentifierError as error:
        raise UnknownUserId("login_hint must be a national identifier (PS_IdNat) or an RPPS") from error


def _binding_message(value: str | None, rules: Rules) -> str | None:
    if value is None:
        if rules.binding_message_required:
            raise InvalidBindingMessage("binding_message is missing: the person compares it with what the service shows")
        return None
    # Nothing that turns the direction of writing or is not seen: printable excludes format and control characters.
    if len(value) > _MAX_BINDING_MESSAGE or not value.isprintable() or not value.strip():
        raise InvalidBindingMessage(f"binding_message must be at most {_MAX_BINDING_MESSAGE} printable characters")
    return value


def _lifetime_seconds(requested: str | None, rules: Rules) -> int:
    if requested is None:
        return rules.backchannel_seconds
    if not re.fullmatch(r"[0-9]{1,9}", requested, re.ASCII) or int(requested) == 0:
        raise InvalidRequest("requested_expiry must be a positive number of seconds")
    return min(int(requested), rules.backchannel_seconds)


def _notification_token(value: str | None, client: Client) -> str | None:
    """§7.1: needed for ping and push, and only there."""
    if client.backchannel_token_delivery_mode == "poll":
        return None
    if value is None or not _BEARER.fullmatch(value):
        raise InvalidRequest("client_notification_token is missing or cannot be sent as a bearer token")
    return value


def _method(channel: str | None, provider: Provider) -> str:
    """The means that the service asks for. By card nobody can answer it yet but the control API of tests."""
    if channel is not None and channel not in _BY_CHANNEL:
        raise InvalidRequest(f"channel must be one of {', '.join(_BY_CHANNEL)}")
    method = _BY_CHANNEL[channel or "MOBILE"]
    if method != "device" and not (provider.control_api and method in provider.methods):
        raise InvalidRequest("channel CARD is not available: nobody here can answer by card; use MOBILE")
    return method


async def _ask(request: Request, provider: Provider, client: Client, asked: _Asked) -> Approval:
    try:
        approval, able = await ask_for_service(
            doors_of(provider),
            client,
            asked.hint,
            origin_of(provider, request),
            ServiceQuestion(
                binding_message=asked.binding_message,
                lifetime=timedelta(seconds=asked.lifetime_seconds),
                scope=asked.scope,
                authorization_details=asked.details,
                method=asked.method,
            ),
        )
    except AuthenticationRefused as refusal:
        seconds = str(refusal.retry_after_seconds or 60)
        raise TooManyAttempts(
            "too many attempts for this person: wait as long as Retry-After says", detail=refusal.detail, headers={"Retry-After": seconds}
        ) from refusal
    if not able and rules_of(client).unknown_user_id_shown:
        raise UnknownUserId("login_hint must name somebody who can answer")
    return approval


async def _answer(provider: Provider, client: Client, asked: _Asked, approval: Approval) -> Response:
    rules = rules_of(client)
    method = provider.methods[asked.method]
    auth_req_id = _new_auth_req_id(provider, client, asked, approval)
    awaited = AwaitedRequest(
        handle_hash=hash_token(auth_req_id),
        client_id=client.client_id,
        scope=asked.scope,
        created_at=approval.requested_at,
        expires_at=approval.expires_at,
        interval_seconds=rules.backchannel_interval_seconds,
        approval_id=approval.id,
        method=asked.method,
        acr=method.acr,
        acr_requested=asked.acr_requested,
        amr=method.amr,
        authorization_details=asked.details,
        notification_token=asked.notification_token,
        notified_handle=auth_req_id if asked.notification_token else None,
    )
    await provider.store.awaited.put(awaited)
    provider.audit.record(
        AuditAction.AUTHORIZATION_REQUESTED,
        Outcome.UNKNOWN,
        {
            "source.ip": approval.source_ip,
            "health.relying_party.id": client.client_id,
            "health.structure.finess": client.structure_finess,
            "health.approval.id": approval.id,
            "health.authentication.method": asked.method,
            "health.grant.type": backchannel.GRANT_TYPE,
            "health.scope": sorted(asked.scope),
        },
    )
    answer = {"auth_req_id": auth_req_id, "expires_in": asked.lifetime_seconds}
    if client.backchannel_token_delivery_mode != "push":
        answer["interval"] = awaited.interval_seconds
    return json_answer(answer)


def _new_auth_req_id(provider: Provider, client: Client, asked: _Asked, approval: Approval) -> str:
    if not rules_of(client).keycloak_handles:
        return new_handle()
    claims = {"typ": "Bearer", "azp": client.client_id, "sub": str(uuid4()), "scope": " ".join(sorted(asked.scope))}
    return new_handle(claims, provider.issuer, approval.requested_at, timedelta(seconds=asked.lifetime_seconds))


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/ext/ciba/auth", authenticate, methods=["POST"])]
