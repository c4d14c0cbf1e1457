"""Answers kept for repeated requests, on SQLite."""

import sqlite3
from datetime import datetime

from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds


class SqliteAnswerStore:
    """Keeps the promises of :class:`idp.store.AnswerStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def find(self, key: str, now: datetime) -> bytes | None:
        row = self._file.read("SELECT body FROM answers WHERE key = ? AND expires_at > ?", (key, microseconds(now))).fetchone()
        return row[0] if row else None

    async def keep(self, key: str, body: bytes, *, until: datetime, now: datetime) -> bytes:
        def keep(connection: sqlite3.Connection) -> bytes:
            connection.execute("DELETE FROM answers WHERE key = ? AND expires_at <= ?", (key, microseconds(now)))
            connection.execute("INSERT INTO answers VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING", (key, microseconds(until), body))
            (kept,) = connection.execute("SELECT body FROM answers WHERE key = ?", (key,)).fetchone()
            return bytes(kept)

        return await self._file.write(keep)
