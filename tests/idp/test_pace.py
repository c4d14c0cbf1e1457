from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from idp import pace
from idp.pace import Pace

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@given(st.lists(st.integers(0, 90), max_size=60), st.integers(1, 10))
def test_no_minute_sees_more_than_twice_the_count_and_a_steady_visitor_at_the_rate_is_never_refused(gaps: list[int], count: int) -> None:
    """Independent of how it is counted: what was let in is looked at from outside, in every window of a minute."""
    door, at, let_in = Pace(count, MINUTE), NOW, []
    for gap in gaps:
        at += timedelta(seconds=gap)
        if door.wait("n", at) is None:
            let_in.append(at)
    for begin in let_in:
        assert sum(begin <= one < begin + MINUTE for one in let_in) <= 2 * count
    steady = Pace(count, MINUTE)
    assert all(steady.wait("n", NOW + number * (MINUTE / count)) is None for number in range(3 * count))


@given(st.integers(1, 50))
def test_whoever_waits_as_long_as_told_is_let_in(count: int) -> None:
    door = Pace(count, MINUTE)
    assert [door.wait("n", NOW) for _ in range(count)] == [None] * count
    told = door.wait("n", NOW)
    assert told is not None and told > timedelta()
    assert door.wait("n", NOW + told) is None


def test_one_network_waits_for_itself_alone() -> None:
    door = Pace(1, MINUTE)
    assert door.wait("a", NOW) is None
    assert door.wait("a", NOW) is not None
    assert door.wait("b", NOW) is None


def test_a_flood_is_worth_one_line() -> None:
    door = Pace(1, MINUTE)
    door.wait("a", NOW)
    assert door.wait("a", NOW) is not None
    assert [door.first_refusal("a") for _ in range(3)] == [True, False, False]
    assert door.wait("a", NOW + 2 * MINUTE) is None
    assert door.wait("a", NOW + 2 * MINUTE) is not None
    assert door.first_refusal("a")
    assert not door.first_refusal("unknown")


def test_what_is_remembered_is_bounded() -> None:
    door = Pace(1, MINUTE)
    for number in range(pace._MAX_NETWORKS + 10):
        door.wait(str(number), NOW)
    assert len(door._seen) <= pace._MAX_NETWORKS
