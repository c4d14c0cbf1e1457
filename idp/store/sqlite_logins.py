"""Pushed requests, interactions, approvals and sessions on SQLite."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from idp.model import Approval, ApprovalState, Interaction, PushedRequest, Session, Visit
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import from_microseconds, microseconds

_PENDING = (ApprovalState.REQUESTED, ApprovalState.SEEN)


class SqlitePushedRequestStore:
    """Keeps the promises of :class:`idp.store.PushedRequestStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_request = Reader(PushedRequest)

    async def put(self, request: PushedRequest) -> None:
        until = microseconds(request.expires_at)
        row = (request.request_hash, request.client_id, until, until, to_bytes(request))
        await self._file.note(
            lambda connection: connection.execute(
                "INSERT INTO pushed_requests (request_hash, client_id, valid_until, expires_at, document) VALUES (?, ?, ?, ?, ?)", row
            )
        )

    async def find(self, request_hash: str, client_id: str, browser_hash: str | None, now: datetime) -> PushedRequest | None:
        row = self._file.read(
            "SELECT document FROM pushed_requests WHERE request_hash = ? AND client_id = ? AND valid_until > ? "
            "AND (browser_hash IS NULL OR browser_hash = ?)",
            (request_hash, client_id, microseconds(now), browser_hash),
        ).fetchone()
        return self._read_request(row[0]) if row else None

    async def keep(self, request_hash: str, browser_hash: str, until: datetime) -> bool:
        row = (browser_hash, microseconds(until), request_hash, browser_hash)
        statement = (
            "UPDATE pushed_requests SET browser_hash = ?, expires_at = max(expires_at, ?) "
            "WHERE request_hash = ? AND (browser_hash IS NULL OR browser_hash = ?)"
        )
        return await self._file.note(lambda connection: connection.execute(statement, row).rowcount == 1)

    async def answer(self, request_hash: str) -> bool:
        statement = "DELETE FROM pushed_requests WHERE request_hash = ?"
        return await self._file.note(lambda connection: connection.execute(statement, (request_hash,)).rowcount == 1)


class SqliteInteractionStore:
    """Keeps the promises of :class:`idp.store.InteractionStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_interaction = Reader(Interaction)
        self._read_approval = Reader(Approval)

    async def get(self, interaction_id: str, now: datetime) -> Interaction | None:
        row = self._file.read(
            "SELECT document FROM interactions WHERE id = ? AND expires_at > ?", (interaction_id, microseconds(now))
        ).fetchone()
        return self._read_interaction(row[0]) if row else None

    async def put(self, interaction: Interaction) -> None:
        row = (interaction.id, microseconds(interaction.expires_at), to_bytes(interaction))
        await self._file.note(lambda connection: connection.execute("INSERT OR REPLACE INTO interactions VALUES (?, ?, ?)", row))

    async def delete(self, interaction_id: str) -> None:
        await self._file.note(lambda connection: connection.execute("DELETE FROM interactions WHERE id = ?", (interaction_id,)))

    async def put_approval(self, approval: Approval) -> None:
        row = _approval_row(approval)
        await self._file.note(lambda connection: connection.execute("INSERT INTO approvals VALUES (?, ?, ?, ?, ?, ?)", row))

    async def see_approval(self, approval: Approval) -> bool:
        # A late «seen» must not reopen what was answered meanwhile: the row must still hold the question as it was asked.
        row = (to_bytes(replace(approval, state=ApprovalState.SEEN)), approval.id, to_bytes(approval))
        statement = "UPDATE approvals SET document = ? WHERE id = ? AND document = ? AND pending = 1"
        return await self._file.note(lambda connection: connection.execute(statement, row).rowcount == 1)

    async def get_approval(self, approval_id: str) -> Approval | None:
        row = self._file.read("SELECT document FROM approvals WHERE id = ?", (approval_id,)).fetchone()
        return self._read_approval(row[0]) if row else None

    async def pending_approvals(self, account_id: str, now: datetime) -> Sequence[Approval]:
        rows = self._file.read(
            "SELECT document FROM approvals WHERE account_id = ? AND pending = 1 AND expires_at > ? ORDER BY requested_at, id",
            (account_id, microseconds(now)),
        )
        return [self._read_approval(document) for (document,) in rows]

    async def unanswered_approvals(self, now: datetime) -> Sequence[Approval]:
        rows = self._file.read(
            "SELECT document FROM approvals WHERE pending = 1 AND expires_at <= ? ORDER BY expires_at", (microseconds(now),)
        )
        return [self._read_approval(document) for (document,) in rows]

    async def settle_approval(self, approval: Approval) -> bool:
        document = to_bytes(approval)

        def settle(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE approvals SET pending = 0, document = ? WHERE id = ? AND pending = 1", (document, approval.id)
            )
            return changed.rowcount == 1

        return await self._file.note(settle)


def _approval_row(approval: Approval) -> tuple[str, str, int, int, bool, bytes]:
    return (
        approval.id,
        approval.account_id,
        microseconds(approval.requested_at),
        microseconds(approval.expires_at),
        approval.state in _PENDING,
        to_bytes(approval),
    )


class SqliteSessionStore:
    """Keeps the promises of :class:`idp.store.SessionStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_session = Reader(Session)

    async def get(self, session_id: str, now: datetime) -> Session | None:
        return self._one("SELECT document FROM sessions WHERE id = ? AND expires_at > ?", session_id, now)

    async def find_by_cookie(self, cookie_hash: str, now: datetime) -> Session | None:
        return self._one("SELECT document FROM sessions WHERE cookie_hash = ? AND expires_at > ?", cookie_hash, now)

    def _one(self, sql: str, key: str, now: datetime) -> Session | None:
        row = self._file.read(sql, (key, microseconds(now))).fetchone()
        return self._read_session(row[0]) if row else None

    async def put(self, session: Session) -> None:
        row = (session.id, session.cookie_hash, session.account_id, microseconds(session.expires_at), to_bytes(session))
        await self._file.note(lambda connection: connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)", row))

    async def touch(self, session: Session, now: datetime, expires_at: datetime) -> bool:
        """Note the use, only if the session still exists: a use that races with a revocation must not bring it back."""
        used = replace(session, last_used_at=now, expires_at=expires_at)
        row = (microseconds(expires_at), to_bytes(used), session.id)
        return await self._file.note(
            lambda connection: connection.execute("UPDATE sessions SET expires_at = ?, document = ? WHERE id = ?", row).rowcount == 1
        )

    async def of_account(self, account_id: str, now: datetime) -> Sequence[Session]:
        rows = self._file.read(
            "SELECT document FROM sessions WHERE account_id = ? AND expires_at > ? ORDER BY id", (account_id, microseconds(now))
        )
        return [self._read_session(document) for (document,) in rows]

    async def visits(self, account_id: str, now: datetime) -> Sequence[Visit]:
        return self._visits("account_id", account_id, now)

    async def visits_of_session(self, session_id: str, now: datetime) -> Sequence[Visit]:
        return self._visits("session_id", session_id, now)

    def _visits(self, column: str, key: str, now: datetime) -> Sequence[Visit]:
        rows = self._file.read(
            "SELECT session_id, client_id, account_id, last_at FROM visits "
            f"WHERE {column} = ? AND expires_at > ? ORDER BY last_at, client_id",
            (key, microseconds(now)),
        )
        return [
            Visit(session_id=session_id, client_id=client_id, account_id=account_id, last_at=from_microseconds(last_at))
            for session_id, client_id, account_id, last_at in rows
        ]

    async def delete(self, session_id: str) -> None:
        await self._file.write(lambda connection: connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,)))
