"""Requests that a person answers elsewhere, on SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from idp.model import Approval, AwaitedRequest
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds

#: For how long after its end a service still hears «expired» of its request, and not «unknown».
MEMORY = timedelta(minutes=10)
#: What asking too soon adds to the interval (RFC 8628 §3.5).
_SLOWER = timedelta(seconds=5) // timedelta(microseconds=1)
#: How much earlier than the interval a request may arrive, in microseconds: networks are not even.
_JITTER = timedelta(milliseconds=500) // timedelta(microseconds=1)


class SqliteAwaitedStore:
    """Keeps the promises of :class:`idp.store.AwaitedStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_request = Reader(AwaitedRequest)
        self._read_approval = Reader(Approval)

    async def put(self, request: AwaitedRequest) -> None:
        row = (
            request.handle_hash,
            request.approval_id,
            request.notification_token is not None,
            request.interval_seconds * 1_000_000,
            microseconds(request.expires_at),
            microseconds(request.expires_at + MEMORY),
            to_bytes(request),
        )
        await self._file.note(
            lambda connection: connection.execute(
                "INSERT INTO awaited (handle_hash, approval_id, to_notify, interval, valid_until, expires_at, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        )

    async def get(self, handle_hash: str) -> AwaitedRequest | None:
        row = self._file.read("SELECT document FROM awaited WHERE handle_hash = ? AND consumed = 0", (handle_hash,)).fetchone()
        return self._read_request(row[0]) if row else None

    async def poll(self, handle_hash: str, now: datetime) -> bool:
        return await self._file.note(lambda connection: note_poll(connection, "awaited", "handle_hash", handle_hash, now))

    async def consume(self, handle_hash: str, now: datetime) -> AwaitedRequest | None:
        def consume(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(
                "UPDATE awaited SET consumed = 1 WHERE handle_hash = ? AND consumed = 0 AND valid_until > ? RETURNING document",
                (handle_hash, microseconds(now)),
            ).fetchone()
            return row[0] if row else None

        document = await self._file.note(consume)
        return self._read_request(document) if document else None

    async def claim_notifications(self, now: datetime) -> Sequence[tuple[AwaitedRequest, Approval]]:
        # A read first: most of the time nothing waits, and a write would cost a turn of the writer every time.
        found = self._file.read(
            "SELECT w.handle_hash FROM awaited w JOIN approvals a ON a.id = w.approval_id WHERE w.to_notify = 1 AND a.pending = 0"
        ).fetchall()
        if not found:
            return ()

        def claim(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
            claimed: list[tuple[bytes, bytes]] = []
            for (handle_hash,) in found:
                row = connection.execute(
                    "UPDATE awaited SET to_notify = 0 WHERE handle_hash = ? AND to_notify = 1 RETURNING document, "
                    "(SELECT document FROM approvals WHERE id = approval_id)",
                    (handle_hash,),
                ).fetchone()
                if row:
                    claimed.append(row)
            return claimed

        return [(self._read_request(request), self._read_approval(approval)) for request, approval in await self._file.write(claim)]


def note_poll(connection: sqlite3.Connection, table: str, key_column: str, key: str, now: datetime) -> bool:
    """Note that a client asks; false when it asks sooner than its interval, which is then longer from now on (RFC 8628 §3.5)."""
    at = microseconds(now)
    row = connection.execute(f"SELECT polled_at, interval FROM {table} WHERE {key_column} = ?", (key,)).fetchone()
    if row is None:
        return True
    polled_at, interval = row
    too_soon = polled_at is not None and at - polled_at < interval - _JITTER
    connection.execute(
        f"UPDATE {table} SET polled_at = ?, interval = ? WHERE {key_column} = ?",
        (at, interval + _SLOWER if too_soon else interval, key),
    )
    return not too_soon
