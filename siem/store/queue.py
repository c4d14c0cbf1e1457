"""The queue: durable receipt of raw records, and how far each input has read.

A record counts as received once :meth:`Queue.put` has returned: it is on the disk (``synchronous`` full), together
with the offset of the input it came from, so a kill loses nothing and doubles nothing. Callers that wait at the same
time share one commit. The pipeline reads by sequence and keeps its own position with the effects of what it read.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, TypeVar

from siem.errors import OperationError
from siem.event import RawRecord
from siem.store.database import Synchronous

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    tenant TEXT NOT NULL,
    position TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS offsets (
    source TEXT PRIMARY KEY,
    state TEXT NOT NULL
) WITHOUT ROWID;
"""
_INSERT: Final = "INSERT INTO records (source, tenant, position, received_at, data) VALUES (?, ?, ?, ?, ?)"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

#: Free pages handed to the disk with one call of :meth:`Queue.forget`, 4 KiB each.
_PAGES_GIVEN_BACK: Final = 2_000

#: What an input remembers of how far it has read; any JSON object.
Offset = Mapping[str, object]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class QueuedRecord:
    """A received record at its place in the queue; sequences grow by the order of receipt and are never reused."""

    sequence: int
    record: RawRecord


class RecordQueue(Protocol):
    """What inputs and the pipeline ask of a queue."""

    def put(self, records: Sequence[RawRecord], offsets: Mapping[str, Offset] | None = None) -> int:
        """Make the records and the offsets of their inputs durable together; the last sequence given."""
        ...

    def read(self, after: int, limit: int) -> list[QueuedRecord]:
        """At most ``limit`` records whose sequence is greater than ``after``, in order."""
        ...

    def offset(self, source: str) -> Offset | None:
        """How far the input of that source has read, as it last said."""
        ...

    def wait_beyond(self, sequence: int, timeout: timedelta) -> bool:
        """Sleep until a record after ``sequence`` is there, or the time is over; whether there is one."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    """One caller of put, until its records are on the disk or it is known that they cannot be."""

    rows: Sequence[tuple[str, str, str, int, bytes]]
    offsets: Mapping[str, Offset]
    done: bool = False
    last_sequence: int = 0
    error: sqlite3.Error | None = field(default=None)


class Queue:
    """The queue in one SQLite file. Safe to use from several threads of one process."""

    def __init__(self, path: Path, *, synchronous: Synchronous = "full") -> None:
        self._path = path
        self._synchronous = synchronous
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connect()
        self._reader = self._connect()
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._waiting_lock = threading.Lock()
        self._arrived = threading.Condition()
        self._wakes = 0
        with self._failing_as("opening the queue of received records"):
            self._writer.executescript("PRAGMA auto_vacuum=INCREMENTAL;" + _SCHEMA)
            self._last_sequence = self._read_last_sequence()

    def _connect(self) -> sqlite3.Connection:
        with self._failing_as("opening the queue of received records"):
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
            for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", f"synchronous={self._synchronous}", "wal_autocheckpoint=4000"):
                connection.execute(f"PRAGMA {pragma}")
        return connection

    def put(self, records: Sequence[RawRecord], offsets: Mapping[str, Offset] | None = None) -> int:
        """Make the records and the offsets of their inputs durable together; the last sequence given.

        Raises OperationError when the disk refuses; then nothing of this call is kept and the caller may try again.
        """
        rows = [(record.source, record.tenant, record.position, _microseconds(record.received_at), record.data) for record in records]
        mine = _Waiting(rows, offsets or {})
        with self._waiting_lock:
            self._waiting.append(mine)
        # Whoever gets the lock first commits for all who queued up meanwhile: one fsync for the group.
        with self._write_lock:
            if not mine.done:
                self._commit_waiting()
        if mine.error is not None:
            raise self._failure("storing received records", mine.error) from mine.error
        return mine.last_sequence

    def _commit_waiting(self) -> None:
        with self._waiting_lock:
            group, self._waiting = self._waiting, []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for entry in group:
                if entry.rows:
                    self._writer.executemany(_INSERT, entry.rows)
                    entry.last_sequence = self._read_last_sequence()
                for source, state in entry.offsets.items():
                    self._writer.execute("INSERT OR REPLACE INTO offsets (source, state) VALUES (?, ?)", (source, json.dumps(state)))
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            for entry in group:
                entry.error = error
        finally:
            for entry in group:
                entry.done = True
        sequences = [entry.last_sequence for entry in group if entry.error is None and entry.rows]
        if sequences:
            with self._arrived:
                self._last_sequence = max(sequences)
                self._arrived.notify_all()

    def _read_last_sequence(self) -> int:
        # sqlite_sequence outlives the rows: after retention has emptied the table, numbers go on growing.
        row = self._writer.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return int(row[0]) if row else 0

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest record received; 0 when none ever was."""
        return self._last_sequence

    def wait_beyond(self, sequence: int, timeout: timedelta) -> bool:
        """Sleep until a record after ``sequence`` is there, or the time is over; whether there is one."""
        with self._arrived:
            wakes = self._wakes
            self._arrived.wait_for(lambda: self._last_sequence > sequence or self._wakes != wakes, timeout.total_seconds())
            return self._last_sequence > sequence

    def wake(self) -> None:
        """Wake whoever sleeps in :meth:`wait_beyond` for a look around (used to stop without delay)."""
        with self._arrived:
            self._wakes += 1
            self._arrived.notify_all()

    def read(self, after: int, limit: int) -> list[QueuedRecord]:
        """At most ``limit`` records whose sequence is greater than ``after``, in order."""
        query = "SELECT sequence, source, position, received_at, data, tenant FROM records WHERE sequence > ? ORDER BY sequence LIMIT ?"
        rows = self._reading(lambda reader: reader.execute(query, (after, limit)).fetchall())
        return [
            QueuedRecord(sequence, RawRecord(source, position, _EPOCH + received_at * _MICROSECOND, data, tenant))
            for sequence, source, position, received_at, data, tenant in rows
        ]

    def get(self, sequences: Collection[int]) -> dict[int, RawRecord]:
        """The records of these sequences, as received; those already past retention are missing."""
        query = "SELECT source, position, received_at, data, tenant FROM records WHERE sequence = ?"

        def look_up(reader: sqlite3.Connection) -> dict[int, RawRecord]:
            found = {}
            for sequence in sequences:
                row = reader.execute(query, (sequence,)).fetchone()
                if row is not None:
                    source, position, received_at, data, tenant = row
                    found[sequence] = RawRecord(source, position, _EPOCH + received_at * _MICROSECOND, data, tenant)
            return found

        return self._reading(look_up)

    def offset(self, source: str) -> Offset | None:
        """How far the input of that source has read, as it last said; None before its first put."""
        row = self._reading(lambda reader: reader.execute("SELECT state FROM offsets WHERE source = ?", (source,)).fetchone())
        if row is None:
            return None
        state: dict[str, object] = json.loads(row[0])
        return state

    def backlog(self, after: int) -> int:
        """How many records wait behind ``after``."""
        row = self._reading(lambda reader: reader.execute("SELECT count(*) FROM records WHERE sequence > ?", (after,)).fetchone())
        return int(row[0])

    def received_before(self, instant: datetime, now: datetime) -> int:
        """The last sequence before the first record that was received from that instant on; the last of all where none was.

        A record from beyond ``now`` was received under a wrong clock and is passed over. What follows in the queue came later, whatever
        its date says.
        """
        statement = "SELECT sequence FROM records WHERE received_at BETWEEN ? AND ? ORDER BY sequence LIMIT 1"
        given = _microseconds(instant), _microseconds(now)
        row = self._reading(lambda reader: reader.execute(statement, given).fetchone())
        return self.last_sequence if row is None else int(row[0]) - 1

    def forget(self, received_before: datetime, processed_up_to: int, *, keep: Collection[int] = (), most: int = -1) -> int:
        """Remove records that are processed and were received before that instant, the oldest first; how many.

        What the pipeline has not passed yet stays, however old, and so does ``keep``. ``most``: at most so many, since whoever sends
        waits meanwhile; -1: all. Their pages go back to the disk.
        """
        with self._write_lock, self._failing_as("removing records past retention"):
            old = "SELECT sequence FROM records WHERE sequence <= ? AND received_at < ?"
            kept = "sequence NOT IN (SELECT value FROM json_each(?))"
            statement = f"DELETE FROM records WHERE sequence IN ({old} AND {kept} ORDER BY sequence LIMIT ?)"
            given = (processed_up_to, _microseconds(received_before), json.dumps(sorted(keep)), most)
            count = self._writer.execute(statement, given).rowcount
            self._writer.execute(f"PRAGMA incremental_vacuum({_PAGES_GIVEN_BACK if most >= 0 else 0})").fetchall()
        return count

    def close(self) -> None:
        """Close the file; further calls fail."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            self._reader.close()

    def _reading(self, look_up: Callable[[sqlite3.Connection], _Result]) -> _Result:
        with self._read_lock, self._failing_as("reading received records"):
            return look_up(self._reader)

    @contextmanager
    def _failing_as(self, attempted: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(attempted, error) from error

    def _failure(self, attempted: str, error: sqlite3.Error) -> OperationError:
        advice = (
            "free space on this disk, nothing acknowledged is lost"
            if "full" in str(error)
            else "check the disk and the rights on this file"
        )
        return OperationError(attempted, f"{self._path} ({error}; {advice})", retry_helps=True)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
