"""Codes, grants, tokens and their revocation on SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from idp.model import BY_SYSTEM, AccessTokenRecord, AuthorizationCode, Cause, Grant, RefreshToken, Revocation, Session
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_signals import note_visit, signal_expired, signal_grant, signal_sessions
from idp.store.sqlite_time import from_microseconds, microseconds

#: A consumed code is remembered this long after its expiry, so that a late replay still revokes (RFC 9700 §4.5).
_CODE_MEMORY = timedelta(hours=12)
#: Sessions that end by themselves in one transaction; the rest have their turn in the next.
_ENDED_AT_ONCE = 200


class SqliteCodeStore:
    """Keeps the promises of :class:`idp.store.CodeStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_code = Reader(AuthorizationCode)

    async def put(self, code: AuthorizationCode) -> None:
        row = (code.code_hash, code.grant_id, 0, microseconds(code.expires_at + _CODE_MEMORY), to_bytes(code))
        await self._file.note(lambda connection: connection.execute("INSERT INTO codes VALUES (?, ?, ?, ?, ?)", row))

    async def consume(self, code_hash: str, now: datetime) -> AuthorizationCode | None:
        def consume(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(
                "UPDATE codes SET consumed = 1 WHERE code_hash = ? AND consumed = 0 AND expires_at > ? RETURNING document",
                (code_hash, microseconds(now + _CODE_MEMORY)),
            ).fetchone()
            return row[0] if row else None

        document = await self._file.note(consume)
        return self._read_code(document) if document else None

    async def consumed_grant(self, code_hash: str) -> str | None:
        row = self._file.read("SELECT grant_id FROM codes WHERE code_hash = ? AND consumed = 1", (code_hash,)).fetchone()
        return row[0] if row else None


class SqliteTokenStore:
    """Keeps the promises of :class:`idp.store.TokenStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_grant = Reader(Grant)
        self._read_access_token = Reader(AccessTokenRecord)

    async def start_grant(self, grant: Grant, access_token: AccessTokenRecord, refresh_token: RefreshToken | None) -> None:
        last_expires_at = max(access_token.expires_at, refresh_token.expires_at if refresh_token else access_token.expires_at)
        document = to_bytes(grant)

        def start(connection: sqlite3.Connection) -> None:
            # A session that ended since the code was issued gives a grant that is dead from birth; and a grant revoked
            # by a replay of its code before it began (a tombstone) stays revoked.
            revoked_at = microseconds(grant.created_at) if grant.session_id and not _exists(connection, grant.session_id) else None
            connection.execute(
                "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id, "
                "session_id = excluded.session_id, last_expires_at = excluded.last_expires_at, document = excluded.document",
                (grant.id, grant.account_id, grant.session_id, revoked_at, microseconds(last_expires_at), document),
            )
            _insert_access_token(connection, access_token)
            if refresh_token:
                _insert_refresh_token(connection, refresh_token)
            note_visit(connection, grant)

        await self._file.write(start)

    async def get_grant(self, grant_id: str) -> Grant | None:
        row = self._file.read("SELECT document, revoked_at FROM grants WHERE id = ? AND document IS NOT NULL", (grant_id,)).fetchone()
        if row is None:
            return None
        grant = self._read_grant(row[0])
        if row[1] is None:
            return grant
        return Grant(**{**{name: getattr(grant, name) for name in Grant.__slots__}, "revoked_at": from_microseconds(row[1])})

    async def get_access_token(self, jti: str, now: datetime) -> AccessTokenRecord | None:
        row = self._file.read(
            "SELECT a.document FROM access_tokens a JOIN grants g ON g.id = a.grant_id "
            "WHERE a.jti = ? AND a.expires_at > ? AND a.revoked_at IS NULL AND g.revoked_at IS NULL",
            (jti, microseconds(now)),
        ).fetchone()
        return self._read_access_token(row[0]) if row else None

    async def get_refresh_token(self, token_hash: str) -> RefreshToken | None:
        row = self._file.read(
            "SELECT grant_id, expires_at, rotated_at, answer, issued_at FROM refresh_tokens WHERE token_hash = ?", (token_hash,)
        ).fetchone()
        if row is None:
            return None
        grant_id, expires_at, rotated_at, answer, issued_at = row
        return RefreshToken(
            token_hash=token_hash,
            grant_id=grant_id,
            expires_at=from_microseconds(expires_at),
            rotated_at=None if rotated_at is None else from_microseconds(rotated_at),
            answer=answer,
            issued_at=None if issued_at is None else from_microseconds(issued_at),
        )

    async def rotate(
        self, token_hash: str, successor: RefreshToken, access_token: AccessTokenRecord, now: datetime, *, answer: bytes | None = None
    ) -> bool:
        def rotate(connection: sqlite3.Connection) -> bool:
            # The rotated one stays as long as the family can live, so that its replay is recognised.
            changed = connection.execute(
                "UPDATE refresh_tokens SET rotated_at = ?, answer = ?, expires_at = max(expires_at, ?) WHERE token_hash = ? "
                "AND rotated_at IS NULL AND EXISTS (SELECT 1 FROM grants WHERE id = grant_id AND revoked_at IS NULL)",
                (microseconds(now), answer, microseconds(successor.expires_at), token_hash),
            )
            if changed.rowcount != 1:
                return False
            _insert_refresh_token(connection, successor)
            _insert_access_token(connection, access_token)
            connection.execute(
                "UPDATE grants SET last_expires_at = max(last_expires_at, ?) WHERE id = ?",
                (microseconds(max(successor.expires_at, access_token.expires_at)), successor.grant_id),
            )
            return True

        return await self._file.write(rotate)

    async def reuse(self, token_hash: str, access_token: AccessTokenRecord, *, until: datetime) -> bool:
        at = microseconds(until)

        def reuse(connection: sqlite3.Connection) -> bool:
            prolonged = connection.execute(
                "UPDATE refresh_tokens SET expires_at = max(expires_at, ?) WHERE token_hash = ? AND rotated_at IS NULL "
                "AND EXISTS (SELECT 1 FROM grants WHERE id = grant_id AND revoked_at IS NULL)",
                (at, token_hash),
            )
            if prolonged.rowcount != 1:
                return False
            _insert_access_token(connection, access_token)
            connection.execute("UPDATE grants SET last_expires_at = max(last_expires_at, ?) WHERE id = ?", (at, access_token.grant_id))
            return True

        return await self._file.write(reuse)

    async def add_access_token(self, access_token: AccessTokenRecord) -> None:
        await self._file.write(lambda connection: _insert_access_token(connection, access_token))

    async def revoke_access_token(self, jti: str, now: datetime, *, expires_at: datetime) -> None:
        """End one access token; its grant lives on."""

        def revoke(connection: sqlite3.Connection) -> None:
            stored = connection.execute(
                "UPDATE access_tokens SET revoked_at = coalesce(revoked_at, ?) WHERE jti = ?", (microseconds(now), jti)
            )
            if not stored.rowcount:
                connection.execute("INSERT OR IGNORE INTO denied_tokens VALUES (?, ?)", (jti, microseconds(expires_at)))

        await self._file.write(revoke)

    async def is_denied(self, jti: str) -> bool:
        return self._file.read("SELECT 1 FROM denied_tokens WHERE jti = ?", (jti,)).fetchone() is not None

    async def revoke_grant(self, grant_id: str, now: datetime, cause: Cause | None = None) -> None:
        at = microseconds(now)

        def revoke(connection: sqlite3.Connection) -> None:
            if cause is not None:
                signal_grant(connection, grant_id, now, cause)
            connection.execute(
                "INSERT INTO grants (id, revoked_at, last_expires_at) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET revoked_at = coalesce(revoked_at, excluded.revoked_at)",
                (grant_id, at, microseconds(now + _CODE_MEMORY)),
            )

        await self._file.write(revoke)


class SqliteRevocationStore:
    """Keeps the promises of :class:`idp.store.RevocationStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_grant = Reader(Grant)
        self._read_session = Reader(Session)

    async def revoke_session(self, session_id: str, now: datetime, cause: Cause = BY_SYSTEM) -> Revocation:
        def revoke(connection: sqlite3.Connection) -> Revocation:
            signal_sessions(connection, "session_id", "id", session_id, now, cause)
            return _revoke(connection, "session_id", "id", session_id, now)

        return await self._file.write(revoke)

    async def revoke_account(self, account_id: str, now: datetime, cause: Cause = BY_SYSTEM) -> Revocation:
        def revoke(connection: sqlite3.Connection) -> Revocation:
            signal_sessions(connection, "account_id", "account_id", account_id, now, cause)
            # What the person has approved and no service has fetched yet goes too.
            connection.execute("DELETE FROM awaited WHERE approval_id IN (SELECT id FROM approvals WHERE account_id = ?)", (account_id,))
            return _revoke(connection, "account_id", "account_id", account_id, now)

        return await self._file.write(revoke)

    async def end_expired(self, now: datetime, cause: Cause) -> Sequence[Session]:
        at = microseconds(now)

        def end(connection: sqlite3.Connection) -> list[bytes]:
            rows = connection.execute("SELECT id, document FROM sessions WHERE expires_at <= ? LIMIT ?", (at, _ENDED_AT_ONCE)).fetchall()
            for session_id, _ in rows:
                signal_expired(connection, session_id, now, cause)
                _revoke(connection, "session_id", "id", session_id, now)
            return [document for _, document in rows]

        return [self._read_session(document) for document in await self._file.write(end)]

    async def live_grants(self, account_id: str, now: datetime) -> Sequence[Grant]:
        rows = self._file.read(
            "SELECT document FROM grants WHERE account_id = ? AND revoked_at IS NULL AND last_expires_at > ? AND document IS NOT NULL",
            (account_id, microseconds(now)),
        )
        return sorted((self._read_grant(document) for (document,) in rows), key=lambda grant: grant.created_at)

    async def residual(self, account_id: str, now: datetime) -> timedelta:
        (last,) = self._file.read(
            "SELECT max(a.expires_at) FROM access_tokens a JOIN grants g ON g.id = a.grant_id "
            "WHERE g.account_id = ? AND g.revoked_at IS NULL AND a.revoked_at IS NULL",
            (account_id,),
        ).fetchone()
        return max(timedelta(), timedelta(microseconds=last - microseconds(now))) if last else timedelta()


def _revoke(connection: sqlite3.Connection, grant_column: str, session_column: str, key: str, now: datetime) -> Revocation:
    """End sessions and grants whose column has ``key``; the residual is the longest life left of their access tokens."""
    at = microseconds(now)
    (last,) = connection.execute(
        "SELECT max(a.expires_at) FROM access_tokens a JOIN grants g ON g.id = a.grant_id "
        f"WHERE g.{grant_column} = ? AND g.revoked_at IS NULL AND a.revoked_at IS NULL",
        (key,),
    ).fetchone()
    grants = connection.execute(
        f"UPDATE grants SET revoked_at = ? WHERE {grant_column} = ? AND revoked_at IS NULL AND last_expires_at > ?",
        (at, key, at),
    ).rowcount
    (sessions,) = connection.execute(
        f"SELECT count(*) FROM sessions WHERE {session_column} = ? AND expires_at > ?",
        (key, at),
    ).fetchone()
    connection.execute(f"DELETE FROM sessions WHERE {session_column} = ?", (key,))
    residual = max(timedelta(), timedelta(microseconds=last - at)) if last else timedelta()
    return Revocation(session_count=sessions, grant_count=grants, residual=residual)


def _exists(connection: sqlite3.Connection, session_id: str) -> bool:
    return connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone() is not None


def _insert_access_token(connection: sqlite3.Connection, token: AccessTokenRecord) -> None:
    connection.execute(
        "INSERT INTO access_tokens (jti, grant_id, expires_at, document) VALUES (?, ?, ?, ?)",
        (token.jti, token.grant_id, microseconds(token.expires_at), to_bytes(token)),
    )


def _insert_refresh_token(connection: sqlite3.Connection, token: RefreshToken) -> None:
    issued_at = None if token.issued_at is None else microseconds(token.issued_at)
    connection.execute(
        "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at, issued_at) VALUES (?, ?, ?, ?)",
        (token.token_hash, token.grant_id, microseconds(token.expires_at), issued_at),
    )
