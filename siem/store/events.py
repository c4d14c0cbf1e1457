"""The event store: append once, search, histogram, top values, in one DuckDB file.

An event is appended once however often its record is processed. One process writes; readers take their own cursor
and never wait for it. What an establishment may see is given by :class:`Scope`, which every reading call asks for.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import orjson

from siem.errors import DataError, OperationError
from siem.event import FIELDS, Event, Kind, Value
from siem.store.query import EVERYTHING, Query, column

_SQL_TYPES: Final[Mapping[Kind, str]] = {
    Kind.KEYWORD: "VARCHAR",
    Kind.KEYWORDS: "VARCHAR[]",
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.FLOAT: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.IP: "VARCHAR",
}
#: Columns that hold an event's attributes; ``sequence`` is that of its raw record in the queue.
_ATTRIBUTES: Final[Mapping[str, str]] = {"id": "VARCHAR", "at": "BIGINT", "source": "VARCHAR", "tenant": "VARCHAR", "sequence": "BIGINT"}
_COLUMNS: Final[Mapping[str, str]] = {**_ATTRIBUTES, **{name: _SQL_TYPES[kind] for name, kind in FIELDS.items()}}
_READ_COLUMNS: Final = 'id, epoch_us("at"), source, tenant, ' + ", ".join(f'"{name}"' for name in FIELDS)
#: One parameter, a JSON list of texts, as a set.
_EACH_TEXT: Final = """SELECT unnest(from_json(?, '["VARCHAR"]'))"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


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


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event to append, with the sequence of its raw record in the queue."""

    sequence: int
    event: Event


class EventStore:
    """Events in the DuckDB file at ``path`` (None: in memory). Readers may call from any thread; one thread appends.

    Raises OperationError when the file cannot be opened, read or written; after a failed append nothing of it is kept.
    """

    def __init__(self, path: Path | None, *, memory_limit_mb: int = 400, threads: int = 2) -> None:
        self._path = path
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit_mb}MB",
            "threads": threads,
            "checkpoint_threshold": "64MB",  # a checkpoint rewrites the row group being filled: not too often
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._lock = threading.Lock()
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
                    cursor.begin()
                    for group in _by_source(missing):
                        _insert(cursor, group)
                    cursor.commit()
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
                parameters = [*parameters, _microseconds(after.at), after.id]
            statement = f'SELECT {_READ_COLUMNS} FROM events WHERE {condition} ORDER BY "at" DESC, id DESC LIMIT ?'
            rows = cursor.execute(statement, [*parameters, limit + 1]).fetchall()
        events = [_event(row) for row in rows[:limit]]
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
            start = _microseconds(search.from_at) if search.from_at else first
            end = _microseconds(search.to_at) if search.to_at else None if last is None else last + 1
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
            Bucket(_instant(start + index * width), _instant(start + (index + 1) * width), counts.get(index, 0)) for index in range(number)
        ]

    def top_values(self, search: Search, field: str, *, limit: int = 10) -> list[tuple[str, int]]:
        """The most frequent values of a field among matching events, with their counts. Raises DataError for an unknown field."""
        condition, parameters = where(search)
        target = column(field)
        value = f"unnest({target})" if FIELDS.get(field) is Kind.KEYWORDS else target
        statement = (
            f"SELECT CAST(value AS VARCHAR), count(*) AS number FROM (SELECT {value} AS value FROM events WHERE {condition})"
            " WHERE value IS NOT NULL GROUP BY value ORDER BY number DESC, value LIMIT ?"
        )
        with self.reading() as cursor:
            return cursor.execute(statement, [*parameters, limit]).fetchall()

    def get(self, ids: Collection[str], scope: Scope) -> list[Event]:
        """The events of these ids that the scope may see, in event time order; unknown ones are missing."""
        condition, parameters = _of_ids(ids, scope)
        with self.reading() as cursor:
            rows = cursor.execute(f'SELECT {_READ_COLUMNS} FROM events WHERE {condition} ORDER BY "at", id', parameters).fetchall()
        return [_event(row) for row in rows]

    def sequences(self, ids: Collection[str], scope: Scope) -> dict[str, int]:
        """For each event that the scope may see, the sequence of its raw record in the queue."""
        condition, parameters = _of_ids(ids, scope)
        with self.reading() as cursor:
            return dict(cursor.execute(f"SELECT id, sequence FROM events WHERE {condition}", parameters).fetchall())

    def take_back(self, sequence: int) -> None:
        """Remove the events of one record, whose effects were never committed: as if it had not been appended."""
        with self._failing_as("taking back events"):
            cursor = self._cursor()
            try:
                cursor.execute("DELETE FROM events WHERE sequence = ?", [sequence])
            finally:
                cursor.close()

    def forget(self, before: datetime) -> int:
        """Remove events that happened before that instant (retention); how many."""
        with self._failing_as("removing events past retention"):
            cursor = self._cursor()
            try:
                row = cursor.execute('DELETE FROM events WHERE "at" < make_timestamp(?)', [_microseconds(before)]).fetchone()
            finally:
                cursor.close()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Write everything into the file and close it."""
        with self._lock:
            if self._root is not None:
                self._root.close()
                self._root = None

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._root is None:
                if self._path is not None:
                    self._path.parent.mkdir(parents=True, exist_ok=True)
                root = duckdb.connect(str(self._path) if self._path else ":memory:", config=self._config)
                _prepare(root)
                self._root = root
            return self._root

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection().cursor()

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
        if "space" in text.lower():
            text += "; free space on this disk, nothing received is lost"
        elif "lock" in text.lower():
            text += "; another process has this file open, stop it first"
        return OperationError(attempted, f"{self._path or 'memory'} ({text})", retry_helps=True)


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    attributes = 'id VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL, source VARCHAR NOT NULL, tenant VARCHAR NOT NULL, sequence BIGINT NOT NULL'
    connection.execute(f"CREATE TABLE IF NOT EXISTS events ({attributes})")
    present = {row[0] for row in connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'events'").fetchall()}
    for name, kind in FIELDS.items():
        if name not in present:
            connection.execute(f'ALTER TABLE events ADD COLUMN "{name}" {_SQL_TYPES[kind]}')


def _by_source(items: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    # Events of one source share many values, and a value that all rows share costs next to nothing to load (see _insert).
    groups: dict[tuple[str, str], list[StoredEvent]] = {}
    for item in items:
        groups.setdefault((item.event.tenant, item.event.source), []).append(item)
    return list(groups.values())


def _insert(cursor: duckdb.DuckDBPyConnection, items: Sequence[StoredEvent]) -> None:
    """Load events as one JSON document, a list per column; 11 µs an event measured, against 26 µs as a list of objects.

    A value that all rows share is given once: that is what makes most of the difference.
    """
    all_fields = [item.event.fields for item in items]
    values: dict[str, list[object]] = {
        "id": [item.event.id for item in items],
        "at": [_microseconds(item.event.at) for item in items],
        "source": [item.event.source for item in items],
        "tenant": [item.event.tenant for item in items],
        "sequence": [item.sequence for item in items],
    }
    used = set().union(*all_fields)
    for name in FIELDS:
        if name in used:
            values[name] = [fields.get(name) for fields in all_fields]
    document: dict[str, object] = {}
    structure: dict[str, str] = {}
    expressions = []
    for name, rows in values.items():
        shared = name not in ("id", "at", "sequence") and rows.count(rows[0]) == len(rows)
        document[name] = rows[0] if shared else rows
        structure[name] = _COLUMNS[name] if shared else f"{_COLUMNS[name]}[]"
        expression = f'e."{name}"' if shared else f'unnest(e."{name}")'
        expressions.append(f"make_timestamp({expression})" if name == "at" else expression)
    targets = ", ".join(f'"{name}"' for name in values)
    schema = orjson.dumps(structure).decode()  # names and types of FIELDS alone: nothing in it comes from outside
    statement = f"INSERT INTO events ({targets}) SELECT {', '.join(expressions)} FROM (SELECT from_json_strict(?, '{schema}') AS e)"
    cursor.execute(statement, [orjson.dumps(document).decode()])


def where(search: Search) -> tuple[str, list[object]]:
    """The condition of a search on the event table, and its parameters: whose events, from when to when, and which."""
    conditions, parameters = _scoped(search.scope)
    if search.from_at is not None:
        conditions.append('"at" >= make_timestamp(?)')
        parameters.append(_microseconds(search.from_at))
    if search.to_at is not None:
        conditions.append('"at" < make_timestamp(?)')
        parameters.append(_microseconds(search.to_at))
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


def _event(row: tuple[object, ...]) -> Event:
    identity, at, source, tenant = row[:4]
    fields: dict[str, Value] = {name: value for name, value in zip(FIELDS, row[4:], strict=True) if value is not None}  # type: ignore[misc]
    return Event(str(identity), _instant(int(str(at))), str(source), str(tenant), fields)


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
