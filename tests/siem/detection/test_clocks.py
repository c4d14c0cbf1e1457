from datetime import UTC, datetime, timedelta

from siem.detection.clocks import Clocks, microseconds, moment
from siem.event import Event

T0 = datetime(2026, 11, 22, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def event(source: str, minute: float, tenant: str = "default") -> Event:
    return Event(f"{source}{minute}", T0 + minute * MINUTE, source, tenant, {})


def test_time_goes_on_with_the_newest_event_of_each_source_and_never_back() -> None:
    clocks = Clocks(MINUTE, 60 * MINUTE, ["a", "b"])
    for one in (event("a", 5), event("a", 4.5), event("a", 2), event("b", 3)):
        clocks.note(one, None)
    assert clocks.late_counts == {"a": 1}
    assert clocks.newest("default") == microseconds(T0 + 5 * MINUTE)
    assert clocks.closed_at("default") == microseconds(T0 + 4 * MINUTE)
    assert clocks.horizon("default") == microseconds(T0 + 2 * MINUTE)
    assert clocks.take_changed() == {"default": {"a": microseconds(T0 + 5 * MINUTE), "b": microseconds(T0 + 3 * MINUTE)}}
    clocks.note(event("a", 5), None)
    assert clocks.take_changed() == {}


def test_a_source_never_heard_of_holds_memory_for_the_longest_lag_only() -> None:
    clocks = Clocks(MINUTE, 60 * MINUTE, ["a", "silent"])
    clocks.note(event("a", 100), None)
    assert clocks.horizon("default") == microseconds(T0 + 39 * MINUTE)


def test_the_future_does_not_move_time_on() -> None:
    clocks = Clocks(MINUTE, 60 * MINUTE, [])
    clocks.note(event("a", 500), T0 + 10 * MINUTE)
    assert clocks.ahead_counts == {"a": 1}
    assert clocks.newest("default") == microseconds(T0 + 10 * MINUTE)


def test_each_tenant_has_its_own_time_and_takes_it_back() -> None:
    clocks = Clocks(MINUTE, 60 * MINUTE, [])
    clocks.note(event("a", 1, "north"), None)
    clocks.note(event("a", 9, "south"), None)
    again = Clocks(MINUTE, 60 * MINUTE, [])
    for tenant in clocks.tenants:
        again.restore(tenant, clocks.of(tenant))
    assert again.of("north") == clocks.of("north") == {"a": microseconds(T0 + MINUTE)}
    assert moment(again.newest("south")) == T0 + 9 * MINUTE
