"""The pages where a person lets a device in (RFC 8628 §3.3): type its code, read who asks from where, log in as for any service.

The classic attack is a code sent by somebody far away (§5.4): no session of the browser is enough, the page says where the
device asked from and warns, and the phone asks once more. Guessing codes counts with every other attempt of the address (§5.1).
"""

import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.authentication.limits import admit_address
from idp.authentication.refusal import AuthenticationRefused
from idp.authentication.user_code import hash_user_code, read_user_code
from idp.endpoints.consent import on_day, scope_parts
from idp.endpoints.pages import pages, preferences
from idp.endpoints.visit import Visit, stopped, visit_of
from idp.grants import device_code
from idp.http import append_cookie, counted_network, read_form
from idp.model import Consent, DeviceAuthorization, DeviceAuthorizationState, Interaction
from idp.provider import Provider, provider_of
from idp.sessions import hash_secret, login_cookie_name, user_agent
from vocabulary.audit import AuditAction, AuditValue, Outcome

#: Where a person goes (``verification_uri``): short enough to be typed.
PAGE: Final = "/device"
#: Member of the interaction that holds what the person agreed to, when the service registered itself.
_AGREED: Final = "agreed"
_SCREEN_ZONE: Final = ZoneInfo("Europe/Paris")


def pepper_of(provider: Provider) -> bytes:
    """Secret under which user codes are kept."""
    return provider.keys.pepper("user-code")


async def code_page(request: Request) -> Response:
    """GET: the field for the code; the one in the address is filled in, and still has to be sent by the person (§3.3.1)."""
    given = request.query_params.get("user_code", "")[:16]
    letters = read_user_code(given)
    return _code_page(request, f"{letters[:4]}-{letters[4:]}" if letters else "")


def _code_page(request: Request, user_code: str, *, error: str = "", status: int = 200, minutes: int = 0) -> Response:
    provider = provider_of(request)
    name = login_cookie_name(https=provider.https)
    cookie = request.cookies.get(name, "")
    fresh = "" if len(cookie) >= 43 else secrets.token_urlsafe(32)
    texts = pages().messages(preferences(request).language)
    text = texts(f"device.error.{error}", minutes=minutes) if error else ""
    response = pages().render(request, "device_code.html", status=status, error=text, user_code=user_code, csrf=_csrf(fresh or cookie))
    if fresh:
        append_cookie(response.headers, name, fresh, secure=provider.https)
    return response


def _csrf(cookie: str) -> str:
    return hmac.new(cookie.encode(), b"device-form", hashlib.sha256).hexdigest()


async def take_code(request: Request) -> Response:
    """POST: find what the code stands for, and show it to this browser alone."""
    provider = provider_of(request)
    form = await read_form(request)
    cookie = request.cookies.get(login_cookie_name(https=provider.https), "")
    if not cookie or not hmac.compare_digest(form.get("csrf", "").encode(), _csrf(cookie).encode()):
        return stopped(request, "refused", 403)
    now, typed = provider.clock(), form.get("user_code", "")[:64]
    try:
        await admit_address(provider.store.counters, provider.limits, ip=provider.sources(request), now=now)
    except AuthenticationRefused as refusal:
        seconds = refusal.retry_after_seconds or 60
        _record(request, provider, AuditAction.AUTHORIZATION_REFUSED, None, refusal.detail)
        response = _code_page(request, "", error="limited", status=429, minutes=-(-seconds // 60))
        response.headers["retry-after"] = str(seconds)
        return response
    found = await _find(provider, typed, now)
    if found is None:
        _record(request, provider, AuditAction.AUTHORIZATION_REFUSED, None, "a user code that is unknown, used or expired was typed")
        return _code_page(request, typed[:16], error="unknown", status=422)
    details = found.authorization_details
    interaction = Interaction(
        id=secrets.token_urlsafe(24),
        request={"authorization_details": orjson.dumps(details).decode()} if details else {},
        client_id=found.client_id,
        browser_hash=hash_secret(cookie),
        created_at=now,
        expires_at=min(found.expires_at, now + provider.lifetimes.interaction),
        device_code_hash=found.device_code_hash,
    )
    await provider.store.interactions.put(interaction)
    return RedirectResponse(f"{PAGE}/{interaction.id}", 303)


async def _find(provider: Provider, typed: str, now: datetime) -> DeviceAuthorization | None:
    user_code_hash = hash_user_code(pepper_of(provider), typed)
    return await provider.store.device_codes.find_pending(user_code_hash, now) if user_code_hash else None


async def warn(request: Request) -> Response:
    """GET: which service asks, from where, since when; nothing goes on before the person says that it is theirs."""
    visit, asked = await _asked(request)
    if visit is None or asked is None:
        return stopped(request, "gone", 410)
    place = visit.provider.places(asked.source_ip)
    worded, others = scope_parts(asked.scope)
    return visit.page(
        "device_warning.html",
        asked=asked,
        place=", ".join(part for part in (place.city_name, place.country_iso_code) if part) if place else "",
        elsewhere=counted_network(asked.source_ip) != counted_network(visit.provider.sources(request)),
        asked_at=asked.created_at.astimezone(_SCREEN_ZONE).strftime("%H:%M:%S"),
        registered_on=on_day(visit.client.registered_at),
        worded=worded,
        others=others,
        yes=_yes(visit, asked),
    )


async def decide(request: Request) -> Response:
    """POST: go on to the login, or refuse."""
    visit, asked = await _asked(request)
    if visit is None or asked is None:
        return stopped(request, "gone", 410)
    form = await read_form(request)
    if not visit.is_served_here(form):
        return stopped(request, "refused", 403)
    if form.get("decision") != "continue":
        return await refuse(visit)
    if yes := _yes(visit, asked):
        if not hmac.compare_digest(form.get("yes", "").encode(), yes.encode()):
            return stopped(request, "refused", 403)
        agreed = replace(visit.interaction, request={**visit.interaction.request, _AGREED: yes})
        await visit.provider.store.interactions.put(agreed)
    return RedirectResponse(f"/login/{visit.interaction.id}", 303)


async def finish(request: Request) -> Response:
    """GET, after the login: the device gets the session that it began. Once."""
    visit, asked = await _asked(request)
    session_id = visit.interaction.session_id if visit else None
    if visit is None or session_id is None:
        return stopped(request, "gone", 410)
    provider = visit.provider
    if asked is not None and (yes := _yes(visit, asked)) and visit.interaction.request.get(_AGREED) != yes:
        # The service registered itself, and is no more what the person agreed to; or its page was passed by.
        await provider.store.revocations.revoke_session(session_id, provider.clock())
        return await refuse(visit, "the service is not the one that the page showed")
    settled = asked is not None and await provider.store.device_codes.settle(
        replace(asked, state=DeviceAuthorizationState.APPROVED, session_id=session_id), provider.clock()
    )
    await provider.store.interactions.delete(visit.interaction.id)
    if not settled:
        # Too late: what was begun for the device must not stay behind.
        await provider.store.revocations.revoke_session(session_id, provider.clock())
        return stopped(request, "gone", 410)
    reason = f"a device that asked from {asked.source_ip} was let in" if asked else ""
    _record(request, provider, AuditAction.DEVICE_AUTHORIZATION_GRANTED, visit, reason)
    if asked is not None and visit.client.registered_at is not None:
        await _keep_consent(visit, asked, session_id)
    return visit.page("device_done.html", state="approved")


async def _keep_consent(visit: Visit, asked: DeviceAuthorization, session_id: str) -> None:
    """What the page of the warning showed, so that the person can take it back; the next device is asked about all the same."""
    provider, now = visit.provider, visit.provider.clock()
    session = await provider.store.sessions.get(session_id, now)
    if session is None:
        return
    client, account = visit.client, await provider.store.accounts.get(session.account_id)
    given = Consent(
        account_id=session.account_id,
        client_id=client.client_id,
        client_name=client.client_name,
        place="",
        scope=asked.scope,
        given_at=now,
    )
    if await provider.store.consents.get(given.account_id, given.client_id, now) is None:
        await provider.store.consents.put(given, until=now + provider.lifetimes.consent)
    provider.audit.record(
        AuditAction.CONSENT_GIVEN,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id if account else None,
            "source.ip": provider.sources(visit.request),
            "user_agent.original": user_agent(visit.request),
            "health.relying_party.id": client.client_id,
            "health.session.id": session_id,
            "health.scope": sorted(asked.scope),
        },
    )


def _yes(visit: Visit, asked: DeviceAuthorization) -> str:
    """For a service that registered itself: what only the page that shows it as it is now, in this browser, has. Empty for others."""
    client = visit.client
    if client.registered_at is None:
        return ""
    shown = "\0".join((client.client_id, client.client_name, client.structure_name or "", *sorted(asked.scope)))
    return hmac.new(visit.csrf().encode(), f"consent\0{shown}".encode(), hashlib.sha256).hexdigest()


async def refuse(visit: Visit, reason: str = "") -> Response:
    """The person said no, on the page of the warning or while logging in; or ``reason`` says why it is no."""
    provider, now = visit.provider, visit.provider.clock()
    asked = await provider.store.device_codes.get(visit.interaction.device_code_hash or "")
    if asked is not None:
        await provider.store.device_codes.settle(replace(asked, state=DeviceAuthorizationState.DENIED), now)
    await provider.store.interactions.delete(visit.interaction.id)
    reason = (reason or "the person refused") + (f" (a device that asked from {asked.source_ip})" if asked else "")
    _record(visit.request, provider, AuditAction.DEVICE_AUTHORIZATION_DENIED, visit, reason)
    return visit.page("device_done.html", state="denied")


async def _asked(request: Request) -> tuple[Visit | None, DeviceAuthorization | None]:
    """The visit, if it is a device's, and what the device asked as long as it waits."""
    visit = await visit_of(request)
    if visit is None or visit.interaction.device_code_hash is None:
        return None, None
    asked = await visit.provider.store.device_codes.get(visit.interaction.device_code_hash)
    waits = asked is not None and asked.state is DeviceAuthorizationState.PENDING and asked.expires_at > visit.provider.clock()
    return visit, asked if waits else None


def _record(request: Request, provider: Provider, action: AuditAction, visit: Visit | None, reason: str) -> None:
    fields: dict[str, AuditValue | None] = {
        "event.reason": reason,
        "source.ip": provider.sources(request),
        "user_agent.original": user_agent(request),
        "health.grant.type": device_code.GRANT_TYPE,
    }
    if visit is not None:
        fields |= {
            "health.relying_party.id": visit.client.client_id,
            "health.structure.finess": visit.client.structure_finess,
            "health.session.id": visit.interaction.session_id,
        }
    granted = action is AuditAction.DEVICE_AUTHORIZATION_GRANTED
    provider.audit.record(action, Outcome.SUCCESS if granted else Outcome.FAILURE, fields)


routes: list[BaseRoute] = [
    Route(PAGE, code_page, methods=["GET"]),
    Route(PAGE, take_code, methods=["POST"]),
    Route(f"{PAGE}/{{interaction_id}}", warn, methods=["GET"]),
    Route(f"{PAGE}/{{interaction_id}}", decide, methods=["POST"]),
    Route(f"{PAGE}/{{interaction_id}}/done", finish, methods=["GET"]),
]
