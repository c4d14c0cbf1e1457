"""Stored events as a stream, for reading many of them in the order in which they happened."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from siem.event import Event, Kind
from siem.store.event_table import columns_of, event_of, instant
from siem.store.events import EventStore, Scope, Search, where
from siem.store.query import column, kind_of

#: Events handed on together.
_BATCH_COUNT: Final = 2_000
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the time, and how many events it holds: from ``from_at`` on, before ``to_at``."""

    from_at: datetime
    to_at: datetime
    count: int


def slices(
    store: EventStore, scope: Scope, from_at: datetime | None, to_at: datetime | None, *, size: Callable[[], int]
) -> Iterator[Slice]:
    """The stretch of time cut into parts of about ``size`` events, asked anew before each, oldest first; at most half as many again,
    unless they are of one instant. What is between the first event and the last is in one part, empty ones are left out.

    Parts are cut where the next one is asked for, by counting: DuckDB skips what lies wholly inside or outside of a part, where a
    histogram looks at each event.
    """
    first = _extent(store, Search(scope, from_at=from_at, to_at=to_at))
    waiting = [] if first is None else [first]
    while waiting:
        part, wanted = waiting.pop(), max(size(), 1)
        if part.count * 2 <= wanted * 3 or part.to_at - part.from_at <= _MICROSECOND:
            yield part
            continue
        middle = part.from_at + max((part.to_at - part.from_at) * (wanted / part.count), _MICROSECOND)
        head = store.count(Search(scope, from_at=part.from_at, to_at=middle))
        rest = replace(part, from_at=middle, count=max(part.count - head, 0))
        if head:
            waiting += [rest, Slice(part.from_at, middle, head)]
        elif tight := _extent(store, Search(scope, from_at=middle, to_at=part.to_at)):
            waiting.append(tight)


def _extent(store: EventStore, search: Search) -> Slice | None:
    """The shortest part that holds every event of a stretch; None where there is none."""
    condition, parameters = where(search)
    with store.reading() as cursor:
        statement = f'SELECT epoch_us(min("at")), epoch_us(max("at")), count(*) FROM events WHERE {condition}'
        first, last, count = cursor.execute(statement, parameters).fetchall()[0]
    return Slice(instant(first), instant(last + 1), count) if count else None


def tenants(store: EventStore) -> list[str]:
    """Whose events there are."""
    with store.reading() as cursor:
        return [row[0] for row in cursor.execute("SELECT DISTINCT tenant FROM events ORDER BY tenant").fetchall()]


def first_at(store: EventStore, scope: Scope) -> datetime | None:
    """When the oldest event happened; None where there is none."""
    condition, parameters = where(Search(scope))
    with store.reading() as cursor:
        row = cursor.execute(f'SELECT epoch_us(min("at")) FROM events WHERE {condition}', parameters).fetchall()[0]
    return None if row[0] is None else instant(row[0])


def distinct(store: EventStore, search: Search, name: str) -> Iterator[list[str]]:
    """Every value that a field with a column has in matching events, each once; the elements of one that holds a list."""
    condition, parameters = where(search)
    one = f"unnest({column(name)})" if kind_of(name) is Kind.KEYWORDS else f"CAST({column(name)} AS VARCHAR)"
    with store.reading() as cursor:
        cursor.execute(f"SELECT DISTINCT {one} AS value FROM events WHERE {condition}", parameters)
        while rows := cursor.fetchmany(_BATCH_COUNT):
            yield [row[0] for row in rows if row[0] is not None]


def scan(store: EventStore, search: Search, fields: Collection[str] | None = None) -> Iterator[list[Event]]:
    """Matching events in event time order, on one snapshot of the store. DuckDB sorts them, within its memory limit.

    ``fields`` are those that are needed, where not all are: of seven an event costs a third of what it costs of sixty.
    """
    condition, parameters = where(search)
    columns, names = columns_of(fields)
    with store.reading() as cursor:
        cursor.execute(f'SELECT {columns} FROM events WHERE {condition} ORDER BY "at", id', parameters)
        while rows := cursor.fetchmany(_BATCH_COUNT):
            yield [event_of(row, names) for row in rows]
