"""Rows of the event table give back what was loaded."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from siem.errors import OperationError
from siem.event import Event, Fields
from siem.store.event_table import READ_COLUMNS, StoredEvent, columns_of, event_of, instant, load, microseconds, prepare
from siem.store.events import EventStore, Scope, Search
from siem.store.query import parse_query

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
        {"source.ip": ["192.0.2.1", "2001:db8::1"], "source.port": ["443", "80"], "user.id": "x", "user.roles": ["10"], "tags": ["t"]},
        {"source.ip": ["192.0.2.1", "192.0.2.2"], "user.id": "x"},
        {"source.ip": "192.0.2.1", "user.id": ["x", "y"]},
        {},
    ]
    events = [Event(f"e{number}", AT, f"s{number % 2}", "default", fields) for number, fields in enumerate(many)]
    load(connection, [StoredEvent(number, event) for number, event in enumerate(events)])
    rows = connection.execute(f"SELECT {READ_COLUMNS} FROM events ORDER BY id").fetchall()
    assert [event_of(row) for row in rows] == events
    columns, names = columns_of({"source.ip"})
    rows = connection.execute(f"SELECT {columns} FROM events ORDER BY id").fetchall()
    assert [event_of(row, names).fields.get("source.ip") for row in rows] == [fields.get("source.ip") for fields in many]


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


def test_a_file_of_an_older_version_that_is_only_read_is_read_as_if_it_had_them(tmp_path: Path) -> None:
    path = tmp_path / 'events of "before".duckdb'
    store = EventStore(path)
    store.append([StoredEvent(1, Event("e1", AT, "s", "default", {"event.action": "read", "Image": "x"}))])
    store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute('ALTER TABLE events DROP COLUMN "tls.client.hash.sha256"')
    before = path.read_bytes()
    old = EventStore(path, read_only=True)
    for _ in range(2):  # each reader has a connection of its own
        (event,) = old.search(Search(Scope(), parse_query("NOT tls.client.hash.sha256:*"))).events
        assert event.fields == {"event.action": "read", "Image": "x"}
    old.close()
    assert path.read_bytes() == before


def test_a_damaged_file_is_said_to_be_damaged_and_not_to_be_held_by_another(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    store = EventStore(path)
    store.append([StoredEvent(number, Event(f"e{number}", AT, "s", "default", {"message": f"m{number}"})) for number in range(3000)])
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * 4096] + bytes([255]) * (len(whole) - 3 * 4096))
    with pytest.raises(OperationError, match="the file is damaged") as raised:
        EventStore(path, read_only=True).search(Search(Scope()))
    assert "another process" not in str(raised.value) and not raised.value.retry_helps
