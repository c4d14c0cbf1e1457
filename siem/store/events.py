"""The event store: append once, search, histogram, top values, in one DuckDB file.

An event is appended once however often its record is processed. One process writes; readers take their own cursor
and never wait for it. What an establishment may see is given by :class:`Scope`, which every reading call asks for.
"""

import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import orjson

from siem.errors import DataError, OperationError
from siem.event import FIELDS, Event, Kind
from siem.store.event_table import READ_COLUMNS, event_of, instant, load, microseconds, prepare, standing_in
from siem.store.event_table import StoredEvent as StoredEvent
from siem.store.other_fields import SeenNames
from siem.store.query import EVERYTHING, Query, column, kind_of

#: What DuckDB says of a file that another process holds, and of one whose content is not what was written.
_LOCKED: Final = re.compile(r"\block\b", re.IGNORECASE)
_DAMAGED: Final = re.compile(r"Corrupt database file|Could not read enough bytes|not a valid DuckDB database", re.IGNORECASE)
#: One parameter, a JSON list of texts, as a set.
_EACH_TEXT: Final = """SELECT unnest(from_json(?, '["VARCHAR"]'))"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose events may be seen: one tenant's, and in it those of the given establishments (None: of all)."""

    tenant: str = "default"
    finess: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for. ``from_at`` is inclusive, ``to_at`` exclusive; None leaves that side open."""

    scope: Scope
    query: Query = EVERYTHING
    from_at: datetime | None = None
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: pass it to continue with older events."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Events from newest to oldest. ``total`` counts all that match; ``following`` is None on the last page."""

    events: list[Event]
    total: int
    following: Cursor | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bar of a histogram: from ``start_at`` on, before ``end_at``."""

    start_at: datetime
    end_at: datetime
    count: int


class EventStore:
    """Events in the DuckDB file at ``path`` (None: in memory). Readers may call from any thread; one thread appends.

    ``read_only``: several processes may then read at a time, while none writes; the file is not changed in any way.

    Raises OperationError when the file cannot be opened, read or written; after a failed append nothing of it is kept.
    """

    def __init__(self, path: Path | None, *, memory_limit_mb: int = 400, threads: int = 2, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": threads,
            "access_mode": "READ_ONLY" if read_only else "AUTOMATIC",
            "checkpoint_threshold": "64MB",  # a checkpoint rewrites the row group being filled: not too often
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._lock = threading.Lock()
        self._standing_in: str | None = None
        self._root: duckdb.DuckDBPyConnection | None = None
        with self._failing_as("opening the event store"):
            self._connection()

    def append(self, batch: Sequence[StoredEvent]) -> list[bool]:
        """Store the events durably; for each, whether it is new.

        New means: not there before, or there from this very record. A batch that was appended and then interrupted is
        new again when its records are processed again, since its effects were never committed; the same event from
        another record, or a second time in the batch, is not.
        """
        with self._failing_as("storing events"):
            cursor = self._cursor()
            try:
                known = self._known(cursor, [item.event.id for item in batch])
                missing: list[StoredEvent] = []
                fresh: list[bool] = []
                owners = dict(known)
                for item in batch:
                    owner = owners.get(item.event.id)
                    if owner is None:
                        owners[item.event.id] = item.sequence
                        missing.append(item)
                        fresh.append(True)
                    else:
                        fresh.append(owner == item.sequence and item.event.id in known)
                if missing:
                    names = self._names
                    cursor.begin()
                    load(cursor, missing)
                    seen = names.add(cursor, [item.event for item in missing])
                    cursor.commit()
                    names.committed(seen)
            finally:
                cursor.close()  # also rolls back
        return fresh

    @staticmethod
    def _known(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, int]:
        if not ids:
            return {}
        # Ids begin with the event's time: the bounds let DuckDB skip every row group of another time.
        rows = cursor.execute(
            f"SELECT id, sequence FROM events WHERE id >= ? AND id <= ? AND id IN ({_EACH_TEXT})",
            [min(ids), max(ids), orjson.dumps(ids).decode()],
        ).fetchall()
        return dict(rows)

    def search(self, search: Search, *, limit: int = 100, after: Cursor | None = None) -> Page:
        """One page of matching events, newest first."""
        condition, parameters = where(search)
        with self.reading() as cursor:
            total = _count(cursor, condition, parameters)
            if after is not None:
                condition += ' AND ("at", id) < (make_timestamp(?), ?)'
                parameters = [*parameters, microseconds(after.at), after.id]
            statement = f'SELECT {READ_COLUMNS} FROM events WHERE {condition} ORDER BY "at" DESC, id DESC LIMIT ?'
            rows = cursor.execute(statement, [*parameters, limit + 1]).fetchall()
        events = [event_of(row) for row in rows[:limit]]
        return Page(events, total, Cursor(events[-1].at, events[-1].id) if len(rows) > limit else None)

    def count(self, search: Search) -> int:
        """How many events match."""
        condition, parameters = where(search)
        with self.reading() as cursor:
            return _count(cursor, condition, parameters)

    def histogram(self, search: Search, *, bucket_count: int = 60) -> list[Bucket]:
        """Matching events over time, in equal buckets that cover the search's range (or the events, where it is open)."""
        condition, parameters = where(search)
        with self.reading() as cursor:
            first, last = cursor.execute(
                f'SELECT min(epoch_us("at")), max(epoch_us("at")) FROM events WHERE {condition}', parameters
            ).fetchall()[0]
            start = microseconds(search.from_at) if search.from_at else first
            end = microseconds(search.to_at) if search.to_at else None if last is None else last + 1
            if start is None or end is None or end <= start:
                return []
            width = max(1, -(-(end - start) // bucket_count))
            rows = cursor.execute(
                f'SELECT (epoch_us("at") - ?) // ? AS bucket, count(*) FROM events WHERE {condition} GROUP BY bucket',
                [start, width, *parameters],
            ).fetchall()
        counts = dict(rows)
        number = -(-(end - start) // width)
        return [
            Bucket(instant(start + index * width), instant(start + (index + 1) * width), counts.get(index, 0)) for index in range(number)
        ]

    def top_values(self, search: Search, field: str, *, limit: int = 10) -> list[tuple[str, int]]:
        """The most frequent values of a field among matching events, with their counts. Raises DataError for what is no field's name."""
        condition, parameters = where(search)
        target = column(field)
        value = f"unnest({target})" if kind_of(field) is Kind.KEYWORDS else target
        statement = (
            f"SELECT CAST(value AS VARCHAR), count(*) AS number FROM (SELECT {value} AS value FROM events WHERE {condition})"
            " WHERE value IS NOT NULL GROUP BY value ORDER BY number DESC, value LIMIT ?"
        )
        with self.reading() as cursor:
            return cursor.execute(statement, [*parameters, limit]).fetchall()

    def get(self, ids: Collection[str], scope: Scope) -> list[Event]:
        """The events of these ids that the scope may see, in event time order; unknown ones are missing."""
        if not ids:
            return []
        condition, parameters = _of_ids(ids, scope)
        with self.reading() as cursor:
            rows = cursor.execute(f'SELECT {READ_COLUMNS} FROM events WHERE {condition} ORDER BY "at", id', parameters).fetchall()
        return [event_of(row) for row in rows]

    def sequences(self, ids: Collection[str], scope: Scope) -> dict[str, int]:
        """For each event that the scope may see, the sequence of its raw record in the queue."""
        condition, parameters = _of_ids(ids, scope)
        with self.reading() as cursor:
            return dict(cursor.execute(f"SELECT id, sequence FROM events WHERE {condition}", parameters).fetchall())

    def widened(self, search: Search) -> Search:
        """The search, with every event that has several values for a field with a column: conditions on columns do not see them.

        For a search whose results are looked at once more. Whoever counts matches in SQL alone counts too few where :meth:`has_lists`.
        """
        if not self.has_lists(search.scope.tenant):
            return search
        query = Query(f"(coalesce({search.query.condition}, FALSE) OR several IS NOT NULL)", search.query.parameters)
        return replace(search, query=query)

    def has_lists(self, tenant: str) -> bool:
        """Whether some event of a tenant has several values for a field with a column."""
        return any(not FIELDS.keys().isdisjoint(names) for names in self.other_names(tenant).values())

    def other_names(self, tenant: str) -> dict[str, frozenset[str]]:
        """For each source of a tenant, the fields of its events that have no column of their own."""
        self._connection()
        return self._names.of(tenant)

    def take_back(self, sequence: int) -> None:
        """Remove the events of one record, whose effects were never committed: as if it had not been appended."""
        with self._failing_as("taking back events"):
            cursor = self._cursor()
            try:
                cursor.execute("DELETE FROM events WHERE sequence = ?", [sequence])
            finally:
                cursor.close()

    def forget(
        self,
        before: datetime,
        *,
        about_patients: bool | None = None,
        received_up_to: int | None = None,
        keep: Collection[str] = (),
        most: int | None = None,
    ) -> int:
        """Remove events that happened before that instant (retention), the oldest first; how many.

        ``about_patients``: only those that name a patient, or only the others. ``received_up_to``: only of raw records up to that
        sequence. ``keep``: ids that stay. ``most``: about so many (all of one instant go together). Any thread may call it while another
        appends. The blocks of the file that get free are used again.
        """
        condition = '"at" < make_timestamp(?)'
        parameters: list[object] = [microseconds(before)]
        if about_patients is not None:
            condition += f' AND "health.patient.pseudonym" IS {"NOT " if about_patients else ""}NULL'
        if received_up_to is not None:
            condition += " AND sequence <= ?"
            parameters.append(received_up_to)
        if keep:
            condition += f" AND id NOT IN ({_EACH_TEXT})"
            parameters.append(orjson.dumps(sorted(keep)).decode())
        with self._failing_as("removing events past retention"):
            cursor = self._cursor()
            try:
                if most is not None:
                    oldest = f'SELECT "at" FROM events WHERE {condition} ORDER BY "at" LIMIT ?'
                    last = cursor.execute(f'SELECT epoch_us(max("at")) FROM ({oldest})', [*parameters, most]).fetchall()[0][0]
                    if last is None:
                        return 0
                    condition, parameters = f'{condition} AND "at" <= make_timestamp(?)', [*parameters, last]
                row = cursor.execute(f"DELETE FROM events WHERE {condition}", parameters).fetchone()
            finally:
                cursor.close()
        return int(row[0]) if row else 0

    def give_back(self) -> None:
        """Write into the file what was removed, so that its space is used again; not while somebody writes, later is as good."""
        with self._failing_as("giving back the space of removed events"):
            cursor = self._cursor()
            try:
                cursor.execute("CHECKPOINT")
            except duckdb.TransactionException:
                pass
            finally:
                cursor.close()

    def newest_at(self) -> datetime | None:
        """When the last event happened, of all tenants; None where there is none."""
        with self.reading() as cursor:
            row = cursor.execute('SELECT epoch_us(max("at")) FROM events').fetchall()[0]
        return None if row[0] is None else instant(row[0])

    def close(self) -> None:
        """Write everything into the file and close it."""
        with self._lock:
            if self._root is not None:
                self._root.close()
                self._root = None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._root is None:
                if self._path is not None and not self._read_only:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                root = duckdb.connect(str(self._path) if self._path else ":memory:", config=self._config)
                if self._read_only:
                    root.execute("SET TimeZone = 'UTC'")
                    self._standing_in = standing_in(root)
                else:
                    prepare(root)
                self._names = SeenNames(root, create=not self._read_only)
                self._root = root
            return self._root

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._connection().cursor()
        if self._standing_in is not None:
            cursor.execute(self._standing_in)
        return cursor

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for reading only, closed at the end; its failures are named. Others of the store read through it, by :func:`where`."""
        with self._failing_as("reading events"):
            cursor = self._cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    @contextmanager
    def _failing_as(self, attempted: str) -> Iterator[None]:
        try:
            yield
        except duckdb.FatalException as error:
            # DuckDB refuses further work on an instance that met a failed write; the file itself is sound: open it anew.
            self.close()
            raise self._failure(attempted, error) from error
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            # Not a failing disk: a value that no column takes. Trying the same again would fail for ever.
            raise DataError("events", 0, "", f"the event store refuses a value: {str(error).strip().splitlines()[0][:300]}") from error
        except duckdb.Error as error:
            raise self._failure(attempted, error) from error

    def _failure(self, attempted: str, error: duckdb.Error) -> OperationError:
        text = str(error).strip().splitlines()[0]
        damaged = _DAMAGED.search(text) is not None
        if damaged:
            text += "; the file is damaged: put a copy of it back, or move it away and receive the events again"
        elif "space" in text.lower():
            text += "; free space on this disk, nothing received is lost"
        elif _LOCKED.search(text):
            text += "; another process has this file open, stop it first"
        return OperationError(attempted, f"{self._path or 'memory'} ({text})", retry_helps=not damaged)


def where(search: Search) -> tuple[str, list[object]]:
    """The condition of a search on the event table, and its parameters: whose events, from when to when, and which."""
    conditions, parameters = _scoped(search.scope)
    if search.from_at is not None:
        conditions.append('"at" >= make_timestamp(?)')
        parameters.append(microseconds(search.from_at))
    if search.to_at is not None:
        conditions.append('"at" < make_timestamp(?)')
        parameters.append(microseconds(search.to_at))
    conditions.append(search.query.condition)
    parameters.extend(search.query.parameters)
    return " AND ".join(conditions), parameters


def _scoped(scope: Scope) -> tuple[list[str], list[object]]:
    conditions = ["tenant = ?"]
    parameters: list[object] = [scope.tenant]
    if scope.finess is not None:
        conditions.append(f'"health.structure.finess" IN ({_EACH_TEXT})')
        parameters.append(orjson.dumps(sorted(scope.finess)).decode())
    return conditions, parameters


def _of_ids(ids: Collection[str], scope: Scope) -> tuple[str, list[object]]:
    conditions, parameters = _scoped(scope)
    conditions.append(f"id >= ? AND id <= ? AND id IN ({_EACH_TEXT})")
    parameters.extend([min(ids, default=""), max(ids, default=""), orjson.dumps(list(ids)).decode()])
    return " AND ".join(conditions), parameters


def _count(cursor: duckdb.DuckDBPyConnection, condition: str, parameters: Sequence[object]) -> int:
    return int(cursor.execute(f"SELECT count(*) FROM events WHERE {condition}", list(parameters)).fetchall()[0][0])
