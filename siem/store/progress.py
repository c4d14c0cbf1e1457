"""What the pipeline commits with the effects of a batch: its position, its counts, its dead letters, its states.

All functions take the Connection of the caller's transaction, so that a batch happens as a whole or not at all.
For every source, received = stored + duplicates + dropped, at every commit.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Insert,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from siem.errors import OperationError
from siem.event import RawRecord
from siem.store.database import Database, Instant, metadata
from siem.store.queue import RecordQueue

_PIPELINE: Final = "pipeline"

positions = Table(
    "pipeline_positions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("sequence", Integer, nullable=False),
)
counters = Table(
    "pipeline_counters",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("outcome", String(16), primary_key=True),
    Column("reason", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
)
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sequence", Integer, nullable=False, unique=True),
    Column("tenant", String(64), nullable=False),
    Column("source", String(64), nullable=False, index=True),
    Column("position", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("dropped_at", Instant, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("field", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
states = Table(
    "pipeline_states",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("state", LargeBinary, nullable=False),
)


class Outcome(StrEnum):
    """What became of a received record: each has exactly one of the last three."""

    RECEIVED = "received"
    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"


class DropReason(StrEnum):
    """Why a record did not become an event."""

    UNREADABLE = "unreadable"  # not in the source's format, or a field is wrong
    UNKNOWN_SOURCE = "unknown_source"  # its source is no longer in the configuration
    DEFECT = "defect"  # our parser failed on it: a bug of ours


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was dropped, kept whole until its source or our parser is mended. ``id`` is 0 before it is stored."""

    sequence: int
    record: RawRecord
    reason: DropReason
    field: str
    problem: str
    dropped_at: datetime
    id: int = 0


@dataclass(slots=True)
class BatchCounts:
    """Counts of one batch by source, outcome and reason; the reason is empty unless dropped."""

    by_key: dict[tuple[str, Outcome, str], int] = field(default_factory=dict)

    def add(self, source: str, outcome: Outcome, reason: str = "", count: int = 1) -> None:
        """Count records of a source with that outcome."""
        key = (source, outcome, reason)
        self.by_key[key] = self.by_key.get(key, 0) + count

    def total(self, outcome: Outcome) -> int:
        """How many records had that outcome, whatever their source."""
        return sum(count for (_, counted, _), count in self.by_key.items() if counted is outcome)


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Totals of one source since the watch began. received = stored + duplicates + the sum of dropped."""

    source: str
    received: int
    stored: int
    duplicates: int
    dropped: Mapping[str, int]
    last_received_at: datetime | None


@contextmanager
def naming_failures() -> Iterator[None]:
    """Turn a failure of the database into an OperationError that says what to do."""
    try:
        yield
    except DBAPIError as error:
        subject = f"{error.orig}; if the disk is full free space, nothing received is lost"
        raise OperationError("committing to the watch's database", subject, retry_helps=True) from error


def read_position(connection: Connection) -> int:
    """Sequence of the last record whose effects are committed; 0 at first."""
    return connection.execute(select(positions.c.sequence).where(positions.c.name == _PIPELINE)).scalar() or 0


def write_position(connection: Connection, sequence: int) -> None:
    """Move on, in the transaction that holds the effects of everything up to there."""
    changed = connection.execute(update(positions).where(positions.c.name == _PIPELINE).values(sequence=sequence))
    if changed.rowcount == 0:
        connection.execute(insert(positions).values(name=_PIPELINE, sequence=sequence))


def add_counts(connection: Connection, counts: BatchCounts, at: datetime) -> None:
    """Add a batch's counts to the totals."""
    rows = [
        {"key_source": source, "key_outcome": str(outcome), "key_reason": reason, "added": count, "at": at}
        for (source, outcome, reason), count in counts.by_key.items()
        if count
    ]
    statement = (
        update(counters)
        .where(
            counters.c.source == bindparam("key_source"),
            counters.c.outcome == bindparam("key_outcome"),
            counters.c.reason == bindparam("key_reason"),
        )
        .values(count=counters.c.count + bindparam("added"), last_at=bindparam("at"))
    )
    for row in rows:
        if connection.execute(statement, row).rowcount == 0:
            values = {
                "source": row["key_source"],
                "outcome": row["key_outcome"],
                "reason": row["key_reason"],
                "count": row["added"],
                "last_at": at,
            }
            connection.execute(insert(counters).values(values))


def read_counts(connection: Connection) -> list[SourceCounts]:
    """Totals of every source that ever received a record, by name."""
    rows = connection.execute(select(counters, counters.c.count.label("number")).order_by(counters.c.source)).all()
    totals: dict[str, dict[tuple[str, str], int]] = {}
    seen: dict[str, datetime] = {}
    for row in rows:
        totals.setdefault(row.source, {})[(row.outcome, row.reason)] = row.number
        if row.outcome == Outcome.RECEIVED:
            seen[row.source] = row.last_at
    return [
        SourceCounts(
            source=source,
            received=by_key.get((Outcome.RECEIVED, ""), 0),
            stored=by_key.get((Outcome.STORED, ""), 0),
            duplicates=by_key.get((Outcome.DUPLICATE, ""), 0),
            dropped={reason: count for (outcome, reason), count in by_key.items() if outcome == Outcome.DROPPED and count},
            last_received_at=seen.get(source),
        )
        for source, by_key in totals.items()
    ]


def add_dead_letters(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Keep dropped records with their reason."""
    if letters:
        connection.execute(
            insert(dead_letters),
            [
                {
                    "sequence": letter.sequence,
                    "tenant": letter.record.tenant,
                    "source": letter.record.source,
                    "position": letter.record.position,
                    "received_at": letter.record.received_at,
                    "dropped_at": letter.dropped_at,
                    "reason": str(letter.reason),
                    "field": letter.field,
                    "problem": letter.problem,
                    "data": letter.record.data,
                }
                for letter in letters
            ],
        )


def list_dead_letters(
    connection: Connection, *, source: str | None = None, reason: DropReason | None = None, limit: int = 100, before: int | None = None
) -> list[DeadLetter]:
    """Dropped records, newest first; ``before`` a sequence, to go on where the last call ended."""
    statement = select(dead_letters).order_by(dead_letters.c.sequence.desc()).limit(limit)
    if before is not None:
        statement = statement.where(dead_letters.c.sequence < before)
    if source is not None:
        statement = statement.where(dead_letters.c.source == source)
    if reason is not None:
        statement = statement.where(dead_letters.c.reason == str(reason))
    return [
        DeadLetter(
            sequence=row.sequence,
            record=RawRecord(row.source, row.position, row.received_at, row.data, row.tenant),
            reason=DropReason(row.reason),
            field=row.field,
            problem=row.problem,
            dropped_at=row.dropped_at,
            id=row.id,
        )
        for row in connection.execute(statement)
    ]


def remove_dead_letters(connection: Connection, letters: Collection[DeadLetter], at: datetime) -> None:
    """Forget letters that were put into the queue again: their records are no longer counted as dropped, nor as received.

    They count anew when the pipeline meets them again, so the totals hold at every instant.
    """
    counts = BatchCounts()
    for letter in letters:
        if connection.execute(delete(dead_letters).where(dead_letters.c.id == letter.id)).rowcount:
            counts.add(letter.record.source, Outcome.DROPPED, letter.reason, -1)
            counts.add(letter.record.source, Outcome.RECEIVED, count=-1)
    add_counts(connection, counts, at)


def replay_dead_letters(queue: RecordQueue, database: Database, letters: Sequence[DeadLetter], at: datetime) -> int:
    """Put dropped records into the queue again, once their source or our parser is mended; how many.

    Killed in between, a record is both dropped and processed: replayed once more, it is a duplicate.
    """
    if letters:
        queue.put([letter.record for letter in letters])
        with database.transaction() as connection:
            remove_dead_letters(connection, letters, at)
    return len(letters)


def count_dead_letters(connection: Connection) -> int:
    """How many dropped records wait to be looked at."""
    return connection.execute(select(func.count()).select_from(dead_letters)).scalar_one()


def read_states(connection: Connection, prefix: str) -> dict[str, bytes]:
    """The saved states whose name begins with ``prefix``, by the rest of their name."""
    rows = connection.execute(select(states.c.name, states.c.state).where(states.c.name.startswith(prefix, autoescape=True)))
    return {name[len(prefix) :]: bytes(state) for name, state in rows}


def write_states(connection: Connection, prefix: str, changed: Mapping[str, bytes | None]) -> None:
    """Save states under ``prefix``; None removes one."""
    gone = [{"removed": prefix + name} for name, state in changed.items() if state is None]
    if gone:
        connection.execute(_REMOVE_STATE, gone)
    rows = [{"name": prefix + name, "state": state} for name, state in changed.items() if state is not None]
    if rows:
        connection.execute(_write_state(connection.dialect.name), rows)


_REMOVE_STATE: Final = delete(states).where(states.c.name == bindparam("removed"))


@lru_cache
def _write_state(dialect: str) -> Insert:
    made = postgresql.insert(states) if dialect == "postgresql" else sqlite.insert(states)
    return made.on_conflict_do_update(index_elements=[states.c.name], set_={"state": made.excluded.state})
