"""Single sign-on sessions and the cookies of a browser.

The cookie of a session and its ``sid`` are different secrets: a token shows ``sid`` to services, the cookie
never leaves the browser and is stored as a hash. Each login starts a new session with a new cookie (no
fixation). A session lasts until idle or its maximum, whichever is first; ``expires_at`` holds the next of the two.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from idp.audit import AuditLog
from idp.clock import Now, ordered_id
from idp.http import Sources, append_cookie, append_watched_cookie, drop_cookie, header
from idp.model import Account, Cause, Client, Initiator, Lifetimes, Session
from idp.profiles import rules_of
from idp.store import Store
from vocabulary.audit import AuditAction, AuditValue, Outcome

#: Longest User-Agent kept, in characters.
_USER_AGENT_LENGTH = 300
_BY_ITSELF = Cause(initiator=Initiator.POLICY, reason="the session was not used any more, or reached its longest time")


class Holder(Protocol):
    """What this module needs of the provider."""

    @property
    def store(self) -> Store:
        """Where sessions live."""
        ...

    @property
    def clock(self) -> Now:
        """The present instant."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Where a start is noted."""
        ...

    @property
    def sources(self) -> Sources:
        """Tells who asks."""
        ...

    @property
    def lifetimes(self) -> Lifetimes:
        """How long a session may last."""
        ...

    @property
    def https(self) -> bool:
        """Decides cookie names and flags."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How, when and from where a person proved who they are, where no request of a browser says it."""

    method: str
    acr: str
    amr: tuple[str, ...]
    at: datetime
    source_ip: str
    user_agent: str
    device_id: str | None


def hash_secret(value: str) -> str:
    """SHA-256 in hex: enough for secrets of 256 random bits, which cannot be guessed."""
    return hashlib.sha256(value.encode()).hexdigest()


def sso_cookie_name(*, https: bool) -> str:
    """``__Host-`` binds the cookie to this host and to TLS; browsers refuse that name on plain http."""
    return "__Host-veilleur_sso" if https else "veilleur_idp_sso"


def login_cookie_name(*, https: bool) -> str:
    """The cookie that binds an interaction to the browser that began it."""
    return "__Host-veilleur_login" if https else "veilleur_idp_login"


def state_cookie_name(*, https: bool) -> str:
    """The cookie that the frame of Session Management looks at: not a secret, and not only for requests."""
    return "__Host-veilleur_state" if https else "veilleur_idp_state"


async def start(
    provider: Holder, request: Request, account: Account, method: str, acr: str, amr: Sequence[str], device_id: str | None
) -> tuple[Session, str]:
    """Begin a session after a proof of identity, audited; returns it with the value of its cookie (see :func:`set_cookie`)."""
    now = provider.clock()
    cookie_value = secrets.token_urlsafe(32)
    session = Session(
        id=ordered_id(now),
        cookie_hash=hash_secret(cookie_value),
        account_id=account.id,
        method=method,
        acr=acr,
        amr=tuple(amr),
        auth_time=now,
        last_used_at=now,
        expires_at=_next_expiry(now, now, provider.lifetimes),
        source_ip=provider.sources(request),
        user_agent=user_agent(request),
        device_id=device_id,
    )
    await _begin(provider.store, provider.audit, session, account)
    return session, cookie_value


async def start_without_browser(store: Store, audit: AuditLog, lifetimes: Lifetimes, account: Account, proof: Proof) -> Session:
    """Begin a session that no browser holds: what a service got by itself is listed, idles out and is revoked like the rest."""
    session = Session(
        id=ordered_id(proof.at),
        cookie_hash=hash_secret(secrets.token_urlsafe(32)),
        account_id=account.id,
        method=proof.method,
        acr=proof.acr,
        amr=proof.amr,
        auth_time=proof.at,
        last_used_at=proof.at,
        expires_at=_next_expiry(proof.at, proof.at, lifetimes),
        source_ip=proof.source_ip,
        user_agent=proof.user_agent,
        device_id=proof.device_id,
    )
    await _begin(store, audit, session, account)
    return session


async def _begin(store: Store, audit: AuditLog, session: Session, account: Account) -> None:
    await store.sessions.put(session)
    audit.record(
        AuditAction.SESSION_STARTED,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id,
            "source.ip": session.source_ip,
            "user_agent.original": session.user_agent,
            "health.session.id": session.id,
            "health.authentication.method": session.method,
            "health.authentication.acr": session.acr,
            "health.authentication.amr": list(session.amr),
            "health.device.id": session.device_id,
        },
    )


def set_cookie(response: Response, session: Session, cookie_value: str, *, https: bool) -> None:
    """Give the browser its session cookie, and the one that services' frames look at; both go when the browser closes."""
    append_cookie(response.headers, sso_cookie_name(https=https), cookie_value, secure=https)
    seen = f"{browser_state(cookie_value)}.{hash_secret(session.id)}"
    append_watched_cookie(response.headers, state_cookie_name(https=https), seen, secure=https)


def clear_cookie(response: Response, *, https: bool) -> None:
    """Make the browser forget its session."""
    for name in (sso_cookie_name(https=https), state_cookie_name(https=https)):
        drop_cookie(response.headers, name, secure=https)


def browser_state(cookie_value: str) -> str:
    """What a script of ours may see of a session's cookie (Session Management §3.2): it changes with it and leads to nothing."""
    return hash_secret(f"browser-state\0{cookie_value}")


def session_state(client: Client, redirect_uri: str, request: Request, session: Session, *, https: bool) -> str | None:
    """The ``session_state`` of an authorization response (Session Management §2), in the form that the client is used to.

    A salted one is worth something only to the client and the origin it was made for. None for an app, which has no origin.
    """
    form = rules_of(client).session_state_parameter
    parts = urlsplit(redirect_uri)
    if form == "keycloak":
        return session.id
    if form == "none" or parts.scheme not in ("http", "https"):
        return None
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    state = browser_state(request.cookies.get(sso_cookie_name(https=https), ""))
    salt = secrets.token_urlsafe(16)
    return f"{hash_secret(f'{client.client_id} {origin} {state} {salt}')}.{salt}"


async def current(provider: Holder, request: Request) -> Session | None:
    """The live session of this browser, if any."""
    value = request.cookies.get(sso_cookie_name(https=provider.https))
    return await provider.store.sessions.find_by_cookie(hash_secret(value), provider.clock()) if value else None


def shows_cookie(request: Request, *, https: bool) -> bool:
    """Whether the request carries a cookie of a session or of a login; a form of another site carries none, whatever the browser keeps."""
    return any(name in request.cookies for name in (sso_cookie_name(https=https), login_cookie_name(https=https)))


def is_watched(request: Request, session_id: str, *, https: bool) -> bool:
    """Whether the frame's cookie of this browser, which forms of other sites carry too, is that of the session."""
    _, _, watched = request.cookies.get(state_cookie_name(https=https), "").partition(".")
    return watched == hash_secret(session_id)


async def touch(store: Store, session: Session, now: datetime, lifetimes: Lifetimes) -> bool:
    """Note a use; false when the session ended meanwhile. Uses within the same minute are not written twice."""
    expires_at = _next_expiry(session.auth_time, now, lifetimes)
    if expires_at - session.expires_at < timedelta(minutes=1):
        return await store.sessions.get(session.id, now) is not None
    return await store.sessions.touch(session, now, expires_at)


async def end_expired(store: Store, audit: AuditLog, now: datetime, lifetimes: Lifetimes) -> int:
    """End the sessions that nobody used any more, or that reached their longest time; the services they reached hear of it."""
    count = 0
    while ended := await store.revocations.end_expired(now, _BY_ITSELF):
        for session in ended:
            account = await store.accounts.get(session.account_id)
            audit.record(AuditAction.SESSION_ENDED, Outcome.SUCCESS, _expired_fields(session, account, lifetimes))
        count += len(ended)
    return count


def _expired_fields(session: Session, account: Account | None, lifetimes: Lifetimes) -> dict[str, AuditValue | None]:
    longest = session.expires_at >= session.auth_time + lifetimes.session_max
    return {
        "user.id": account.national_id if account else None,
        "health.session.id": session.id,
        "health.authentication.method": session.method,
        "health.device.id": session.device_id,
        "event.reason": "the longest time of a session is over" if longest else "not used any more",
    }


def _next_expiry(auth_time: datetime, now: datetime, lifetimes: Lifetimes) -> datetime:
    return min(auth_time + lifetimes.session_max, now + lifetimes.session_idle)


def user_agent(request: Request) -> str:
    """The browser as it names itself, cut to a length a log can bear."""
    return header(request, b"user-agent")[:_USER_AGENT_LENGTH]


def browser_hash(request: Request, *, https: bool) -> str | None:
    """Hash of the login cookie of this browser, to compare with ``Interaction.browser_hash``; None without cookie."""
    value = request.cookies.get(login_cookie_name(https=https))
    return hash_secret(value) if value else None
