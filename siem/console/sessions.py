"""The console's sessions: kept here, known to the browser by a random value of which only the hash is stored.

A session ends when it is idle too long, at its age limit, at logout, or at once when the person's roles are taken away
(they are looked up on every request). Source: OWASP ASVS 5.0 V7.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, Connection, String, Table, Text, delete, insert, select, update

from siem.store.database import Instant, metadata

SESSIONS: Final = Table(
    "console_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("id_token", Text, nullable=False),
    Column("notices", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant, nullable=False),
)

LOGINS: Final = Table(
    "console_logins",
    metadata,
    Column("state_hash", String(64), primary_key=True),
    Column("browser_hash", String(64), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("code_verifier", String(128), nullable=False),
    Column("return_to", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

#: The last use is written at most this often, so that reading a page rarely costs a write.
_TOUCH_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts unused (``idle``) and at most (``age``), and how long a login may take (``login``)."""

    idle: timedelta = timedelta(hours=1)
    age: timedelta = timedelta(hours=12)
    login: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. ``csrf`` goes into every form; ``id_token`` is the hint for logging out at the provider."""

    token_hash: str
    subject: str
    csrf: str
    id_token: str
    notices: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True)
class Login:
    """A login on its way to the provider and back; used once."""

    nonce: str
    code_verifier: str
    return_to: str


def digest(value: str) -> str:
    """SHA-256 in hex: what is stored instead of a cookie's value. The values are random, so no salt is needed."""
    return hashlib.sha256(value.encode()).hexdigest()


def start(connection: Connection, subject: str, id_token: str, now: datetime) -> str:
    """Open a session and return the cookie's value, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    row = {"token_hash": digest(token), "subject": subject, "csrf": secrets.token_urlsafe(24), "id_token": id_token}
    connection.execute(insert(SESSIONS).values(**row, notices="[]", created_at=now, last_used_at=now))
    return token


def find(connection: Connection, token: str, now: datetime, lifetimes: Lifetimes) -> Session | None:
    """The session of a cookie, unless it has ended."""
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.token_hash == digest(token))).one_or_none()
    if row is None or now - row.last_used_at > lifetimes.idle or now - row.created_at > lifetimes.age:
        return None
    values = {**row._mapping, "notices": tuple(json.loads(row.notices))}
    return Session(**values)


def is_open(connection: Connection, session: Session) -> bool:
    """Whether nobody has ended the session meanwhile."""
    return connection.execute(select(SESSIONS.c.subject).where(SESSIONS.c.token_hash == session.token_hash)).first() is not None


def is_stale(session: Session, now: datetime) -> bool:
    """Whether the last use has to be written again."""
    return now - session.last_used_at >= _TOUCH_EVERY


def touch(connection: Connection, session: Session, now: datetime) -> None:
    """Note that the session is in use."""
    connection.execute(update(SESSIONS).where(SESSIONS.c.token_hash == session.token_hash).values(last_used_at=now))


def end(connection: Connection, token_hash: str) -> None:
    """End one session."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.token_hash == token_hash))


def end_of(connection: Connection, subject: str) -> None:
    """End every session of a person."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.subject == subject))


def sweep(connection: Connection, now: datetime, lifetimes: Lifetimes) -> None:
    """Drop what has ended; called at each login, so no timer is needed."""
    connection.execute(
        delete(SESSIONS).where((SESSIONS.c.last_used_at < now - lifetimes.idle) | (SESSIONS.c.created_at < now - lifetimes.age))
    )
    connection.execute(delete(LOGINS).where(LOGINS.c.expires_at < now))


def notify(connection: Connection, session: Session, notice: str) -> None:
    """Say something on the next page this person sees."""
    notices = json.dumps([*session.notices, notice])
    connection.execute(update(SESSIONS).where(SESSIONS.c.token_hash == session.token_hash).values(notices=notices))


def clear_notices(connection: Connection, session: Session) -> None:
    """The notices were shown."""
    connection.execute(update(SESSIONS).where(SESSIONS.c.token_hash == session.token_hash).values(notices="[]"))


def remember_login(connection: Connection, state: str, browser: str, login: Login, expires_at: datetime) -> None:
    """Keep what the way back from the provider is checked against, bound to this browser."""
    row = {"nonce": login.nonce, "code_verifier": login.code_verifier, "return_to": login.return_to}
    connection.execute(insert(LOGINS).values(state_hash=digest(state), browser_hash=digest(browser), expires_at=expires_at, **row))


def take_login(connection: Connection, state: str, browser: str, now: datetime) -> Login | None:
    """The login of this state and this browser, removed so that it works once; None if unknown, foreign or too old."""
    match = (LOGINS.c.state_hash == digest(state)) & (LOGINS.c.browser_hash == digest(browser))
    row = connection.execute(delete(LOGINS).where(match).returning(LOGINS)).one_or_none()
    if row is None or row.expires_at < now:
        return None
    return Login(row.nonce, row.code_verifier, row.return_to)
