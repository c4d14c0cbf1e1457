"""Relying parties, and the right to register some, on SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from idp.model import Client, InitialAccessToken
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds


class SqliteClientStore:
    """Keeps the promises of :class:`idp.store.ClientStore`; a client is parsed again only when its row changed."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_client = Reader(Client)
        self._read_initial_token = Reader(InitialAccessToken)
        self._parsed: dict[str, tuple[bytes, Client]] = {}

    async def get(self, client_id: str) -> Client | None:
        row = self._file.read("SELECT document FROM clients WHERE id = ?", (client_id,)).fetchone()
        if row is None:
            return None
        known = self._parsed.get(client_id)
        if known is not None and known[0] == row[0]:
            return known[1]
        client = self._read_client(row[0])
        self._parsed[client_id] = (row[0], client)
        return client

    async def put(self, client: Client) -> None:
        row = (client.client_id, to_bytes(client))
        await self._file.write(lambda connection: connection.execute("INSERT OR REPLACE INTO clients VALUES (?, ?)", row))

    async def exchange(self, before: Client | None, after: Client) -> bool:
        document = to_bytes(after)

        def exchange(connection: sqlite3.Connection) -> bool:
            row = connection.execute("SELECT document FROM clients WHERE id = ?", (after.client_id,)).fetchone()
            if (self._read_client(row[0]) if row else None) != before:
                return False
            connection.execute("INSERT OR REPLACE INTO clients VALUES (?, ?)", (after.client_id, document))
            return True

        return await self._file.write(exchange)

    async def all(self) -> Sequence[Client]:
        return [self._read_client(document) for (document,) in self._file.read("SELECT document FROM clients ORDER BY id")]

    async def delete(self, client_id: str) -> None:
        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM clients WHERE id = ?", (client_id,))
            connection.execute("DELETE FROM consents WHERE client_id = ?", (client_id,))

        await self._file.write(delete)

    async def put_initial_token(self, token: InitialAccessToken) -> None:
        row = (token.token_hash, token.use_count, microseconds(token.expires_at), to_bytes(token))
        await self._file.write(lambda connection: connection.execute("INSERT INTO initial_tokens VALUES (?, ?, ?, ?)", row))

    async def get_initial_token(self, token_hash: str, now: datetime) -> InitialAccessToken | None:
        row = self._file.read(
            "SELECT document FROM initial_tokens WHERE token_hash = ? AND uses_left > 0 AND expires_at > ?", (token_hash, microseconds(now))
        ).fetchone()
        return self._read_initial_token(row[0]) if row else None

    async def use_initial_token(self, token_hash: str, client: Client, now: datetime) -> bool:
        document = to_bytes(client)

        def use(connection: sqlite3.Connection) -> bool:
            used = connection.execute(
                "UPDATE initial_tokens SET uses_left = uses_left - 1 WHERE token_hash = ? AND uses_left > 0 AND expires_at > ?",
                (token_hash, microseconds(now)),
            )
            if used.rowcount != 1:
                return False
            connection.execute("INSERT INTO clients VALUES (?, ?)", (client.client_id, document))
            return True

        return await self._file.write(use)
