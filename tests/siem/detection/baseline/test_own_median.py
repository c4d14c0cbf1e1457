"""The edges of «much more than usual»; that the whole agrees with its definition is in test_habits."""

from siem.detection.baseline.document import DAY, HOUR, read_baseline
from siem.detection.baseline.own_median import OwnMedian
from siem.detection.baseline.sighting import Key, Sighting

SECTION = {"type": "own_median", "rules": ["a"], "group-by": "user.id", "lookback": "10d", "minimum": 3, "factor": 3, "floor": 6}
ME: Key = ("P-1",)


def keeper(**changes: object) -> OwnMedian:
    return OwnMedian(read_baseline({**SECTION, **changes}))


def work(made: OwnMedian, day: int, count: int, *, key: Key = ME, hour: int = 8) -> None:
    for number in range(count):
        made.add(key, Sighting(day * DAY + hour * HOUR + number, f"{key[0]}-{day}-{hour}-{number}", (), ()))


def after(*days: int, **changes: object) -> OwnMedian:
    """A keeper after days of so many matches, all closed."""
    made = keeper(**changes)
    for day, count in enumerate(days):
        work(made, day, count)
        assert made.settle((day + 1) * DAY) == []
        made.forget((day + 1) * DAY)
    return made


def test_it_says_how_much_and_how_much_is_usual() -> None:
    made = after(2, 4, 4)
    work(made, 3, 12)
    (found,) = made.settle(3 * DAY)
    assert len(found.sightings) == 12
    assert dict(found.facts) == {"count": "12", "usual": "4", "limit": "12"}
    work(made, 3, 1, hour=9)
    (more,) = made.settle(3 * DAY)
    assert [one.event_id for one in more.sightings] == ["P-1-3-9-0"], "only what is new"
    assert dict(more.facts)["count"] == "13"


def test_one_under_the_limit_is_nothing() -> None:
    made = after(2, 4, 4)
    work(made, 3, 11)
    assert made.settle(4 * DAY) == []


def test_little_is_never_much() -> None:
    made = after(1, 1, 1)
    work(made, 3, 5)
    assert made.settle(4 * DAY) == [], "three times one is under the floor"


def test_days_off_do_not_count_as_days_of_nothing() -> None:
    made = after(4, 0, 4, 0, 4)
    work(made, 5, 11)
    assert made.settle(6 * DAY) == []


def test_it_does_not_speak_before_it_knows_enough_days() -> None:
    made = after(1, 1)
    work(made, 2, 100)
    assert made.settle(3 * DAY) == []


def test_the_cap_needs_no_history() -> None:
    made = keeper(cap=10)
    work(made, 0, 10)
    (found,) = made.settle(-DAY)
    assert dict(found.facts) == {"count": "10", "usual": "…", "limit": "10"}


def test_a_day_is_compared_once_those_before_are_complete() -> None:
    made = after(2, 4)
    work(made, 2, 3)
    work(made, 3, 12)
    assert made.settle(3 * DAY - 1) == []
    work(made, 2, 3, hour=23)
    (found,) = made.settle(3 * DAY)
    assert dict(found.facts)["usual"] == "4", "six on the day before, not three"


def test_days_beyond_the_look_back_are_let_go_of() -> None:
    made = after(4, 4, 4)
    assert made.size == 3
    made.forget(12 * DAY)
    assert made.size == 1
    made.forget(20 * DAY)
    assert made.size == 0


def test_a_match_of_a_closed_day_changes_nothing() -> None:
    made = after(4, 4, 4)
    made.add(ME, Sighting(DAY, "too late", (), ()))
    assert made.size == 3


def test_the_oldest_days_go_first_when_it_is_too_much() -> None:
    made = after(4, 4, 4)
    work(made, 3, 5)
    assert made.size == 8
    assert made.shed(6) == 2
    assert made.shed(2) == 6, "then whole habits of open days"
    assert made.size == 0
    assert made.settle(5 * DAY) == []


def test_state_is_taken_back() -> None:
    made = after(4, 4, 4)
    list(made.changed())
    work(made, 3, 11)
    made.settle(3 * DAY)
    assert {record.part for record in made.changed()} == {3 * 24 + 8}
    other = keeper()
    for record in made.everything():
        other.restore(record)
    assert other.size == made.size
    work(other, 3, 12)
    (found,) = other.settle(3 * DAY)
    assert dict(found.facts) == {"count": "12", "usual": "4", "limit": "12"}
    other.forget(4 * DAY)
    assert {(record.part, record.data) for record in other.changed() if record.data} == {(-4, b"12.0")}
