"""What is committed with a batch: position, counts, dead letters, states."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from siem.errors import OperationError
from siem.event import RawRecord
from siem.store import progress
from siem.store.database import Database
from siem.store.progress import BatchCounts, DeadLetter, DropReason, Outcome
from siem.store.queue import Queue

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/watch.sqlite")
    with made.transaction() as connection:
        for table in (progress.positions, progress.counters, progress.dead_letters, progress.states):
            table.create(connection)
    yield made
    made.close()


def _letter(sequence: int, reason: DropReason = DropReason.UNREADABLE, source: str = "web") -> DeadLetter:
    record = RawRecord(source, f"1:{sequence}", AT, b"half a li\xff", "default")
    return DeadLetter(sequence, record, reason, "event.action", "unknown action", AT + timedelta(seconds=1))


def test_the_position_starts_at_zero_and_moves(database: Database) -> None:
    with database.transaction() as connection:
        assert progress.read_position(connection) == 0
        progress.write_position(connection, 5)
        progress.write_position(connection, 9)
        assert progress.read_position(connection) == 9


def test_counts_add_up_over_batches(database: Database) -> None:
    for _ in range(3):
        counts = BatchCounts()
        counts.add("web", Outcome.RECEIVED, count=4)
        counts.add("web", Outcome.STORED, count=2)
        counts.add("web", Outcome.DUPLICATE)
        counts.add("web", Outcome.DROPPED, "unreadable")
        counts.add("idp", Outcome.RECEIVED)
        assert counts.total(Outcome.RECEIVED) == 5
        with database.transaction() as connection:
            progress.add_counts(connection, counts, AT)
    with database.reading() as connection:
        idp, web = progress.read_counts(connection)
    assert (idp.source, idp.received, idp.stored, idp.dropped) == ("idp", 3, 0, {})
    assert (web.received, web.stored, web.duplicates, web.dropped, web.last_received_at) == (12, 6, 3, {"unreadable": 3}, AT)


def test_a_dead_letter_is_kept_whole_and_found_by_source_and_reason(database: Database) -> None:
    letters = [_letter(1), _letter(2, DropReason.DEFECT), _letter(3, source="idp")]
    with database.transaction() as connection:
        progress.add_dead_letters(connection, letters)
        progress.add_dead_letters(connection, [])
    with database.reading() as connection:
        assert progress.count_dead_letters(connection) == 3
        found = progress.list_dead_letters(connection, source="web")
        assert [letter.sequence for letter in found] == [2, 1]
        assert found[1].record == letters[0].record
        assert (found[1].reason, found[1].field, found[1].problem, found[1].dropped_at) == (
            DropReason.UNREADABLE,
            "event.action",
            "unknown action",
            letters[0].dropped_at,
        )
        assert [letter.sequence for letter in progress.list_dead_letters(connection, reason=DropReason.DEFECT)] == [2]
        assert len(progress.list_dead_letters(connection, limit=1)) == 1


def test_a_replayed_letter_is_in_the_queue_again_and_no_longer_counted(database: Database, tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    counts = BatchCounts()
    counts.add("web", Outcome.RECEIVED, count=2)
    counts.add("web", Outcome.DROPPED, "unreadable", 2)
    with database.transaction() as connection:
        progress.add_dead_letters(connection, [_letter(1), _letter(2)])
        progress.add_counts(connection, counts, AT)
    with database.reading() as connection:
        letters = progress.list_dead_letters(connection, limit=1)
    assert progress.replay_dead_letters(queue, database, letters, AT) == 1
    assert progress.replay_dead_letters(queue, database, [], AT) == 0
    assert [queued.record for queued in queue.read(0, 10)] == [letters[0].record]
    with database.reading() as connection:
        assert progress.count_dead_letters(connection) == 1
        [web] = progress.read_counts(connection)
        assert (web.received, web.dropped) == (1, {"unreadable": 1})
    queue.close()


def test_states_are_replaced_and_removed_by_name(database: Database) -> None:
    with database.transaction() as connection:
        progress.write_states(connection, "engine/", {"a": b"1", "b_%": b"2"})
        progress.write_states(connection, "source/", {"a": b"other"})
        progress.write_states(connection, "engine/", {"a": b"3", "b_%": None, "c": None})
        assert progress.read_states(connection, "engine/") == {"a": b"3"}
        assert progress.read_states(connection, "source/") == {"a": b"other"}
        progress.write_states(connection, "engine/", {})


def test_a_failing_database_says_what_to_do(database: Database) -> None:
    with pytest.raises(OperationError, match="free space") as caught, progress.naming_failures(), database.reading() as connection:
        connection.execute(text("SELECT * FROM no_such_table"))
    assert caught.value.retry_helps
