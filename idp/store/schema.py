"""The SQLite schema, as an ordered list of steps; ``PRAGMA user_version`` says how many a file has taken.

A step, once released, is never changed. A record's own members live in ``document`` (see
:mod:`idp.store.records`); what is searched, joined or updated alone has its column. Instants are integers:
microseconds since 1970, UTC.
"""

import sqlite3
from typing import Final

from idp.errors import OperationError

_FIRST = """
CREATE TABLE clients (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (id TEXT PRIMARY KEY, national_id TEXT UNIQUE, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE devices (id TEXT PRIMARY KEY, account_id TEXT NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX devices_of_account ON devices (account_id);
CREATE TABLE enrolments (code_hash TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE interactions (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE approvals (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL, requested_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    pending INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX approvals_pending ON approvals (account_id, requested_at) WHERE pending = 1;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, cookie_hash TEXT NOT NULL UNIQUE, account_id TEXT NOT NULL, expires_at INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_of_account ON sessions (account_id);
CREATE TABLE codes (
    code_hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, consumed INTEGER NOT NULL DEFAULT 0, expires_at INTEGER NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE grants (
    id TEXT PRIMARY KEY, account_id TEXT, session_id TEXT, revoked_at INTEGER, last_expires_at INTEGER NOT NULL, document BLOB
) WITHOUT ROWID;
CREATE INDEX grants_of_account ON grants (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX grants_of_session ON grants (session_id) WHERE session_id IS NOT NULL;
CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, expires_at INTEGER NOT NULL, rotated_at INTEGER
) WITHOUT ROWID;
CREATE TABLE access_tokens (
    jti TEXT PRIMARY KEY, grant_id TEXT NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER, document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX access_tokens_of_grant ON access_tokens (grant_id);
CREATE TABLE remembered (key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counted (key TEXT NOT NULL, at INTEGER NOT NULL, expires_at INTEGER NOT NULL);
CREATE INDEX counted_by_key ON counted (key, at);
CREATE TABLE answers (key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (position INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL);
"""

_AWAITED = """
CREATE TABLE awaited (
    handle_hash TEXT PRIMARY KEY, approval_id TEXT, to_notify INTEGER NOT NULL, consumed INTEGER NOT NULL DEFAULT 0,
    polled_at INTEGER, interval INTEGER NOT NULL, valid_until INTEGER NOT NULL, expires_at INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX awaited_to_notify ON awaited (approval_id) WHERE to_notify = 1;
"""

_PUSHED = """
CREATE TABLE pushed_requests (
    request_hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, expires_at INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
"""

_DEVICE_CODES = """
CREATE TABLE device_codes (
    device_code_hash TEXT PRIMARY KEY, user_code_hash TEXT NOT NULL UNIQUE, state TEXT NOT NULL, consumed INTEGER NOT NULL DEFAULT 0,
    polled_at INTEGER, interval INTEGER NOT NULL, valid_until INTEGER NOT NULL, expires_at INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
"""
_SIGNALS = """
CREATE TABLE visits (
    session_id TEXT NOT NULL, client_id TEXT NOT NULL, account_id TEXT NOT NULL, last_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, client_id)
) WITHOUT ROWID;
CREATE INDEX visits_of_account ON visits (account_id);
CREATE TABLE signals (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, recipient TEXT NOT NULL, account_id TEXT, state TEXT NOT NULL, due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_held ON deliveries (recipient) WHERE state = 'held';
CREATE INDEX deliveries_of_account ON deliveries (account_id) WHERE account_id IS NOT NULL;
"""

_INITIAL_TOKENS = """
CREATE TABLE initial_tokens (
    token_hash TEXT PRIMARY KEY, uses_left INTEGER NOT NULL, expires_at INTEGER NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
"""
_STREAMS = """
CREATE TABLE streams (id TEXT PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, document BLOB NOT NULL) WITHOUT ROWID;
"""

_REPEATED_ANSWERS = """
ALTER TABLE refresh_tokens ADD COLUMN answer BLOB;
"""

_DENIED_TOKENS = """
CREATE TABLE denied_tokens (jti TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
"""

_REFUSALS = """
CREATE TABLE refusals (
    reference TEXT PRIMARY KEY, client_id TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX refusals_of_client ON refusals (client_id, at);
"""

_ANSWERED_ONCE = """
ALTER TABLE pushed_requests ADD COLUMN browser_hash TEXT;
ALTER TABLE pushed_requests ADD COLUMN valid_until INTEGER NOT NULL DEFAULT 0;
UPDATE pushed_requests SET valid_until = expires_at;
"""

_REFRESH_ISSUED = """
ALTER TABLE refresh_tokens ADD COLUMN issued_at INTEGER;
"""

_CONSENTS = """
CREATE TABLE consents (
    account_id TEXT NOT NULL, client_id TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (account_id, client_id)
) WITHOUT ROWID;
CREATE INDEX consents_of_client ON consents (client_id);
"""

#: A yes from before lasts a year from now on: when it was given stands in its document alone.
_CONSENTS_END = """
ALTER TABLE consents ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
UPDATE consents SET expires_at = (CAST(strftime('%s', 'now') AS INTEGER) + 365 * 86400) * 1000000;
"""

#: Steps in order; append only.
STEPS: Final[tuple[str, ...]] = (
    _FIRST,
    _AWAITED,
    _PUSHED,
    _DEVICE_CODES,
    _SIGNALS,
    _INITIAL_TOKENS,
    _STREAMS,
    _REPEATED_ANSWERS,
    _DENIED_TOKENS,
    _REFUSALS,
    _ANSWERED_ONCE,
    _REFRESH_ISSUED,
    _CONSENTS,
    _CONSENTS_END,
)

#: Tables whose rows go once ``expires_at`` has passed (grants have ``last_expires_at``, approvals stay an hour longer).
#: Sessions are not among them: their end is told (:meth:`idp.store.RevocationStore.end_expired`).
EXPIRING: Final[tuple[str, ...]] = (
    "initial_tokens",
    "enrolments",
    "interactions",
    "pushed_requests",
    "codes",
    "awaited",
    "device_codes",
    "refresh_tokens",
    "access_tokens",
    "denied_tokens",
    "remembered",
    "counted",
    "answers",
    "visits",
    "deliveries",
    "refusals",
    "consents",
)


def migrate(connection: sqlite3.Connection, path: str) -> int:
    """Take the steps that the file lacks, each in its transaction; returns how many were taken.

    Raises :class:`OperationError` when the file was written by a later version of this program.
    """
    taken = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if taken > len(STEPS):
        raise OperationError(f"opening a store of schema {taken} (this program knows {len(STEPS)})", path, retry_helps=False)
    for number, step in enumerate(STEPS[taken:], start=taken + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;")
    return len(STEPS) - taken
