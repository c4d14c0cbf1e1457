"""The end of a session as its person sees it: which services are told and which cannot be, what stays valid until when, the way back.

Services that registered ``frontchannel_logout_uri`` are told by frames of this page (Front-Channel Logout §3). The frames may reach those
addresses and nothing else, and cannot take the page elsewhere. A browser that keeps cookies from frames of other sites makes them blind:
what a service must be sure to hear goes by the back channel.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp.endpoints.pages import pages
from idp.http import content_security_policy, source_of_policy
from idp.model import Account, Cause, Client, Revocation, Session
from idp.provider import Provider
from idp.sessions import clear_cookie, user_agent
from vocabulary.audit import AuditAction, AuditValue, Outcome

SCREEN_ZONE: Final = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True, kw_only=True)
class Farewell:
    """What the end of a session means for the services it reached."""

    session_id: str
    services: Sequence[Client] = ()
    #: Identifiers of those that this browser visited, which alone can be told by frames; None for all of them.
    framed: frozenset[str] | None = None
    #: When the last access token that was issued can no longer be accepted, even by a service that checks it by itself.
    valid_until: datetime | None = None


async def end_session(request: Request, provider: Provider, session_id: str, cause: Cause, client: Client | None = None) -> Farewell:
    """End a session that lives, or that services remember; ``client`` is the service that asked for it."""
    store, now = provider.store, provider.clock()
    session = await store.sessions.get(session_id, now)
    visits = await store.sessions.visits_of_session(session_id, now)
    ended = await store.revocations.revoke_session(session_id, now, cause)
    if session is not None:
        account = await store.accounts.get(session.account_id)
        fields = end_fields(request, provider, account, session, ended)
        provider.audit.record(
            AuditAction.SESSION_ENDED, Outcome.SUCCESS, fields | {"health.relying_party.id": client.client_id if client else None}
        )
    found = await asyncio.gather(*(store.clients.get(visit.client_id) for visit in visits))
    services = [service for service in found if service is not None and not service.disabled]
    return Farewell(session_id=session_id, services=services, valid_until=last_moment(now, ended.residual))


def last_moment(now: datetime, residual: timedelta) -> datetime | None:
    """Until when something stays valid; None when nothing does."""
    return now + residual if residual else None


def end_fields(
    request: Request, provider: Provider, account: Account | None, session: Session, ended: Revocation
) -> dict[str, AuditValue | None]:
    """What the audit log says of a session that a person ended."""
    return {
        "user.id": account.national_id if account else None,
        "source.ip": provider.sources(request),
        "user_agent.original": user_agent(request),
        "health.session.id": session.id,
        "health.revoked.count": ended.grant_count,
        "health.residual.seconds": int(ended.residual.total_seconds()),
    }


def say_nothing_ended(request: Request, target: str | None) -> Response:
    """For a browser without a session: back to ``target``, or a page that claims no end. Cookies stay as they are."""
    return RedirectResponse(target, 303) if target else pages().render(request, "not_logged_in.html")


def say_farewell(request: Request, provider: Provider, farewell: Farewell, target: str | None = None, *, forget: bool = True) -> Response:
    """Back to ``target``, by way of our page when services are told by frames; ``forget``: this browser's session is the one that ended."""
    framed = [
        client
        for client in farewell.services
        if client.frontchannel_logout_uri and (farewell.framed is None or client.client_id in farewell.framed)
    ]
    told = [client for client in farewell.services if client.backchannel_logout_uri or client in framed]
    frames = [_frame(client, provider.issuer, farewell.session_id) for client in framed]
    response: Response
    if target and not frames:
        response = RedirectResponse(target, 303)
    else:
        response = pages().render(
            request,
            "logged_out.html",
            frames=frames,
            target=target,
            told=sorted(client.client_name for client in told),
            untold=sorted(client.client_name for client in farewell.services if client not in told),
            valid_until=screen_time(farewell.valid_until),
        )
        response.headers["content-security-policy"] = content_security_policy(frame_src=[source_of_policy(frame) for frame in frames])
    if forget:
        clear_cookie(response, https=provider.https)
    return response


def _frame(client: Client, issuer: str, session_id: str) -> str:
    """The registered address with ``iss`` and ``sid`` (Front-Channel Logout §3)."""
    uri = client.frontchannel_logout_uri or ""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': issuer, 'sid': session_id})}"


def screen_time(at: datetime | None) -> str | None:
    """An instant as a clock on the wall of the establishment shows it."""
    return at.astimezone(SCREEN_ZONE).strftime("%H:%M:%S") if at else None
