"""Pseudonyms: identifiers of people leave the events, and one restricted table can bring them back.

Accounts of Windows and ECS keep their domain, and those of machines and of the system stay as they are, for rules name them. People's
folders in paths are renamed too. A name elsewhere in a command line stays: replacing it would let whoever chooses a name hide a program.

A pseudonym is a keyed hash (HMAC-SHA-256): the same person has the same one everywhere in this watch, and nobody
without the key can try identifiers out. ``P-`` is a professional, ``PAT-`` a patient. Who looks behind one leaves a trace.
"""

import base64
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, Integer, String, Table, Text, insert, select

from siem.access import Permission, Principal
from siem.accounts import homes_renamed, names_home, renamed, sessions_renamed
from siem.errors import DataError, OperationError
from siem.event import FIELDS, Fields, Value
from siem.store.database import Database, Instant, metadata

_KEY_BYTES: Final = 32
_LENGTH: Final = 10
#: Fields that hold identifiers, and how their pseudonyms begin.
_PREFIXES: Final[Mapping[str, str]] = {"user.id": "P-", "health.patient.pseudonym": "PAT-"}
#: Fields of free text that an identifier may have slipped into.
_TEXTS: Final = ("url.original", "url.path", "url.query", "http.request.referrer", "message", "event.reason")
#: An INS (NIR: 13 characters and a two-digit key), written without spaces.
_INS: Final = re.compile(r"[1-478](?<![0-9].)[0-9]{5}[0-9AB][0-9]{8}(?![0-9])")
_CACHE_LIMIT: Final = 500_000

#: Fields that hold an account or its security identifier: names of the event log without spaces, and paths of ECS.
_ACCOUNTS: Final = frozenset(
    {
        *("user", "username", "userid", "usersid", "usercontext", "userprincipalname", "accountname", "accountsid", "samaccountname"),
        *("subjectusername", "subjectusersid", "targetusername", "targetusersid", "targetsid", "targetoutboundusername"),
        *("sourceuser", "targetuser", "parentuser", "membername", "membersid", "clientuser", "clientusername", "clientuserid"),
        *("newtargetusername", "oldtargetusername", "modifyinguser", "remoteuserid", "calleruser", "callerusername", "requester"),
        *("clientsid:", "logonuser", "ownername", "sidhistory", "detectionuser", "remediationuser"),
    }
)
_ACCOUNTS_OF_ECS: Final = re.compile(
    r"(?:.*\.)?user(?:\.(?:target|effective|changes))?\.(?:name|id|email|full_name|identifier)|related\.user|.*\.related\.user"
)
#: Texts in which PowerShell says whose session it was.
_SESSIONS: Final = frozenset({"ContextInfo", "winlog.event_data.ContextInfo", "message"})


@lru_cache(maxsize=16_384)
def _is_account(name: str) -> bool:
    lowered = name.lower()
    return lowered.rpartition(".")[2].replace(" ", "") in _ACCOUNTS or _ACCOUNTS_OF_ECS.fullmatch(lowered) is not None


identities = Table(
    "identities",
    metadata,
    Column("pseudonym", String(16), primary_key=True),
    Column("field", String(64), nullable=False),
    Column("identifier", Text, nullable=False),
)
revelations = Table(
    "identity_revelations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pseudonym", String(16), nullable=False, index=True),
    Column("actor", String(128), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("found", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Revelation:
    """Who looked behind a pseudonym, when and why. ``found`` is false when nobody is known by it."""

    pseudonym: str
    actor: str
    at: datetime
    reason: str
    found: bool


class RevelationRefused(Exception):
    """The person may not look behind pseudonyms, or gave no reason; the text says which."""


class Pseudonyms:
    """Replaces identifiers in events; remembers those met since the last :meth:`committed`, for :meth:`save`."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"the pseudonym key has {len(key)} bytes, {_KEY_BYTES} expected")
        self._key = key
        self._known: dict[tuple[str, str], str] = {}
        self._pending: dict[str, tuple[str, str]] = {}
        self._saved: set[str] = set()

    def enrich(self, fields: Fields) -> None:
        """Replace the identifiers of people, in their fields and where their text shows up in an address."""
        replaced: list[tuple[str, str]] = []
        if not fields.keys() <= FIELDS.keys():
            self._rename_accounts(fields, fields.keys() - FIELDS.keys())
        for field in _PREFIXES:
            identifier = fields.get(field)
            if isinstance(identifier, list):
                fields[field] = pseudonyms = [self.of(field, one) for one in identifier]
                replaced.extend(zip(identifier, pseudonyms, strict=True))
            elif identifier is not None:
                pseudonym = self.of(field, str(identifier))
                fields[field] = pseudonym
                replaced.append((str(identifier), pseudonym))
        texts = [(name, str(fields[name])) for name in _TEXTS if name in fields]
        together = "\n".join([text for _, text in texts])  # most hold none: one look at all of them says so
        if _INS.search(together) or any([identifier in together for identifier, _ in replaced]):  # noqa: C419  # faster for one or two
            for name, _ in texts:
                fields[name] = _each(fields[name], lambda text: self._without_identifiers(text, replaced))

    def _rename_accounts(self, fields: Fields, others: Iterable[str]) -> None:
        """In the fields that a source named itself (and the message, which repeats them): accounts, and folders of people."""
        for name in others:
            value = fields[name]
            if _is_account(name):
                of_one = renamed
            elif type(value) is list or (type(value) is str and names_home(value)):
                of_one = homes_renamed
            else:
                continue
            if type(value) is str:
                fields[name] = of_one(value, self._of_account)
            elif isinstance(value, list):
                fields[name] = [of_one(one, self._of_account) for one in value]
        for name in _SESSIONS.intersection(fields):
            fields[name] = _each(fields[name], lambda text: sessions_renamed(homes_renamed(text, self._of_account), self._of_account))

    def _of_account(self, person: str) -> str:
        return self.of("user.id", person)

    def _without_identifiers(self, text: str, replaced: Sequence[tuple[str, str]]) -> str:
        for identifier, pseudonym in replaced:
            if identifier in text:
                text = text.replace(identifier, pseudonym)
        return _INS.sub(lambda match: self.of("health.patient.pseudonym", match[0]), text)

    def of(self, field: str, identifier: str) -> str:
        """The pseudonym of an identifier found in that field (``user.id`` or ``health.patient.pseudonym``)."""
        known = self._known.get((field, identifier))
        if known is None:
            prefix = _PREFIXES[field]
            digest = hmac.digest(self._key, f"{prefix}{identifier}".encode(), "sha256")
            known = prefix + base64.b32encode(digest[:_LENGTH])[:_LENGTH].decode()
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
                self._saved.clear()
            self._known[field, identifier] = known
        if known not in self._saved:
            self._pending[known] = (field, identifier)
        return known

    def save(self, connection: Connection) -> None:
        """Write the identities met since the last commit into the caller's transaction."""
        if not self._pending:
            return
        names = list(self._pending)
        present: set[str] = set()
        for start in range(0, len(names), 500):
            rows = connection.execute(select(identities.c.pseudonym).where(identities.c.pseudonym.in_(names[start : start + 500])))
            present.update(row.pseudonym for row in rows)
        missing = [
            {"pseudonym": pseudonym, "field": field, "identifier": identifier}
            for pseudonym, (field, identifier) in self._pending.items()
            if pseudonym not in present
        ]
        if missing:
            connection.execute(insert(identities), missing)

    def committed(self) -> None:
        """The transaction of :meth:`save` is on the disk."""
        self._saved.update(self._pending)
        self._pending.clear()


def _each(value: Value, changed: Callable[[str], str]) -> Value:
    """A text changed, or each text of a list."""
    return [changed(one) for one in value] if isinstance(value, list) else changed(str(value))


def resolve(connection: Connection, pseudonym: str) -> str | None:
    """The identifier behind a pseudonym, for an action that must name the person to another system. Leaves no trace by itself."""
    identifier: str | None = connection.execute(select(identities.c.identifier).where(identities.c.pseudonym == pseudonym)).scalar()
    return identifier


def resolver(database: Database) -> Callable[[str], str | None]:
    """The same, for whoever holds no connection."""

    def resolved(pseudonym: str) -> str | None:
        with database.reading() as connection:
            return resolve(connection, pseudonym)

    return resolved


def reveal(connection: Connection, pseudonym: str, principal: Principal, reason: str, at: datetime) -> str | None:
    """The identifier behind a pseudonym, shown to a person; who, when and why is kept in the same transaction.

    Raises RevelationRefused without the permission or without a reason.
    """
    if not principal.may(Permission.REVEAL_IDENTITY):
        raise RevelationRefused("your roles do not allow looking behind a pseudonym")
    if not reason.strip():
        raise RevelationRefused("a reason is required")
    identifier = resolve(connection, pseudonym)
    row = {
        "pseudonym": pseudonym[:16],
        "actor": principal.subject,
        "at": at,
        "reason": reason.strip(),
        "found": int(identifier is not None),
    }
    connection.execute(insert(revelations), row)
    return identifier


def list_revelations(connection: Connection, *, pseudonym: str | None = None, limit: int = 100) -> list[Revelation]:
    """Who looked behind pseudonyms, newest first."""
    statement = select(revelations).order_by(revelations.c.id.desc()).limit(limit)
    if pseudonym is not None:
        statement = statement.where(revelations.c.pseudonym == pseudonym)
    return [Revelation(row.pseudonym, row.actor, row.at, row.reason, bool(row.found)) for row in connection.execute(statement)]


def load_key(path: Path) -> bytes:
    """The key in the file, made on first use, readable by its owner alone.

    Raises DataError when the file holds something else, OperationError when it cannot be read or written. Losing this file
    means that new events get other pseudonyms than old ones.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            part = path.with_suffix(".part")
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        key = path.read_bytes()
    except OSError as error:
        raise OperationError("reading the pseudonym key", f"{path} ({error.strerror})", retry_helps=False) from error
    if len(key) != _KEY_BYTES:
        raise DataError(str(path), 0, "", f"{_KEY_BYTES} bytes expected, it has {len(key)}; bring the file back from a backup")
    return key
