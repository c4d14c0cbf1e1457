import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, insert, select, text
from sqlalchemy.exc import IntegrityError, StatementError

from siem.store.database import Database, Instant, Synchronous

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True), Column("at", Instant), Column("name", String))
PARTS = Table("parts", METADATA, Column("id", Integer, primary_key=True), Column("thing_id", ForeignKey("things.id")))

instants = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001  # the zone is drawn too
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=5))]),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'watch.sqlite'}")
    with database.transaction() as connection:
        METADATA.create_all(connection)
    yield database
    database.close()


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
def test_a_commit_waits_for_the_disk_unless_told_otherwise(tmp_path: Path, synchronous: Synchronous, level: int) -> None:
    made = Database(f"sqlite:///{tmp_path / 'watch.sqlite'}", synchronous=synchronous)
    with made.reading() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == level
    made.close()


@given(st.lists(instants, min_size=2, max_size=6, unique=True))
def test_an_instant_comes_back_equal_and_sorts_as_it_should(given_instants: list[datetime]) -> None:
    database = Database("sqlite://")
    with database.transaction() as connection:
        METADATA.create_all(connection)
        connection.execute(insert(THINGS), [{"at": at} for at in given_instants])
        stored = [row.at for row in connection.execute(select(THINGS.c.at).order_by(THINGS.c.at))]
    database.close()
    assert stored == sorted(given_instants)
    assert {at.tzinfo for at in stored} == {UTC}


def test_an_instant_without_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without time zone"), database.transaction() as connection:
        connection.execute(insert(THINGS).values(at=datetime(2026, 3, 14)))  # noqa: DTZ001  # the point of the test


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as connection:
        connection.execute(insert(THINGS).values(name="lost"))
        raise RuntimeError
    with database.reading() as connection:
        assert connection.execute(select(THINGS)).all() == []


def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError), database.transaction() as connection:
        connection.execute(insert(PARTS).values(thing_id=42))


def test_what_is_committed_is_on_the_disk(database: Database) -> None:
    with database.reading() as connection:
        # 2 is FULL: a commit returns once the log is synchronised (sqlite.org, PRAGMA synchronous).
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"


def test_a_reader_sees_the_last_commit_while_a_writer_writes(database: Database) -> None:
    with database.transaction() as writer:
        writer.execute(insert(THINGS).values(name="not yet"))
        with database.reading() as reader:
            assert reader.execute(select(THINGS)).all() == []
    with database.reading() as reader:
        assert [row.name for row in reader.execute(select(THINGS))] == ["not yet"]


def test_writers_that_read_first_take_turns_and_lose_no_update(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(insert(THINGS).values(id=1, name="0"))
    together = threading.Barrier(4)

    def add_one_five_times() -> None:
        together.wait(10)
        for _ in range(5):
            with database.transaction() as connection:
                seen = int(connection.execute(select(THINGS.c.name)).scalar_one())
                connection.execute(THINGS.update().values(name=str(seen + 1)))

    threads = [threading.Thread(target=add_one_five_times) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.reading() as connection:
        assert connection.execute(select(THINGS.c.name)).scalar_one() == "20"
