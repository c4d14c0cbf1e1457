"""Rows of the event table give back what was loaded."""

from datetime import UTC, datetime

import duckdb
import pytest

from siem.event import Event, Fields
from siem.store.event_table import READ_COLUMNS, StoredEvent, event_of, instant, load, microseconds, prepare

AT = datetime(2026, 11, 22, 21, 0, 0, 123456, tzinfo=UTC)


def test_an_instant_is_kept_to_the_microsecond() -> None:
    assert instant(microseconds(AT)) == AT


def test_a_batch_of_several_sources_is_loaded_and_read_as_it_was() -> None:
    connection = duckdb.connect(":memory:")
    prepare(connection)
    many: list[Fields] = [
        {"event.action": "login.failed", "event.category": ["authentication"], "source.port": 443},
        {"event.action": "login.failed", "Image": "C:\\Windows\\cmd.exe"},
        {"health.break_glass": True, "process.args": ["a", "b"], "Image": ""},
        {},
    ]
    events = [Event(f"e{number}", AT, f"s{number % 2}", "default", fields) for number, fields in enumerate(many)]
    load(connection, [StoredEvent(number, event) for number, event in enumerate(events)])
    rows = connection.execute(f"SELECT {READ_COLUMNS} FROM events ORDER BY id").fetchall()
    assert [event_of(row) for row in rows] == events


def test_a_table_of_an_older_version_gets_the_columns_it_has_not() -> None:
    connection = duckdb.connect(":memory:")
    connection.execute('CREATE TABLE events (id VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL, source VARCHAR NOT NULL)')
    connection.execute("ALTER TABLE events ADD COLUMN tenant VARCHAR")
    connection.execute("ALTER TABLE events ADD COLUMN sequence BIGINT")
    connection.execute("INSERT INTO events VALUES ('old', '2026-11-22 21:00:00', 's', 'default', 1)")
    prepare(connection)
    (row,) = connection.execute(f"SELECT {READ_COLUMNS} FROM events").fetchall()
    assert event_of(row).fields == {}
    with pytest.raises(duckdb.Error):
        connection.execute("ALTER TABLE events ADD COLUMN other VARCHAR")
