"""Refused requests on SQLite: so many of a client, so many of them from one source."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from idp.model import Refusal
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds

_KEEP_OF_SOURCE = (
    "DELETE FROM refusals WHERE client_id = ?1 AND source = ?2 AND reference NOT IN "
    "(SELECT reference FROM refusals WHERE client_id = ?1 AND source = ?2 ORDER BY at DESC, reference LIMIT ?3)"
)
_KEEP_OF_CLIENT = (
    "DELETE FROM refusals WHERE client_id = ?1 AND reference NOT IN "
    "(SELECT reference FROM refusals WHERE client_id = ?1 ORDER BY at DESC, reference LIMIT ?2)"
)


class SqliteRefusalStore:
    """Keeps the promises of :class:`idp.store.RefusalStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_refusal = Reader(Refusal)

    async def put(self, refusal: Refusal, *, client_count: int, source_count: int) -> None:
        client_id, source = refusal.client_id, refusal.source
        row = (refusal.reference, client_id, source, microseconds(refusal.at), microseconds(refusal.expires_at), to_bytes(refusal))

        def put(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO refusals VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute(_KEEP_OF_SOURCE, (client_id, source, source_count))
            connection.execute(_KEEP_OF_CLIENT, (client_id, client_count))

        await self._file.write(put)

    async def get(self, reference: str, now: datetime) -> Refusal | None:
        row = self._file.read(
            "SELECT document FROM refusals WHERE reference = ? AND expires_at > ?", (reference, microseconds(now))
        ).fetchone()
        return self._read_refusal(row[0]) if row else None

    async def of_client(self, client_id: str, now: datetime) -> Sequence[Refusal]:
        rows = self._file.read(
            "SELECT document FROM refusals WHERE client_id = ? AND expires_at > ? ORDER BY at DESC, reference",
            (client_id, microseconds(now)),
        )
        return [self._read_refusal(document) for (document,) in rows]
