"""The edges of «new»; that the whole agrees with its definition is in test_habits."""

import pytest

from siem.detection.baseline.document import DAY, HOUR, read_baseline
from siem.detection.baseline.first_seen import FirstSeen, Run, step_of
from siem.detection.baseline.sighting import Found, Key, Sighting

MINUTE = 60_000_000
LATENESS = 10 * MINUTE
SECTION = {
    "type": "first_seen",
    "rules": ["a"],
    "group-by": "user.id",
    "field": "country",
    "lookback": "30d",
    "learning": "7d",
    "fresh": "1h",
}
ME: Key = ("P-1",)


def keeper(**changes: str) -> FirstSeen:
    return FirstSeen(read_baseline({**SECTION, **changes}), LATENESS)


def seen(at: int, value: str, event_id: str = "") -> Sighting:
    return Sighting(at, event_id or f"e{at}", (value,), ())


def ids(found: list[Found]) -> list[str]:
    return [one.event_id for each in found for one in each.sightings]


def knowing(value: str = "FR", days: int = 10, **changes: str) -> FirstSeen:
    """A keeper that has seen a value each day, from day 0."""
    made = keeper(**changes)
    for day in range(days + 1):
        made.add(ME, seen(day * DAY, value))
        assert made.settle(day * DAY - LATENESS) == []
    return made


@pytest.mark.parametrize(("lookback", "step"), [(HOUR, MINUTE), (8 * HOUR, HOUR), (7 * DAY, DAY)])
def test_a_look_back_is_counted_in_steps(lookback: int, step: int) -> None:
    assert step_of(lookback) == step


def test_a_new_value_is_told_at_once() -> None:
    made = knowing()
    made.add(ME, seen(10 * DAY + HOUR, "BR"))
    (found,) = made.settle(10 * DAY + HOUR - LATENESS)
    assert (found.key, found.value, ids([found])) == (ME, "BR", [f"e{10 * DAY + HOUR}"])
    assert dict(found.facts) == {"count": "1", "usual": "FR", "since": "1970-01-01"}


def test_what_is_done_in_the_hour_after_belongs_to_it() -> None:
    made = knowing()
    begin = 10 * DAY
    for minutes in (0, 59, 61):
        made.add(ME, seen(begin + minutes * MINUTE, "BR"))
    assert ids(made.settle(begin)) == [f"e{begin}", f"e{begin + 59 * MINUTE}"]
    made.add(ME, seen(begin + 5 * MINUTE, "BR"))
    made.add(ME, seen(begin, "BR"))
    (found,) = made.settle(begin)
    assert ids([found]) == [f"e{begin + 5 * MINUTE}"], "what was returned is not returned again"
    assert dict(found.facts)["count"] == "3"


def test_nothing_is_told_while_somebody_is_being_learned() -> None:
    made = keeper()
    made.add(ME, seen(0, "FR"))
    made.add(ME, seen(6 * DAY, "BR"))
    made.add(ME, seen(7 * DAY, "US"))
    assert [one.value for one in made.settle(8 * DAY)] == ["US"]


def test_another_person_is_learned_on_their_own() -> None:
    made = knowing()
    made.add(("P-2",), seen(10 * DAY, "BR"))
    assert made.settle(11 * DAY) == []


def test_a_value_not_seen_for_the_look_back_is_new_again() -> None:
    made = knowing("FR", 3)
    for day in range(4, 40):
        made.add(ME, seen(day * DAY, "BE"))
        made.settle(day * DAY)
    made.add(ME, seen(33 * DAY + HOUR, "FR"))
    assert made.settle(40 * DAY) == [], "thirty days after"
    late = knowing("FR", 3)
    for day in range(4, 40):
        late.add(ME, seen(day * DAY, "BE"))
        late.settle(day * DAY)
    late.add(ME, seen(34 * DAY + HOUR, "FR"))
    assert [one.value for one in late.settle(40 * DAY)] == ["FR"], "thirty-one days after"


def test_somebody_away_for_the_look_back_is_learned_anew() -> None:
    made = knowing()
    made.add(ME, seen(60 * DAY, "BR"))
    assert made.settle(70 * DAY) == []


def test_a_run_that_a_late_event_may_still_join_is_waited_for() -> None:
    """Seen on day 10, and now just after the beginning of day 41: an event of the end of day 40 would join the two."""
    made = knowing("BR", 10)
    for day in range(11, 41):
        made.add(ME, seen(day * DAY, "FR"))
        made.settle(day * DAY)
    now = 41 * DAY + MINUTE
    made.add(ME, seen(now, "BR"))
    assert made.settle(now - LATENESS) == []
    made.add(ME, seen(41 * DAY - MINUTE, "BR"))
    assert made.settle(now) == []


def test_a_late_event_may_show_that_the_value_came_while_learning() -> None:
    made = knowing("FR", 7)
    now = 7 * DAY + MINUTE
    made.add(ME, seen(now, "BR"))
    assert made.settle(now - LATENESS) == []
    made.add(ME, seen(7 * DAY - MINUTE, "BR"))
    assert made.settle(now) == []


def test_one_event_may_hold_several_values() -> None:
    made = knowing()
    made.add(ME, Sighting(10 * DAY, "e", ("FR", "BR", "US"), ()))
    assert [one.value for one in made.settle(10 * DAY)] == ["BR", "US"]


def test_what_was_not_seen_for_longest_goes_first_when_it_is_too_much() -> None:
    made = keeper()
    for day in range(4):
        made.add(ME, seen(day * DAY, f"v{day}"))
    made.add(ME, seen(4 * DAY, "v0"))
    made.settle(5 * DAY)
    assert made.size == 4
    assert made.shed(2) == 2
    made.add(ME, seen(7 * DAY, "v0"))
    made.add(ME, seen(8 * DAY, "v1"))
    assert [one.value for one in made.settle(9 * DAY)] == ["v1"], "what was given up is new again, and v0 was not"


def test_what_no_event_can_need_is_let_go_of() -> None:
    made = knowing()
    made.add(ME, seen(10 * DAY, "BR"))
    assert len(made.settle(10 * DAY)) == 1
    assert made.size == 3
    made.forget(10 * DAY + 2 * HOUR)
    assert made.size == 2, "the returned event"
    made.forget(42 * DAY)
    assert made.size == 0
    assert {record.data for record in made.changed()} == {None}
    assert list(made.everything()) == []


def test_state_is_written_once_a_step_and_taken_back() -> None:
    made = knowing()
    list(made.changed())
    made.add(ME, seen(10 * DAY + HOUR, "FR"))
    assert list(made.changed()) == [], "seen again on the same day"
    made.add(ME, seen(10 * DAY + 2 * HOUR, "BR"))
    made.settle(0)
    records = list(made.everything())
    for order in (records, records[::-1]):
        other = keeper()
        for record in order:
            other.restore(record)
        assert sorted(other.everything(), key=repr) == sorted(records, key=repr)
        assert other.size == made.size
        other.add(ME, seen(10 * DAY + 2 * HOUR, "BR"))
        assert other.settle(11 * DAY) == [], "returned before the restart"


def test_a_late_event_extends_the_run_before() -> None:
    run = Run(0, 0)
    run.see(40 * DAY, 40, 30, DAY)
    assert (run.first, run.first_before, run.last_before) == (40 * DAY, 0, 0)
    run.see(5 * DAY, 5, 30, DAY)
    assert (run.first, run.last_before) == (40 * DAY, 5)
    run.see(20 * DAY, 20, 30, DAY)
    assert (run.first, run.last) == (0, 40), "day 20 joins the two"
