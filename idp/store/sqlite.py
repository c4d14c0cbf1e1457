"""The embedded engine: every port on one SQLite file (see :mod:`idp.store.sqlite_file` for how it writes)."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from idp.model import Account, Device, DeviceState, Enrolment
from idp.store import (
    AccountStore,
    AnswerStore,
    AwaitedStore,
    ClientStore,
    CodeStore,
    ConsentStore,
    CounterStore,
    DeliveryStore,
    DeviceCodeStore,
    DeviceStore,
    InteractionStore,
    KeyStore,
    PushedRequestStore,
    RefusalStore,
    RevocationStore,
    SessionStore,
    SignalStore,
    StreamStore,
    TokenStore,
)
from idp.store.records import Reader, to_bytes
from idp.store.schema import EXPIRING
from idp.store.sqlite_answers import SqliteAnswerStore
from idp.store.sqlite_awaited import SqliteAwaitedStore
from idp.store.sqlite_clients import SqliteClientStore
from idp.store.sqlite_consents import SqliteConsentStore
from idp.store.sqlite_device_codes import SqliteDeviceCodeStore
from idp.store.sqlite_file import SqliteFile, Synchronous
from idp.store.sqlite_grants import SqliteCodeStore, SqliteRevocationStore, SqliteTokenStore
from idp.store.sqlite_logins import SqliteInteractionStore, SqlitePushedRequestStore, SqliteSessionStore
from idp.store.sqlite_refusals import SqliteRefusalStore
from idp.store.sqlite_signals import SqliteDeliveryStore, SqliteSignalStore, SqliteStreamStore
from idp.store.sqlite_time import microseconds

_APPROVAL_MEMORY = timedelta(hours=1)


class SqliteAccountStore:
    """Keeps the promises of :class:`idp.store.AccountStore`; an account is parsed again only when its row changed."""

    #: Accounts kept parsed: a directory entry is several kilobytes.
    _PARSED_COUNT = 4096

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_account = Reader(Account)
        self._parsed: dict[str, tuple[bytes, Account]] = {}

    async def get(self, account_id: str) -> Account | None:
        return self._one("SELECT id, document FROM accounts WHERE id = ?", account_id)

    async def find_by_national_id(self, national_id: str) -> Account | None:
        if len(national_id) == 11 and national_id.isdigit():
            national_id = f"8{national_id}"
        return self._one("SELECT id, document FROM accounts WHERE national_id = ?", national_id)

    def _one(self, sql: str, key: str) -> Account | None:
        row = self._file.read(sql, (key,)).fetchone()
        if row is None:
            return None
        account_id, document = row
        known = self._parsed.get(account_id)
        if known is not None and known[0] == document:
            return known[1]
        account = self._read_account(document)
        if len(self._parsed) >= self._PARSED_COUNT:
            self._parsed.clear()
        self._parsed[account_id] = (document, account)
        return account

    async def put(self, account: Account) -> None:
        row = (account.id, account.national_id, to_bytes(account))
        await self._file.write(
            lambda connection: connection.execute(
                "INSERT INTO accounts VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET national_id = excluded.national_id, document = excluded.document",
                row,
            )
        )

    async def all(self) -> Sequence[Account]:
        return [self._read_account(document) for (document,) in self._file.read("SELECT document FROM accounts ORDER BY id")]


class SqliteDeviceStore:
    """Keeps the promises of :class:`idp.store.DeviceStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_device = Reader(Device)
        self._read_enrolment = Reader(Enrolment)

    async def get(self, device_id: str) -> Device | None:
        row = self._file.read("SELECT document FROM devices WHERE id = ?", (device_id,)).fetchone()
        return self._read_device(row[0]) if row else None

    async def of_account(self, account_id: str) -> Sequence[Device]:
        rows = self._file.read("SELECT document FROM devices WHERE account_id = ? ORDER BY id", (account_id,))
        return [self._read_device(document) for (document,) in rows]

    async def put(self, device: Device) -> None:
        row = (device.id, device.account_id, to_bytes(device))
        await self._file.write(lambda connection: connection.execute("INSERT OR REPLACE INTO devices VALUES (?, ?, ?)", row))

    async def count_wrong_pin(self, device_id: str, *, blocked_at: int) -> Device:
        def count(connection: sqlite3.Connection) -> Device:
            (document,) = connection.execute("SELECT document FROM devices WHERE id = ?", (device_id,)).fetchone()
            device = self._read_device(document)
            wrong = device.wrong_pin_count + 1
            device = replace(device, wrong_pin_count=wrong, state=DeviceState.BLOCKED if wrong >= blocked_at else device.state)
            connection.execute("UPDATE devices SET document = ? WHERE id = ?", (to_bytes(device), device_id))
            return device

        return await self._file.note(count)

    async def note_right_pin(self, device: Device) -> None:
        row = (to_bytes(device), device.id)
        await self._file.note(lambda connection: connection.execute("UPDATE devices SET document = ? WHERE id = ?", row))

    async def grant_enrolment(self, enrolment: Enrolment) -> None:
        row = (enrolment.code_hash, microseconds(enrolment.expires_at), to_bytes(enrolment))
        await self._file.write(lambda connection: connection.execute("INSERT INTO enrolments VALUES (?, ?, ?)", row))

    async def consume_enrolment(self, code_hash: str, now: datetime) -> Enrolment | None:
        key = (code_hash, microseconds(now))
        document = await self._file.write(
            _first_value("DELETE FROM enrolments WHERE code_hash = ? AND expires_at > ? RETURNING document", key)
        )
        return self._read_enrolment(document) if document else None


class SqliteCounterStore:
    """Keeps the promises of :class:`idp.store.CounterStore`.

    Nearly every key that is looked at was never counted under, and is asked about at every request: which ones were is kept in memory.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        #: Every key that has a row, and some that had one; None: to be read anew.
        self._counted: set[str] | None = None

    async def remember_once(self, key: str, *, until: datetime, now: datetime, lasting: bool = True) -> bool:
        row = (key, microseconds(until), microseconds(now))
        remember = self._file.write if lasting else self._file.note
        return await remember(
            lambda connection: (
                connection.execute(
                    "INSERT INTO remembered VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at "
                    "WHERE remembered.expires_at <= ?3",
                    row,
                ).rowcount
                == 1
            )
        )

    async def count(self, key: str, *, within: timedelta, now: datetime, anew: bool = False) -> int:
        def count(connection: sqlite3.Connection) -> int:
            if anew:
                connection.execute("DELETE FROM counted WHERE key = ?", (key,))
            connection.execute("INSERT INTO counted VALUES (?, ?, ?)", (key, microseconds(now), microseconds(now + within)))
            return _count_since(connection, key, now - within)

        number = await self._file.note(count)
        # Only now: whoever has read the keys anew meanwhile may have done so before the row was there.
        self._keys().add(key)
        return number

    async def peek(self, key: str, *, within: timedelta, now: datetime) -> int:
        if key not in self._keys():
            return 0
        (number,) = self._file.read("SELECT count(*) FROM counted WHERE key = ? AND at > ?", (key, microseconds(now - within))).fetchone()
        return int(number)

    def _keys(self) -> set[str]:
        if self._counted is None:
            self._counted = {key for (key,) in self._file.read("SELECT DISTINCT key FROM counted")}
        return self._counted

    def forget_keys(self) -> None:
        """Rows were deleted, or another process may have counted: read the keys anew."""
        self._counted = None

    async def reset(self, *keys: str) -> None:
        rows = [(key,) for key in keys]
        await self._file.note(lambda connection: connection.executemany("DELETE FROM counted WHERE key = ?", rows))


def _count_since(connection: sqlite3.Connection, key: str, since: datetime) -> int:
    (number,) = connection.execute("SELECT count(*) FROM counted WHERE key = ? AND at > ?", (key, microseconds(since))).fetchone()
    return int(number)


class SqliteKeyStore:
    """Keeps the promises of :class:`idp.store.KeyStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def load(self) -> Sequence[tuple[str, bytes]]:
        return [(name, sealed) for name, sealed in self._file.read("SELECT name, sealed FROM keys ORDER BY position")]

    async def save(self, name: str, sealed: bytes) -> None:
        await self._file.write(
            lambda connection: connection.execute(
                "INSERT INTO keys (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed", (name, sealed)
            )
        )

    async def delete(self, name: str) -> None:
        await self._file.write(lambda connection: connection.execute("DELETE FROM keys WHERE name = ?", (name,)))


class SqliteStore:
    """All ports; opening migrates. The folder of the file must be writable by one machine only (WAL needs shared memory)."""

    def __init__(self, path: Path, *, synchronous: Synchronous = "full") -> None:
        self._file = file = SqliteFile(path, synchronous=synchronous)
        self.clients: ClientStore = SqliteClientStore(file)
        self.accounts: AccountStore = SqliteAccountStore(file)
        self.devices: DeviceStore = SqliteDeviceStore(file)
        self.interactions: InteractionStore = SqliteInteractionStore(file)
        self.pushed_requests: PushedRequestStore = SqlitePushedRequestStore(file)
        self.sessions: SessionStore = SqliteSessionStore(file)
        self.codes: CodeStore = SqliteCodeStore(file)
        self.awaited: AwaitedStore = SqliteAwaitedStore(file)
        self.device_codes: DeviceCodeStore = SqliteDeviceCodeStore(file)
        self.tokens: TokenStore = SqliteTokenStore(file)
        self.revocations: RevocationStore = SqliteRevocationStore(file)
        self.signals: SignalStore = SqliteSignalStore(file)
        self.deliveries: DeliveryStore = SqliteDeliveryStore(file)
        self.streams: StreamStore = SqliteStreamStore(file)
        counters = SqliteCounterStore(file)
        self.counters: CounterStore = counters
        self._forget_counted_keys = counters.forget_keys
        self.answers: AnswerStore = SqliteAnswerStore(file)
        self.consents: ConsentStore = SqliteConsentStore(file)
        self.refusals: RefusalStore = SqliteRefusalStore(file)
        self.keys: KeyStore = SqliteKeyStore(file)

    async def migrate(self) -> None:
        """Nothing is left to do: opening the file has taken every step."""

    async def expire(self, now: datetime) -> int:
        at = microseconds(now)

        def expire(connection: sqlite3.Connection) -> int:
            gone = sum(connection.execute(f"DELETE FROM {table} WHERE expires_at <= ?", (at,)).rowcount for table in EXPIRING)
            # A browser that waits must still read «expired» for a while, where every other row is absent at once.
            gone += connection.execute("DELETE FROM approvals WHERE expires_at <= ?", (microseconds(now - _APPROVAL_MEMORY),)).rowcount
            return gone + connection.execute("DELETE FROM grants WHERE last_expires_at <= ?", (at,)).rowcount

        gone = await self._file.write(expire)
        self._forget_counted_keys()
        return gone

    async def settle(self) -> None:
        await self._file.settle()

    async def close(self) -> None:
        await self._file.close()


def _first_value(sql: str, parameters: tuple[str, int]) -> Callable[[sqlite3.Connection], bytes | None]:
    def work(connection: sqlite3.Connection) -> bytes | None:
        row = connection.execute(sql, parameters).fetchone()
        return row[0] if row else None

    return work
