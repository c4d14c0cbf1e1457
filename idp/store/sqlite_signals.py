"""What others must hear of, and the messages that tell them, on SQLite.

The functions on a connection run inside the transaction of whatever ends: see :mod:`idp.store.sqlite_grants`.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from idp.clock import ordered_id
from idp.model import Cause, Delivery, DeliveryState, Grant, Signal, SignalKind, Stream
from idp.store.records import Reader, to_bytes
from idp.store.sqlite_file import SqliteFile
from idp.store.sqlite_time import microseconds

#: How long a service is remembered that got tokens by a session: its own session lasts a day at most, in an establishment's practice.
_VISIT_MEMORY = timedelta(hours=24)
#: How long a message stays to be looked at.
_DELIVERY_MEMORY = timedelta(days=7)
_DROP = "DELETE FROM deliveries WHERE recipient = ? AND state IN ('waiting', 'held')"
_SETTLE = "UPDATE deliveries SET state = ?, due_at = ?, document = ? WHERE id = ?"


def note_visit(connection: sqlite3.Connection, grant: Grant) -> None:
    """Remember that the grant's client was reached by its session."""
    if grant.session_id is None or grant.account_id is None:
        return
    connection.execute(
        "INSERT INTO visits VALUES (?, ?, ?, ?, ?) ON CONFLICT (session_id, client_id) "
        "DO UPDATE SET last_at = excluded.last_at, expires_at = excluded.expires_at",
        (
            grant.session_id,
            grant.client_id,
            grant.account_id,
            microseconds(grant.created_at),
            microseconds(grant.created_at + _VISIT_MEMORY),
        ),
    )


def signal_sessions(connection: sqlite3.Connection, visit_column: str, session_column: str, key: str, now: datetime, cause: Cause) -> None:
    """One signal for each session with ``key`` that lives, or was visited and not told of yet; its visits are forgotten."""
    at = microseconds(now)
    ended: dict[str, tuple[str, list[str]]] = {}
    for session_id, account_id in connection.execute(
        f"SELECT id, account_id FROM sessions WHERE {session_column} = ? AND expires_at > ?", (key, at)
    ):
        ended[session_id] = (account_id, [])
    for session_id, account_id, client_id in connection.execute(
        f"SELECT session_id, account_id, client_id FROM visits WHERE {visit_column} = ? AND expires_at > ? ORDER BY client_id", (key, at)
    ):
        ended.setdefault(session_id, (account_id, []))[1].append(client_id)
    for session_id, (account_id, client_ids) in ended.items():
        _signal(
            connection, SignalKind.SESSION_ENDED, now, cause, account_id=account_id, session_id=session_id, client_ids=tuple(client_ids)
        )
    connection.execute(f"DELETE FROM visits WHERE {visit_column} = ?", (key,))


def signal_expired(connection: sqlite3.Connection, session_id: str, now: datetime, cause: Cause) -> None:
    """A signal for a session whose time is over. Services that only a browser can tell stay remembered: its person may still log out."""
    (account_id,) = connection.execute("SELECT account_id FROM sessions WHERE id = ?", (session_id,)).fetchone()
    visited = connection.execute(
        "SELECT client_id FROM visits WHERE session_id = ? AND expires_at > ? ORDER BY client_id", (session_id, microseconds(now))
    )
    client_ids = tuple(client_id for (client_id,) in visited)
    _signal(connection, SignalKind.SESSION_ENDED, now, cause, account_id=account_id, session_id=session_id, client_ids=client_ids)
    connection.execute(
        "DELETE FROM visits WHERE session_id = ? AND client_id IN "
        "(SELECT id FROM clients WHERE json_extract(CAST(document AS TEXT), '$.backchannel_logout_uri') IS NOT NULL)",
        (session_id,),
    )


def signal_grant(connection: sqlite3.Connection, grant_id: str, now: datetime, cause: Cause) -> None:
    """A signal for the client of a grant that lives; none for one that has ended, or has not begun."""
    row = connection.execute(
        "SELECT document FROM grants WHERE id = ? AND revoked_at IS NULL AND document IS NOT NULL", (grant_id,)
    ).fetchone()
    grant = orjson.loads(row[0]) if row else {}
    if grant.get("account_id") and grant.get("session_id"):
        _signal(
            connection,
            SignalKind.GRANT_ENDED,
            now,
            cause,
            account_id=grant["account_id"],
            session_id=grant["session_id"],
            client_ids=(grant["client_id"],),
        )


def _signal(
    connection: sqlite3.Connection,
    kind: SignalKind,
    now: datetime,
    cause: Cause,
    *,
    account_id: str,
    session_id: str,
    client_ids: tuple[str, ...],
) -> None:
    signal = Signal(
        id=ordered_id(now),
        kind=kind,
        account_id=account_id,
        cause_initiator=cause.initiator,
        cause_reason=cause.reason,
        at=now,
        session_id=session_id,
        client_ids=client_ids,
    )
    connection.execute("INSERT INTO signals VALUES (?, ?)", (signal.id, to_bytes(signal)))


class SqliteSignalStore:
    """Keeps the promises of :class:`idp.store.SignalStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_signal = Reader(Signal)

    async def put(self, signal: Signal) -> None:
        row = (signal.id, to_bytes(signal))
        await self._file.write(lambda connection: connection.execute("INSERT INTO signals VALUES (?, ?)", row))

    async def waiting(self, *, at_most: int) -> Sequence[Signal]:
        rows = self._file.read("SELECT document FROM signals ORDER BY id LIMIT ?", (at_most,))
        return [self._read_signal(document) for (document,) in rows]

    async def spread(self, signal_id: str, deliveries: Sequence[Delivery]) -> bool:
        rows = [_row(delivery) for delivery in deliveries]

        def spread(connection: sqlite3.Connection) -> bool:
            if connection.execute("DELETE FROM signals WHERE id = ?", (signal_id,)).rowcount != 1:
                return False
            connection.executemany("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            return True

        return await self._file.write(spread)


class SqliteDeliveryStore:
    """Keeps the promises of :class:`idp.store.DeliveryStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_delivery = Reader(Delivery)

    async def claim(self, now: datetime, *, lease: timedelta, at_most: int) -> Sequence[Delivery]:
        at = microseconds(now)
        # A read first: most of the time nothing is due, and a write would cost a turn of the writer every time.
        due = self._file.read(
            "SELECT id FROM deliveries WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at LIMIT ?", (at, at_most)
        ).fetchall()
        if not due:
            return ()
        until = microseconds(now + lease)

        def claim(connection: sqlite3.Connection) -> list[bytes]:
            claimed: list[bytes] = []
            for (delivery_id,) in due:
                row = connection.execute(
                    "UPDATE deliveries SET due_at = ? WHERE id = ? AND state = 'waiting' AND due_at <= ? RETURNING document",
                    (until, delivery_id, at),
                ).fetchone()
                if row:
                    claimed.append(row[0])
            return claimed

        return [self._read_delivery(document) for document in await self._file.write(claim)]

    async def settle(self, *deliveries: Delivery) -> None:
        rows = [(d.state, microseconds(d.due_at), to_bytes(d), d.id) for d in deliveries]
        await self._file.write(lambda connection: connection.executemany(_SETTLE, rows))

    async def of_account(self, account_id: str, now: datetime) -> Sequence[Delivery]:
        rows = self._file.read(
            "SELECT document FROM deliveries WHERE account_id = ? AND expires_at > ? ORDER BY id DESC", (account_id, microseconds(now))
        )
        return [self._read_delivery(document) for (document,) in rows]

    async def put(self, delivery: Delivery) -> None:
        row = _row(delivery)
        await self._file.write(lambda connection: connection.execute("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", row))

    async def held(self, recipient: str, *, at_most: int) -> Sequence[Delivery]:
        rows = self._file.read(
            "SELECT document FROM deliveries WHERE recipient = ? AND state = 'held' ORDER BY id LIMIT ?", (recipient, at_most)
        )
        return [self._read_delivery(document) for (document,) in rows]

    async def take(self, recipient: str, ids: Sequence[str], now: datetime, fault: str = "") -> Sequence[Delivery]:
        state = DeliveryState.ABANDONED if fault else DeliveryState.DELIVERED
        return await self._change(
            recipient,
            DeliveryState.HELD,
            lambda delivery: replace(delivery, state=state, fault=fault, settled_at=now, attempt_count=delivery.attempt_count + 1),
            frozenset(ids),
        )

    async def hold(self, recipient: str) -> None:
        await self._change(recipient, DeliveryState.WAITING, lambda delivery: replace(delivery, state=DeliveryState.HELD))

    async def release(self, recipient: str, now: datetime) -> None:
        await self._change(recipient, DeliveryState.HELD, lambda delivery: replace(delivery, state=DeliveryState.WAITING, due_at=now))

    async def drop(self, recipient: str) -> None:
        await self._file.write(lambda connection: connection.execute(_DROP, (recipient,)))

    async def _change(
        self, recipient: str, state: DeliveryState, change: Callable[[Delivery], Delivery], ids: frozenset[str] | None = None
    ) -> Sequence[Delivery]:
        def work(connection: sqlite3.Connection) -> list[Delivery]:
            rows = connection.execute("SELECT document FROM deliveries WHERE recipient = ? AND state = ? ORDER BY id", (recipient, state))
            found = [self._read_delivery(document) for (document,) in rows.fetchall()]
            changed = [change(delivery) for delivery in found if ids is None or delivery.id in ids]
            connection.executemany(_SETTLE, [(d.state, microseconds(d.due_at), to_bytes(d), d.id) for d in changed])
            return changed

        return await self._file.write(work)


class SqliteStreamStore:
    """Keeps the promises of :class:`idp.store.StreamStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._read_stream = Reader(Stream)

    async def get(self, stream_id: str) -> Stream | None:
        return self._one("SELECT document FROM streams WHERE id = ?", stream_id)

    async def of_client(self, client_id: str) -> Stream | None:
        return self._one("SELECT document FROM streams WHERE client_id = ?", client_id)

    def _one(self, sql: str, key: str) -> Stream | None:
        row = self._file.read(sql, (key,)).fetchone()
        return self._read_stream(row[0]) if row else None

    async def all(self) -> Sequence[Stream]:
        return [self._read_stream(document) for (document,) in self._file.read("SELECT document FROM streams ORDER BY id")]

    async def create(self, stream: Stream) -> bool:
        row = (stream.id, stream.client_id, to_bytes(stream))
        return await self._file.write(
            lambda connection: (
                connection.execute("INSERT INTO streams VALUES (?, ?, ?) ON CONFLICT (client_id) DO NOTHING", row).rowcount == 1
            )
        )

    async def put(self, stream: Stream) -> None:
        row = (to_bytes(stream), stream.id)
        await self._file.write(lambda connection: connection.execute("UPDATE streams SET document = ? WHERE id = ?", row))

    async def delete(self, stream_id: str) -> None:
        await self._file.write(lambda connection: connection.execute("DELETE FROM streams WHERE id = ?", (stream_id,)))


def _row(delivery: Delivery) -> tuple[str, str, str | None, DeliveryState, int, int, bytes]:
    return (
        delivery.id,
        delivery.recipient,
        delivery.account_id,
        delivery.state,
        microseconds(delivery.due_at),
        microseconds(delivery.created_at + _DELIVERY_MEMORY),
        to_bytes(delivery),
    )
