"""A person's own page: where they are logged in, on what, since when, which services it reached; ending one session, or everything.

A session of this browser opens the page, and nothing more is asked: what can be done here takes access away and gives none. Each form
carries a token that only this browser has. Whose session it is decides; another's is as if it were not there.
"""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.devices_seen import device_name, place_name
from idp.endpoints.logged_out import SCREEN_ZONE, Farewell, end_fields, end_session, last_moment, say_farewell, screen_time
from idp.endpoints.own_client import SESSIONS, login_path
from idp.endpoints.pages import Messages, pages, preferences
from idp.endpoints.visit import stopped
from idp.http import read_form
from idp.model import Cause, Client, DeliveryKind, Initiator, Session, Visit
from idp.provider import Provider, provider_of
from idp.sessions import current, hash_secret, user_agent
from vocabulary.audit import AuditAction, Outcome

_BY_THE_PERSON = Cause(initiator=Initiator.USER, reason="the person closed it on their page of sessions")
_WITHDRAWN = Cause(initiator=Initiator.USER, reason="the person took back what they agreed to")


_NOTICES_SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionShown:
    """One session in words of the reader's language."""

    id: str
    here: bool
    device: str
    user_agent: str
    place: str
    address: str
    means: str
    since: str
    last_used: str
    services: Sequence[str]


async def show(request: Request) -> Response:
    """GET: the person's sessions, after a login where this browser has none."""
    provider = provider_of(request)
    mine = await current(provider, request)
    return await _page(request, provider, mine) if mine else RedirectResponse(login_path(provider.base_url, SESSIONS), 303)


async def come_back(request: Request) -> Response:
    """GET, from the authorization endpoint: to the list, or to a page when the person cancelled."""
    return stopped(request, "gone", 200) if "error" in request.query_params else RedirectResponse("/sessions", 303)


async def end_one(request: Request) -> Response:
    """POST: end one session of this person. One's own is a logout."""
    provider = provider_of(request)
    mine = await _proved(request, provider)
    if mine is None:
        return stopped(request, "refused", 403)
    session_id = request.path_params["session_id"]
    if session_id == mine.id:
        return say_farewell(request, provider, await end_session(request, provider, mine.id, _BY_THE_PERSON))
    found = await provider.store.sessions.get(session_id, provider.clock())
    if found is None or found.account_id != mine.account_id:
        return await _page(request, provider, mine, status=404, ended="nothing")
    farewell = await end_session(request, provider, found.id, _BY_THE_PERSON)
    return await _page(request, provider, mine, ended="one", valid_until=farewell.valid_until)


async def end_all(request: Request) -> Response:
    """POST: end everything, this session last; services of other browsers are told by the back channel alone."""
    provider = provider_of(request)
    mine = await _proved(request, provider)
    if mine is None:
        return stopped(request, "refused", 403)
    store, now = provider.store, provider.clock()
    account = await store.accounts.get(mine.account_id)
    sessions = await store.sessions.of_account(mine.account_id, now)
    visits = await store.sessions.visits(mine.account_id, now)
    services = await _clients(provider, visits)
    ended = await store.revocations.revoke_account(mine.account_id, now, _BY_THE_PERSON)
    for session in sessions:
        provider.audit.record(AuditAction.SESSION_ENDED, Outcome.SUCCESS, end_fields(request, provider, account, session, ended))
    here = [visit.client_id for visit in visits if visit.session_id == mine.id]
    farewell = Farewell(
        session_id=mine.id,
        services=[client for client in services.values() if not client.disabled],
        framed=frozenset(here),
        valid_until=last_moment(now, ended.residual),
    )
    return say_farewell(request, provider, farewell)


async def withdraw(request: Request) -> Response:
    """POST: take back the yes given to a service that registered itself, and end what it got by it."""
    provider = provider_of(request)
    mine = await _proved(request, provider)
    if mine is None:
        return stopped(request, "refused", 403)
    store, now, client_id = provider.store, provider.clock(), request.path_params["client_id"]
    if not await store.consents.withdraw(mine.account_id, client_id):
        return await _page(request, provider, mine, status=404, ended="consent_nothing")
    grants = [grant for grant in await store.revocations.live_grants(mine.account_id, now) if grant.client_id == client_id]
    await asyncio.gather(*(store.tokens.revoke_grant(grant.id, now, _WITHDRAWN) for grant in grants))
    account = await store.accounts.get(mine.account_id)
    provider.audit.record(
        AuditAction.CONSENT_WITHDRAWN,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id if account else None,
            "source.ip": provider.sources(request),
            "user_agent.original": user_agent(request),
            "health.relying_party.id": client_id,
            "health.session.id": mine.id,
            "health.revoked.count": len(grants),
        },
    )
    return await _page(request, provider, mine, ended="consent")


async def _proved(request: Request, provider: Provider) -> Session | None:
    """The session of this browser, when the form comes from the page that it was shown."""
    mine = await current(provider, request)
    form = await read_form(request)
    given = form.get("csrf", "").encode()
    return mine if mine and hmac.compare_digest(given, _csrf(mine).encode()) else None


def _csrf(mine: Session) -> str:
    return hash_secret(f"sessions\0{mine.cookie_hash}")


async def _page(
    request: Request, provider: Provider, mine: Session, *, status: int = 200, ended: str = "", valid_until: datetime | None = None
) -> Response:
    store, now = provider.store, provider.clock()
    texts = pages().messages(preferences(request).language)
    sessions = await store.sessions.of_account(mine.account_id, now)
    visits = await store.sessions.visits(mine.account_id, now)
    clients = await _clients(provider, visits)
    phones = {device.id: device.name for device in await store.devices.of_account(mine.account_id)}
    newest = sorted(sessions, key=lambda session: (session.id != mine.id, -session.last_used_at.timestamp()))
    return pages().render(
        request,
        "my_sessions.html",
        status=status,
        here="/sessions",
        sessions=[_shown(session, mine, provider, visits, clients, phones, texts) for session in newest],
        consents=await _consents(provider, mine, texts),
        notices=await _notices(provider, mine, texts),
        csrf=_csrf(mine),
        ended=ended,
        ended_until=screen_time(valid_until),
        valid_until=screen_time(last_moment(now, await store.revocations.residual(mine.account_id, now))),
    )


def _shown(
    session: Session,
    mine: Session,
    provider: Provider,
    visits: Sequence[Visit],
    clients: Mapping[str, Client],
    phones: Mapping[str, str],
    texts: Messages,
) -> SessionShown:
    reached = [clients[visit.client_id].client_name for visit in visits if visit.session_id == session.id and visit.client_id in clients]
    return SessionShown(
        id=session.id,
        here=session.id == mine.id,
        device=device_name(session.user_agent, texts.texts["phone.browser.on"], texts("phone.browser.unknown")),
        user_agent=session.user_agent,
        place=place_name(provider.places, session.source_ip, texts("phone.question.place_unknown")),
        address=session.source_ip,
        means=means_name(session.method, phones.get(session.device_id or ""), texts),
        since=moment(session.auth_time, texts),
        last_used=moment(session.last_used_at, texts),
        services=reached,
    )


def means_name(method: str, phone: str | None, texts: Messages) -> str:
    """By which means a session began, and with which phone, as a person calls it."""
    if method == "certificate":
        return texts("sessions.means.card")
    return texts("sessions.means.phone", name=phone) if phone else texts("sessions.means.other")


async def _clients(provider: Provider, visits: Sequence[Visit]) -> dict[str, Client]:
    found = {visit.client_id: await provider.store.clients.get(visit.client_id) for visit in visits}
    return {client_id: client for client_id, client in found.items() if client is not None}


async def _consents(provider: Provider, mine: Session, texts: Messages) -> list[Mapping[str, str]]:
    """Services that registered themselves and this person agreed to."""
    given = await provider.store.consents.of_account(mine.account_id, provider.clock())
    return [
        {
            "client_id": one.client_id,
            "service": one.client_name,
            "place": one.place or texts("sessions.consents.by_phone"),
            "since": moment(one.given_at, texts),
        }
        for one in given
    ]


async def _notices(provider: Provider, mine: Session, texts: Messages) -> list[Mapping[str, str]]:
    """Services that were told, or are still to be told, that a session has ended; of the last days."""
    told = await provider.store.deliveries.of_account(mine.account_id, provider.clock())
    shown: list[Mapping[str, str]] = []
    for delivery in told[:_NOTICES_SHOWN]:
        client = await provider.store.clients.get(delivery.recipient) if delivery.kind is DeliveryKind.BACKCHANNEL_LOGOUT else None
        if client is not None:
            at = moment(delivery.settled_at or delivery.created_at, texts)
            shown.append({"service": client.client_name, "state": delivery.state, "at": at})
    return shown


def moment(at: datetime, texts: Messages) -> str:
    """Day and time on the wall of the establishment: ``22 nov. 2026, 21:00``."""
    local = at.astimezone(SCREEN_ZONE)
    return f"{local.day} {texts('dates.months').split()[local.month - 1]} {local.year}, {local:%H:%M}"


routes: list[BaseRoute] = [
    Route("/sessions", show, methods=["GET"]),
    Route("/sessions", end_all, methods=["POST"]),
    Route(SESSIONS.return_path, come_back, methods=["GET"]),
    Route("/sessions/{session_id}/end", end_one, methods=["POST"]),
    Route("/sessions/services/{client_id}/withdraw", withdraw, methods=["POST"]),
]
