"""What is wrong with an installation, or soon will be: each finding says what to do. Nothing is written, made or migrated.

For the operator who is asked at night whether it is the provider: folder, disk, seal key, store, signing keys, audit log, clock, clients,
cards.
"""

import os
import shutil
import sqlite3
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from idp.audit import BrokenLink, verify
from idp.authentication.card_certificate import attribute_oid, read_authorities
from idp.authentication.card_revocation import is_current, read_lists
from idp.compliance import Subject, Verdict, judge, lists_for
from idp.errors import OperationError
from idp.keys import Seal, Token
from idp.keys.ring import PEPPER_NAME, SIGNING_PREFIX
from idp.keys.security_module import ModuleKey
from idp.keys.signing_key import ALGORITHMS, SigningKey
from idp.model import Client
from idp.store import schema
from idp.store.records import Reader

_FREE_WARNING: Final = 2_000_000_000
_FREE_FAULT: Final = 200_000_000
#: A write-ahead log that large means that some reader never lets go.
_LARGE_JOURNAL: Final = 500_000_000
_OLD_KEY: Final = timedelta(days=400)
_CERTIFICATE_WARNING: Final = timedelta(days=21)
_CLOCK_TOLERANCE: Final = timedelta(minutes=1)


class State(StrEnum):
    """How a part is. A fault stops the provider or its promises; a warning will, or weakens them."""

    WELL = "well"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the installation. ``text`` says what was seen, and what to do where something is."""

    part: str
    state: State
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFiles:
    """What the settings say of cards."""

    authorities: Path
    revocations: Path | None
    identifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where to look."""

    folder: Path
    seal_key: Path
    issuer: str
    trusted_proxies: Sequence[str]
    development: bool
    #: That has the signing keys, where one is configured.
    token: Token | None = None
    #: Where people log in by card.
    cards: CardFiles | None = None


def examine(where: Installation, now: datetime) -> Iterator[Finding]:
    """Every part, in the order in which the provider needs them; what rests on a part that is not there is left out."""
    yield _settings(where)
    if where.cards is not None:
        yield from _cards(where.cards, now)
    if not where.folder.is_dir():
        yield Finding("state folder", State.FAULT, f"{where.folder} is not there: run `idp init`, or set IDP_STATE")
        return
    yield _folder(where.folder)
    yield _disk(where.folder)
    seal, finding = _seal(where.seal_key)
    yield finding
    store = where.folder / "idp.sqlite"
    if store.exists():
        yield from _store(store, seal, where, now)
    else:
        yield Finding("store", State.FAULT, f"{store} is not there: run `idp init`, or put the copy of your backup there")
    yield _audit(where.folder / "audit.ndjson", now)


async def reach(issuer: str, metadata_name: str, now: datetime) -> Finding:
    """Whether the provider answers under its own name, as relying parties reach it, and how long its certificate is valid."""
    import httpx

    url = f"{issuer}/.well-known/{metadata_name}"
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client, client.stream("GET", url) as answer:
            expires_at = _certificate_end(answer.extensions["network_stream"])
            document = orjson.loads(await answer.aread())
    except (httpx.HTTPError, orjson.JSONDecodeError) as error:
        return Finding("address", State.FAULT, f"{url} gives no metadata ({error!r}): look at the proxy, its certificate and DNS")
    if answer.status_code != httpx.codes.OK or document.get("issuer") != issuer:
        said = document.get("issuer") if isinstance(document, dict) else document
        return Finding("address", State.FAULT, f"{url} answers {answer.status_code} for issuer {said!r}: relying parties will refuse it")
    if expires_at is not None and expires_at - now < _CERTIFICATE_WARNING:
        return Finding(
            "address", State.WARNING, f"the TLS certificate of {urlsplit(issuer).netloc} ends on {expires_at:%Y-%m-%d}: renew it"
        )
    return Finding(
        "address", State.WELL, f"{url} answers for its issuer" + (f", certificate until {expires_at:%Y-%m-%d}" if expires_at else "")
    )


def _certificate_end(stream: Any) -> datetime | None:
    tls = stream.get_extra_info("ssl_object")
    end = tls.getpeercert().get("notAfter") if tls is not None else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) if end else None


def _settings(where: Installation) -> Finding:
    if where.development:
        return Finding("settings", State.WARNING, "IDP_ENVIRONMENT is development: anyone may approve logins by the control API")
    if not where.trusted_proxies:
        return Finding("settings", State.WARNING, "IDP_TRUSTED_PROXIES is empty: one person's failed attempts limit all behind the proxy")
    return Finding("settings", State.WELL, f"production, issuer {where.issuer}")


def _cards(files: CardFiles, now: datetime) -> Iterator[Finding]:
    """The authorities of cards, and the lists of what they revoked."""
    try:
        attribute_oid(files.identifier)
        authorities = read_authorities(files.authorities)
    except OperationError as error:
        yield Finding("cards", State.FAULT, f"{error}: the provider does not start with it")
        return
    ending = [one for one in authorities if one.not_valid_after_utc - now < _CERTIFICATE_WARNING]
    for one in ending:
        state = State.FAULT if one.not_valid_after_utc < now else State.WARNING
        text = f"the authority {one.subject.rfc4514_string()} ends on {one.not_valid_after_utc:%Y-%m-%d}: put in its successor"
        yield Finding("cards", state, text)
    if not ending:
        yield Finding("cards", State.WELL, f"{len(authorities)} authorities; the identifier is {files.identifier} of the subject")
    yield _revocations(files.revocations, [one.subject.rfc4514_string() for one in authorities if one.issuer != one.subject], now)


def _revocations(path: Path | None, issuers: Sequence[str], now: datetime) -> Finding:
    """``issuers``: authorities under another one, which issue cards more likely than roots do."""
    if path is None:
        return Finding(
            "revoked cards", State.WARNING, "a lost card opens until it ends: fetch the lists, and set IDP_CARD_REVOCATIONS_FILE"
        )
    try:
        lists = read_lists(path)
    except (OSError, ValueError) as error:
        return Finding("revoked cards", State.FAULT, f"{path} cannot be read ({error}): no card is taken; fetch the lists anew")
    stale = [one for one in lists if not is_current(one, now)]
    if stale:
        names = ", ".join(one.issuer.rfc4514_string() for one in stale)
        return Finding("revoked cards", State.FAULT, f"past its nextUpdate: the list of {names}; no card of it is taken, fetch it anew")
    missing = sorted(set(issuers) - {one.issuer.rfc4514_string() for one in lists})
    if missing:
        return Finding("revoked cards", State.WARNING, f"{path} has no list of {missing[0]}: if it issues cards, none of them is taken")
    until = min(one.next_update_utc for one in lists if one.next_update_utc)
    return Finding("revoked cards", State.WELL, f"{len(lists)} lists, current until {until:%Y-%m-%d %H:%M} UTC")


def _folder(folder: Path) -> Finding:
    status = folder.stat()
    if status.st_mode & 0o077:
        return Finding("state folder", State.FAULT, f"other users may read {folder}: chmod 700 {folder}")
    if status.st_uid != os.geteuid():
        return Finding("state folder", State.WARNING, f"{folder} belongs to user {status.st_uid}, this command runs as {os.geteuid()}")
    return Finding("state folder", State.WELL, f"{folder}, its owner's alone")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    state = State.FAULT if free < _FREE_FAULT else State.WARNING if free < _FREE_WARNING else State.WELL
    advice = "" if state is State.WELL else ": free space; no login is answered once the audit log cannot be written"
    return Finding("disk", state, f"{free / 1e9:.1f} GB free{advice}")


def _seal(path: Path) -> tuple[Seal | None, Finding]:
    try:
        return Seal.from_file(path), Finding("seal key", State.WELL, f"{path}; is it in your backup, apart from the store?")
    except OperationError as error:
        return None, Finding("seal key", State.FAULT, str(error))


def _store(path: Path, seal: Seal | None, where: Installation, now: datetime) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            yield _file(path, connection)
            yield _keys(connection, seal, now)
            yield from _module(connection, seal, where.token)
            yield _clients(connection, where.issuer)
    except sqlite3.Error as error:
        yield Finding("store", State.FAULT, f"{path} cannot be read ({error}): restore the last backup, and keep this file for an inquiry")


def _file(path: Path, connection: sqlite3.Connection) -> Finding:
    damage = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    if damage != ["ok"]:
        return Finding("store", State.FAULT, f"{path} is damaged ({damage[0]}): restore the last backup, and keep this file for an inquiry")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(schema.STEPS):
        return Finding("store", State.FAULT, f"{path} was written by a newer version of the provider (schema {version}): install that one")
    if path.stat().st_mode & 0o077:
        return Finding("store", State.FAULT, f"other users may read {path}: chmod 600 {path}")
    if version < len(schema.STEPS):
        return Finding("store", State.WARNING, f"schema {version} of {len(schema.STEPS)}: the next start, or `idp migrate`, brings it up")
    journal = path.with_name(path.name + "-wal")
    if journal.exists() and journal.stat().st_size > _LARGE_JOURNAL:
        return Finding("store", State.WARNING, f"{journal} has {journal.stat().st_size / 1e6:.0f} MB: some process reads without end")
    return Finding("store", State.WELL, f"{path.stat().st_size / 1e6:.1f} MB, sound, schema {version}")


def _keys(connection: sqlite3.Connection, seal: Seal | None, now: datetime) -> Finding:
    if seal is None:
        return Finding("signing keys", State.FAULT, "cannot be opened without the seal key")
    try:
        sealed = {name: seal.open(name, content) for name, content in connection.execute("SELECT name, sealed FROM keys")}
    except OperationError as error:
        return Finding("signing keys", State.FAULT, f"{error}: this seal key is not the one of this store")
    keys = [SigningKey.from_bytes(content) for name, content in sealed.items() if name.startswith(SIGNING_PREFIX)]
    signing = {key.alg: key for key in sorted(keys, key=lambda key: key.active_at) if key.active_at <= now}
    missing = [alg for alg in ALGORITHMS if alg not in signing]
    if missing or PEPPER_NAME not in sealed:
        return Finding("signing keys", State.FAULT, f"none signs with {', '.join(missing) or 'the pepper'}: run `idp init`")
    oldest = min(signing.values(), key=lambda key: key.active_at)
    if now - oldest.active_at > _OLD_KEY:
        return Finding("signing keys", State.WARNING, f"{oldest.alg} signs since {oldest.active_at:%Y-%m-%d}: run `idp keys rotate`")
    return Finding("signing keys", State.WELL, ", ".join(f"{alg} since {key.active_at:%Y-%m-%d}" for alg, key in signing.items()))


def _module(connection: sqlite3.Connection, seal: Seal | None, token: Token | None) -> Iterator[Finding]:
    """The security module, where one is configured or a key says that it is there; the module is asked, and nothing is signed."""
    named = set()
    if seal is not None:
        for name, content in connection.execute("SELECT name, sealed FROM keys"):
            with suppress(OperationError):  # told of above
                held = SigningKey.from_bytes(seal.open(name, content)).private_key if name.startswith(SIGNING_PREFIX) else None
                named |= {held.object_id} if isinstance(held, ModuleKey) else set()
    if token is None:
        if named:
            yield Finding("security module", State.FAULT, f"{len(named)} keys are on a token, and none is set: IDP_PKCS11_MODULE")
        return
    try:
        present = token.object_ids()
    except OperationError as error:
        yield Finding("security module", State.FAULT, f"{error}: no token can be signed until it answers")
        return
    finally:
        token.close()
    if named - present:
        yield Finding(
            "security module", State.FAULT, f"{len(named - present)} of {len(named)} keys are not on the {token.name}: is it the right one?"
        )
    elif not named:
        yield Finding("security module", State.WARNING, f"the {token.name} answers, but keys of before still sign: run `idp keys rotate`")
    elif present - named:
        yield Finding(
            "security module", State.WARNING, f"{len(present - named)} keys on the {token.name} belong to nothing: destroy them there"
        )
    else:
        yield Finding("security module", State.WELL, f"{len(named)} keys on the {token.name}")


def _clients(connection: sqlite3.Connection, issuer: str) -> Finding:
    read = Reader(Client)
    clients = [read(document) for (document,) in connection.execute("SELECT document FROM clients ORDER BY id")]
    if not clients:
        return Finding("clients", State.WARNING, "nobody is registered: `idp apply clients.yaml`")
    wanting = [
        client.client_id
        for client in clients
        if not client.disabled and any(one.verdict is Verdict.NOT_MET for one in judge(Subject(client, issuer), lists_for(client)))
    ]
    if wanting:
        return Finding("clients", State.WARNING, f"{len(wanting)} of {len(clients)} do not meet what is asked: `idp check {wanting[0]}`")
    return Finding("clients", State.WELL, f"{len(clients)}, each meets what is asked of it")


def _audit(path: Path, now: datetime) -> Finding:
    if not path.exists():
        return Finding("audit log", State.WARNING, f"{path} is not there: it begins with the first event")
    if path.stat().st_mode & 0o077:
        return Finding("audit log", State.FAULT, f"other users may read {path}, which names people: chmod 600 {path}")
    count = 0
    for result in verify(path):
        if isinstance(result, BrokenLink):
            return Finding("audit log", State.FAULT, f"{path}:{result.line}: {result.reason}; keep the file, it is evidence")
        count = result
    if count and (ahead := _last_at(path) - now) > _CLOCK_TOLERANCE:
        return Finding("clock", State.FAULT, f"the last audit event is {ahead} ahead of this machine's clock: set the clock by NTP")
    return Finding("audit log", State.WELL, f"{count} events, chain unbroken")


def _last_at(path: Path) -> datetime:
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 65_536))
        last = log.read().splitlines()[-1]
    return datetime.fromisoformat(orjson.loads(last)["@timestamp"])
