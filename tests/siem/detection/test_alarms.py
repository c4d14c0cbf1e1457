from datetime import UTC, datetime

from siem.detection.alarms import Alarm, Kind, Raised, Teller
from siem.detection.match import OutOfForce

AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


class Counted:
    """An engine's counters, moved by hand."""

    def __init__(self) -> None:
        self.out_of_force: tuple[OutOfForce, ...] = ()
        self.alarms: tuple[Alarm, ...] = ()
        self.disagreed: dict[tuple[str, str], list[str]] = {}


def test_only_what_came_on_top_is_told_each_time() -> None:
    counted = Counted()
    teller = Teller(counted)
    assert teller.take() == []
    out = OutOfForce("rule", "took more than 100 ms", AT, 3)
    counted.out_of_force, counted.alarms = (out,), (Alarm("window", "default", 40),)
    assert teller.take() == [
        Raised(Kind.OUT_OF_FORCE, "rule", "", 3, "took more than 100 ms", at=AT),
        Raised(Kind.STATE_LOST, "window", "default", 40),
    ]
    assert teller.take() == []
    out.event_count, counted.alarms = 10, (Alarm("window", "default", 45),)
    assert [one.count for one in teller.take()] == [7, 5]


def test_a_rule_put_back_and_out_again_is_told_with_a_count_of_its_own() -> None:
    counted = Counted()
    teller = Teller(counted)
    counted.out_of_force = (OutOfForce("rule", "slow", AT, 500),)
    teller.take()
    counted.out_of_force = ()
    assert teller.take() == []
    counted.out_of_force = (OutOfForce("rule", "slow", AT, 2),)
    assert [one.count for one in teller.take()] == [2]


def test_events_judged_in_two_ways_are_taken_once() -> None:
    counted = Counted()
    teller = Teller(counted)
    counted.disagreed = {("rule", "default"): ["a", "b"]}
    assert teller.take() == [Raised(Kind.DISAGREEMENT, "rule", "default", 2, event_ids=("a", "b"))]
    assert teller.take() == [] and counted.disagreed == {}
