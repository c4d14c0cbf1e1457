"""Stored events as a stream: in order, all of them, once each, in slices of bounded size."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from siem.event import Event, Fields
from siem.store.events import EventStore, Scope, Search, StoredEvent
from siem.store.query import parse_query
from siem.store.scan import first_at, scan, slices

AT = datetime(2026, 3, 14, tzinfo=UTC)


def stored(seconds: list[int], tenant: str = "default") -> EventStore:
    store = EventStore(None)
    made = [
        Event(f"{tenant}{place:05d}", AT + timedelta(seconds=at), "s", tenant, {"event.action": "odd" if at % 2 else "even"})
        for place, at in enumerate(seconds)
    ]
    store.append([StoredEvent(1, event) for event in made])
    return store


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=200), st.integers(1, 50))
def test_slices_hold_each_event_once_in_order(seconds: list[int], size: int) -> None:
    store = stored(seconds)
    parts = list(slices(store, Scope(), None, None, size=lambda: size))
    found = [event for part in parts for batch in scan(store, Search(Scope(), from_at=part.from_at, to_at=part.to_at)) for event in batch]
    assert [(event.at, event.id) for event in found] == sorted((event.at, event.id) for event in found)
    assert sorted(round((event.at - AT).total_seconds()) for event in found) == sorted(seconds)
    assert sum(part.count for part in parts) == len(seconds)
    assert all(2 * part.count <= 3 * size or part.to_at - part.from_at == timedelta(microseconds=1) for part in parts)
    assert first_at(store, Scope()) == AT + timedelta(seconds=min(seconds))
    store.close()


def test_slices_grow_as_they_are_asked_to_and_events_far_from_all_others_cost_no_cuts() -> None:
    far = 10_000_000
    store = stored([0, *range(far, far + 1000), 3 * far])
    sizes = iter([10, 10, *[100] * 100])
    parts = list(slices(store, Scope(), None, None, size=lambda: next(sizes)))
    assert sum(part.count for part in parts) == 1002
    assert [part.count for part in parts if part.count > 20]
    assert len(parts) < 25
    store.close()


def test_events_of_devices_with_wrong_clocks_are_millennia_apart_and_in_slices_all_the_same() -> None:
    store = stored([-60_000_000_000, *range(600), 250_000_000_000])
    parts = list(slices(store, Scope(), None, None, size=lambda: 300))
    assert sum(part.count for part in parts) == 602
    assert max(part.count for part in parts) <= 450
    store.close()


def test_of_the_fields_asked_for_events_have_all() -> None:
    store = EventStore(None)
    fields: Fields = {"event.action": "read", "user.id": "u", "Channel": "Security", "Several": ["a", "b"]}
    store.append([StoredEvent(1, Event("e1", AT, "s", "default", fields))])
    for wanted in (None, {"Channel"}, {"Several", "user.id"}, {"event.action"}, {"message"}):
        (batch,) = scan(store, Search(Scope()), wanted)
        assert (batch[0].id, batch[0].at, batch[0].source, batch[0].tenant) == ("e1", AT, "s", "default")
        kept = {name: value for name, value in fields.items() if wanted is None or name in wanted}
        assert batch[0].fields.items() >= kept.items()
        assert wanted is None or batch[0].fields.keys() <= fields.keys()
    (batch,) = scan(store, Search(Scope()), {"event.action"})
    assert batch[0].fields == {"event.action": "read"}
    store.close()


def test_a_stretch_and_a_tenant_bound_the_slices() -> None:
    store = stored([1, 2, 3, 4000])
    parts = list(slices(store, Scope(), AT + timedelta(seconds=2), AT + timedelta(seconds=4000), size=lambda: 1))
    assert sum(part.count for part in parts) == 2
    assert list(slices(store, Scope("another"), None, None, size=lambda: 1)) == []
    assert first_at(store, Scope("another")) is None
    store.close()


def test_a_scan_gives_what_was_asked_for_in_batches() -> None:
    store = stored(list(range(4500)))
    batches = list(scan(store, Search(Scope(), parse_query("event.action:odd"))))
    assert [len(batch) for batch in batches] == [2000, 250]
    assert {event.fields["event.action"] for batch in batches for event in batch} == {"odd"}
    store.close()


def test_a_scan_sees_the_store_as_it_was_when_it_began() -> None:
    store = stored(list(range(5000)))
    reading = scan(store, Search(Scope()))
    seen = len(next(reading))
    store.forget(AT + timedelta(days=1))
    assert seen + sum(map(len, reading)) == 5000
    assert store.count(Search(Scope())) == 0
    store.close()
