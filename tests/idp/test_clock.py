import uuid
from datetime import UTC, datetime, timedelta

import pytest

from idp.clock import Clock, ClockError, ordered_id

START = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


class Wall:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


def test_follows_the_wall_and_goes_on_from_where_it_is_set() -> None:
    wall = Wall()
    clock = Clock(wall)
    assert clock() == START
    assert clock.set(START + timedelta(hours=1)) == START + timedelta(hours=1)
    wall.at += timedelta(seconds=5)
    assert clock() == START + timedelta(hours=1, seconds=5)


def test_may_start_in_the_past_and_then_follow_the_wall() -> None:
    clock = Clock(Wall(), start_at=START - timedelta(hours=3))
    assert clock() == START - timedelta(hours=3)
    assert clock.follow_wall() == START


def test_never_goes_back() -> None:
    clock = Clock(Wall())
    with pytest.raises(ClockError, match="never goes back"):
        clock.set(START - timedelta(seconds=1))
    clock.set(START + timedelta(hours=1))
    with pytest.raises(ClockError, match="never goes back"):
        clock.follow_wall()


def test_refuses_an_instant_without_zone() -> None:
    with pytest.raises(ClockError, match="no time zone"):
        Clock(Wall()).set(datetime(2027, 1, 1))  # noqa: DTZ001 (that is the point)


def test_identifiers_are_unique_and_ordered_by_their_moment() -> None:
    made = [ordered_id(START + timedelta(milliseconds=number)) for number in range(100)]
    assert made == sorted(made)
    assert len({ordered_id(START) for _ in range(100)}) == 100
    assert uuid.UUID(made[0]).version == 7
