"""What devices without browser ask for, on SQLite."""

import sqlite3
from datetime import datetime

from idp.model import DeviceAuthorization, DeviceAuthorizationState
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_awaited import MEMORY, note_poll
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds


class SqliteDeviceCodeStore:
    """Keeps the promises of :class:`idp.store.DeviceCodeStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read = Reader(DeviceAuthorization)

    async def put(self, authorization: DeviceAuthorization) -> None:
        row = (
            authorization.device_code_hash,
            authorization.user_code_hash,
            authorization.state,
            authorization.interval_seconds * 1_000_000,
            microseconds(authorization.expires_at),
            microseconds(authorization.expires_at + MEMORY),
            to_bytes(authorization),
        )
        await self._file.note(
            lambda connection: connection.execute(
                "INSERT INTO device_codes (device_code_hash, user_code_hash, state, interval, valid_until, expires_at, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        )

    async def get(self, device_code_hash: str) -> DeviceAuthorization | None:
        row = self._file.read(
            "SELECT document FROM device_codes WHERE device_code_hash = ? AND consumed = 0", (device_code_hash,)
        ).fetchone()
        return self._read(row[0]) if row else None

    async def find_pending(self, user_code_hash: str, now: datetime) -> DeviceAuthorization | None:
        row = self._file.read(
            "SELECT document FROM device_codes WHERE user_code_hash = ? AND state = ? AND valid_until > ?",
            (user_code_hash, DeviceAuthorizationState.PENDING, microseconds(now)),
        ).fetchone()
        return self._read(row[0]) if row else None

    async def settle(self, authorization: DeviceAuthorization, now: datetime) -> bool:
        row = (
            authorization.state,
            to_bytes(authorization),
            authorization.device_code_hash,
            DeviceAuthorizationState.PENDING,
            microseconds(now),
        )
        statement = "UPDATE device_codes SET state = ?, document = ? WHERE device_code_hash = ? AND state = ? AND valid_until > ?"
        return await self._file.note(lambda connection: connection.execute(statement, row).rowcount == 1)

    async def poll(self, device_code_hash: str, now: datetime) -> bool:
        return await self._file.note(lambda connection: note_poll(connection, "device_codes", "device_code_hash", device_code_hash, now))

    async def consume(self, device_code_hash: str, now: datetime) -> DeviceAuthorization | None:
        key = (device_code_hash, DeviceAuthorizationState.APPROVED, microseconds(now))

        def consume(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(
                "UPDATE device_codes SET consumed = 1 WHERE device_code_hash = ? AND consumed = 0 AND state = ? AND valid_until > ? "
                "RETURNING document",
                key,
            ).fetchone()
            return row[0] if row else None

        document = await self._file.note(consume)
        return self._read(document) if document else None
