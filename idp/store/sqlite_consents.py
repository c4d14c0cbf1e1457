"""What people agreed to, on SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from idp.model import Consent
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds


class SqliteConsentStore:
    """Keeps the promises of :class:`idp.store.ConsentStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_consent = Reader(Consent)

    async def get(self, account_id: str, client_id: str, now: datetime) -> Consent | None:
        row = self._file.read(
            "SELECT document FROM consents WHERE account_id = ? AND client_id = ? AND expires_at > ?",
            (account_id, client_id, microseconds(now)),
        ).fetchone()
        return self._read_consent(row[0]) if row else None

    async def put(self, consent: Consent, *, until: datetime) -> None:
        row = (consent.account_id, consent.client_id, to_bytes(consent), microseconds(until))
        statement = "INSERT OR REPLACE INTO consents (account_id, client_id, document, expires_at) VALUES (?, ?, ?, ?)"
        await self._file.write(lambda connection: connection.execute(statement, row))

    async def of_account(self, account_id: str, now: datetime) -> Sequence[Consent]:
        rows = self._file.read("SELECT document FROM consents WHERE account_id = ? AND expires_at > ?", (account_id, microseconds(now)))
        return sorted((self._read_consent(document) for (document,) in rows), key=lambda consent: consent.given_at)

    async def withdraw(self, account_id: str, client_id: str) -> bool:
        def withdraw(connection: sqlite3.Connection) -> bool:
            gone = connection.execute("DELETE FROM consents WHERE account_id = ? AND client_id = ?", (account_id, client_id))
            return gone.rowcount == 1

        return await self._file.write(withdraw)
