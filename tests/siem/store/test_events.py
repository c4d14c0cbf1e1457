"""The event store appends once, finds again, and shows an establishment its own alone."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.errors import DataError, OperationError
from siem.event import FIELDS, Event, Fields, Kind
from siem.store.events import EventStore, Scope, Search, StoredEvent
from siem.store.query import parse_query

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
ALL = Scope()


def _stored(sequence: int, name: str = "", minutes: float = 0, tenant: str = "default", **fields: object) -> StoredEvent:
    dotted: Fields = {key.replace("__", "."): value for key, value in fields.items()}  # type: ignore[misc]
    return StoredEvent(sequence, Event(name or f"e{sequence}", AT + timedelta(minutes=minutes), "web", tenant, dotted))


def test_a_repeated_event_is_new_once() -> None:
    store = EventStore(None)
    assert store.append([_stored(1), _stored(2)]) == [True, True]
    again = [_stored(3, "e1"), _stored(4), _stored(5, "e4")]
    assert store.append(again) == [False, True, False]
    assert store.count(Search(ALL)) == 3
    assert store.append([]) == []


def test_the_same_record_processed_again_is_new_again() -> None:
    # Killed after append and before its effects were committed: detection must see the events again.
    store = EventStore(None)
    batch = [_stored(1), _stored(2, "e1"), _stored(3)]
    first = store.append(batch)
    assert first == [True, False, True]
    assert store.append(batch) == first
    assert store.count(Search(ALL)) == 2


def test_events_survive_a_process_that_never_closed_the_store(tmp_path: Path) -> None:
    EventStore(tmp_path / "events.duckdb").append([_stored(1, user__id="P-1")])
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("events.duckdb*"):  # what a kill would leave on the disk
        (copy / path.name).write_bytes(path.read_bytes())
    assert EventStore(copy / "events.duckdb").get(["e1"], ALL) == [_stored(1, user__id="P-1").event]


_VALUES = {
    Kind.KEYWORD: st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])),
    Kind.TEXT: st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])),
    Kind.IP: st.ip_addresses().map(str),
    Kind.KEYWORDS: st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=3),
    Kind.INTEGER: st.integers(-(2**63) + 1, 2**63 - 1),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOLEAN: st.booleans(),
}
_INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds of a strategy with a zone


@given(
    st.lists(st.tuples(_INSTANTS, st.fixed_dictionaries({}, optional={name: _VALUES[kind] for name, kind in FIELDS.items()})), max_size=5)
)
def test_an_event_comes_back_as_it_was_stored(contents: list[tuple[datetime, Fields]]) -> None:
    store = EventStore(None)
    events = [Event(f"e{number}", at, "web", "default", fields) for number, (at, fields) in enumerate(contents)]
    store.append([StoredEvent(number, event) for number, event in enumerate(events)])
    found = {event.id: event for event in store.get([event.id for event in events], ALL)}
    assert found == {event.id: event for event in events}
    store.close()


def test_a_page_is_followed_by_older_events() -> None:
    store = EventStore(None)
    store.append([_stored(number, minutes=number // 3) for number in range(10)])  # several at the same instant
    seen: list[str] = []
    page = store.search(Search(ALL), limit=4)
    while True:
        assert page.total == 10
        seen += [event.id for event in page.events]
        if page.following is None:
            break
        page = store.search(Search(ALL), limit=4, after=page.following)
    assert sorted(seen) == sorted(f"e{number}" for number in range(10))
    assert len(seen) == 10
    assert seen[0] == "e9"


def test_a_time_range_includes_its_start_and_not_its_end() -> None:
    store = EventStore(None)
    store.append([_stored(number, minutes=number) for number in range(5)])
    search = Search(ALL, from_at=AT + timedelta(minutes=1), to_at=AT + timedelta(minutes=3))
    assert [event.id for event in store.search(search).events] == ["e2", "e1"]


def test_an_establishment_sees_its_own_events_alone() -> None:
    store = EventStore(None)
    store.append(
        [
            _stored(1, health__structure__finess="0B0000005", user__id="P-1"),
            _stored(2, health__structure__finess="0C0000004", user__id="P-2"),
            _stored(3, user__id="P-3"),
            _stored(4, tenant="other", health__structure__finess="0B0000005", user__id="P-4"),
        ]
    )
    own = Scope(finess=frozenset({"0B0000005"}))
    ids = ["e1", "e2", "e3", "e4"]
    for scope, visible in ((own, ["e1"]), (ALL, ["e1", "e2", "e3"]), (Scope("other"), ["e4"]), (Scope(finess=frozenset()), [])):
        search = Search(scope)
        assert sorted(event.id for event in store.search(search).events) == visible
        assert sorted(event.id for event in store.get(ids, scope)) == visible
        assert sorted(store.sequences(ids, scope)) == visible
        assert store.count(search) == len(visible)
        assert sum(bucket.count for bucket in store.histogram(search)) == len(visible)
        assert len(store.top_values(search, "user.id")) == len(visible)


def test_a_histogram_covers_the_range_with_equal_buckets_and_counts_every_event() -> None:
    store = EventStore(None)
    store.append([_stored(number, minutes=number * 7) for number in range(20)])
    search = Search(ALL, from_at=AT - timedelta(hours=1), to_at=AT + timedelta(hours=3))
    buckets = store.histogram(search, bucket_count=24)
    assert len(buckets) == 24
    assert (buckets[0].start_at, buckets[-1].end_at) == (search.from_at, search.to_at)
    assert sum(bucket.count for bucket in buckets) == 20
    assert all(left.end_at == right.start_at for left, right in itertools.pairwise(buckets))
    assert store.histogram(Search(ALL, parse_query("user.id:nobody"))) == []
    assert sum(bucket.count for bucket in store.histogram(Search(ALL))) == 20


def test_top_values_count_each_value_of_a_list() -> None:
    store = EventStore(None)
    store.append([_stored(1, event__category=["web", "session"]), _stored(2, event__category=["web"]), _stored(3)])
    assert store.top_values(Search(ALL), "event.category") == [("web", 2), ("session", 1)]
    for name in ('id" FROM events --', "x') FROM events --"):  # names like others, that no event has
        assert store.top_values(Search(ALL), name) == []
    with pytest.raises(DataError, match="not the name of a field"):
        store.top_values(Search(ALL), "a\nb")


def test_retention_removes_what_happened_before() -> None:
    store = EventStore(None)
    store.append([_stored(number, minutes=number) for number in range(5)])
    assert store.forget(AT + timedelta(minutes=3)) == 3
    assert store.count(Search(ALL)) == 2


def test_a_value_that_no_column_takes_is_a_data_error_and_nothing_is_kept() -> None:
    store = EventStore(None)
    with pytest.raises(DataError, match="refuses a value"):
        store.append([_stored(1), _stored(2, source__port=2**63)])
    assert store.count(Search(ALL)) == 0


def test_a_file_of_a_later_version_of_the_fields_gains_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    with duckdb.connect(str(path)) as old:
        columns = 'id VARCHAR NOT NULL, "at" TIMESTAMP NOT NULL, source VARCHAR NOT NULL, tenant VARCHAR NOT NULL, sequence BIGINT NOT NULL'
        old.execute(f"CREATE TABLE events ({columns})")
    store = EventStore(path)
    store.append([_stored(1, user__id="P-1")])
    assert store.count(Search(ALL, parse_query("user.id:P-1"))) == 1


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.duckdb"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(OperationError, match=r"opening the event store.*events\.duckdb"):
        EventStore(path)
