from datetime import UTC, datetime, timedelta

import orjson
import pytest

from siem.detection.clocks import Clocks, Feeder, microseconds, moment
from siem.event import Event

T0 = datetime(2026, 11, 22, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
RULE = "rule"


def event(source: str, minute: float, tenant: str = "default") -> Event:
    return Event(f"{source}{minute}", T0 + minute * MINUTE, source, tenant, {})


def made(*feeders: str | Feeder, max_lag: timedelta = 60 * MINUTE) -> Clocks:
    return Clocks(MINUTE, max_lag, feeders, {RULE: frozenset(), "of web": frozenset({"nginx"})})


def brought(clocks: Clocks, *events: Event, arrived: float | None = None, now: datetime | None = None) -> float:
    """What is closed for the rule (minutes) after a batch."""
    for one in events:
        clocks.note(one, now)
    clocks.reckon("default", None if arrived is None else T0 + arrived * MINUTE)
    return closed(clocks)


def closed(clocks: Clocks, rule_id: str = RULE) -> float:
    return (moment(clocks.closed_at("default", rule_id)) - T0) / MINUTE


def kept(clocks: Clocks) -> Clocks:
    """Other clocks with the same feeders, from what these write down."""
    again = Clocks(clocks._lateness, clocks._max_lag, clocks._feeders, {RULE: frozenset(), "of web": frozenset({"nginx"})})
    for tenant in clocks.tenants:
        again.restore(tenant, orjson.loads(orjson.dumps(clocks.of(tenant))))
    return again


def test_time_goes_on_with_the_slowest_source_and_never_back() -> None:
    clocks = made("a", "b")
    assert brought(clocks, event("a", 5), event("a", 4.5), event("a", 2), event("b", 3)) == 2
    assert clocks.late_counts == {"a": 1}
    assert clocks.newest("default") == microseconds(T0 + 5 * MINUTE)
    assert clocks.horizon("default") == microseconds(T0 + 2 * MINUTE)
    assert clocks.take_changed().keys() == {"default"}
    assert brought(clocks, event("a", 5)) == 2
    assert clocks.take_changed() == {}
    assert brought(clocks, event("c", 1)) == 2, "a source that nobody spoke of opens nothing again"


def test_a_source_never_heard_of_holds_for_the_longest_lag_only() -> None:
    clocks = made("a", "silent")
    assert brought(clocks, event("a", 99), event("a", 100)) == 39
    assert clocks.horizon("default") == microseconds(T0 + 39 * MINUTE)


def test_a_rule_waits_only_for_sources_that_can_feed_it() -> None:
    clocks = made(Feeder("web", "nginx"), Feeder("records", "fhir"), Feeder("elsewhere", "nginx", "north"))
    assert brought(clocks, event("web", 50), event("records", 10)) == 9
    assert closed(clocks, "of web") == 49
    brought(clocks, event("stranger", 20))
    assert closed(clocks, "of web") == 49
    brought(clocks, event("web", 60))
    assert closed(clocks, "of web") == 49, "a source that nobody spoke of may feed any rule"


def test_the_future_does_not_move_time_on() -> None:
    clocks = made()
    assert brought(clocks, event("a", 500), event("a", 501), now=T0 + 10 * MINUTE) == 9
    assert clocks.ahead_counts == {"a": 2}
    assert clocks.newest("default") == microseconds(T0 + 10 * MINUTE)


def test_a_jump_closes_nothing_until_a_second_event_confirms_it() -> None:
    clocks = made()
    assert brought(clocks, event("a", 0), event("a", 5000)) == -1
    clocks = kept(clocks)
    assert brought(clocks, event("a", 1)) == 0
    assert brought(clocks, event("a", 3000)) == 2999, "two events are beyond: time goes to the earlier of them"
    assert brought(clocks, event("a", 5001)) == 5000
    assert brought(made(), event("a", 0), event("a", 5001), event("a", 5000)) == 5000
    assert brought(clocks, event("a", 9_000_000), now=T0 + 6000 * MINUTE) == 5000, "nor does the future, however often it comes"
    assert brought(clocks, event("a", 9_000_000), now=T0 + 6000 * MINUTE) == 5000


def test_the_first_event_of_a_source_may_be_the_one_whose_date_is_wrong() -> None:
    clocks = made()
    assert brought(clocks, event("a", 900_000), event("a", 0), event("a", 1)) == 0
    assert clocks.newest("default") == microseconds(T0 + MINUTE)
    clocks.confirm("default")
    assert clocks.newest("default") == microseconds(T0 + 900_000 * MINUTE)


def test_where_events_come_in_order_none_is_too_far_ahead() -> None:
    assert brought(made(max_lag=timedelta(0)), event("a", 0), event("b", 5000)) == 4999


def test_who_falls_silent_while_others_speak_is_no_longer_waited_for_and_late_when_back() -> None:
    clocks = made("fast", "slow", max_lag=DAY)
    assert brought(clocks, event("slow", 0), event("fast", 0), arrived=0) == -1
    for minute in range(5, 20, 5):
        clocks = kept(clocks)
        assert brought(clocks, event("fast", minute), arrived=minute) == -1
        assert clocks.silent("default", RULE) == []
    clocks = kept(clocks)
    assert brought(clocks, event("fast", 20), arrived=20) == 19
    assert clocks.silent("default", RULE) == ["slow"]
    clocks = kept(clocks)
    assert brought(clocks, event("slow", 4), event("slow", 19), arrived=21) == 19
    assert clocks.late_counts == {"slow": 1}
    assert clocks.silent("default", RULE) == []
    assert brought(clocks, event("fast", 30), arrived=30) == 19, "back, it is waited for again"
    assert brought(clocks, event("slow", 30), arrived=30) == 29


@pytest.mark.parametrize("silent_source", ["slow", "never heard of"])
def test_a_stretch_in_which_nothing_came_from_anybody_is_nobodys_silence(silent_source: str) -> None:
    clocks = made("fast", silent_source, max_lag=DAY)
    others = [event(silent_source, 0)] if silent_source == "slow" else []
    brought(clocks, event("fast", 0), *others, arrived=0)
    assert brought(clocks, event("fast", 600), arrived=600) < 0, "the watch was stopped: the other's records come in a moment"
    assert brought(clocks, event("fast", 620), arrived=620) < 0
    assert brought(clocks, event("fast", 640), arrived=640) == 639


def test_each_tenant_has_its_own_time_and_takes_it_back() -> None:
    clocks = made()
    clocks.note(event("a", 1, "north"), None)
    clocks.note(event("a", 8, "south"), None)
    clocks.note(event("a", 9, "south"), None)
    for tenant in clocks.tenants:
        clocks.reckon(tenant)
    again = kept(clocks)
    assert again.of("north") == clocks.of("north")
    assert moment(again.newest("south")) == T0 + 9 * MINUTE
    assert again.take_changed() == {}


def test_what_earlier_versions_wrote_is_read() -> None:
    clocks = made("a", "b")
    clocks.restore("default", {"a": microseconds(T0 + 9 * MINUTE), "b": microseconds(T0)})
    assert closed(clocks) == 8
    assert clocks.newest("default") == microseconds(T0 + 9 * MINUTE)
    assert clocks.take_changed().keys() == {"default"}
