from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.incidents.risk import Weight, left_of, reaching, score, shares

START = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)
HALF = timedelta(days=3)


def weight(alert: str, points: int, days: float, rule: str = "", subject: str = "P-1") -> Weight:
    return Weight(alert, rule or alert, subject, points, START + days * DAY)


def test_half_is_left_after_a_half_life_and_nothing_is_lost_before() -> None:
    assert [left_of(60, days * DAY, HALF) for days in (-1, 0, 3, 6)] == [60, 60, 30, 15]


def test_of_one_rule_about_one_subject_the_heaviest_counts_and_the_others_are_told() -> None:
    parts = shares([weight("old", 60, 0, "r"), weight("new", 60, 3, "r"), weight("other", 30, 3)], START + 3 * DAY, HALF)
    assert [(part.weight.alert_id, part.decayed, part.counted) for part in parts] == [("new", 60, 60), ("old", 30, 0), ("other", 30, 30)]
    assert score([weight("a", 60, 0, "r", "P-1"), weight("b", 60, 0, "r", "P-2")], START, HALF) == 120


def test_what_has_not_happened_yet_weighs_nothing() -> None:
    assert shares([weight("later", 60, 1)], START, HALF) == []


def test_alerts_of_two_days_reach_together_what_neither_does() -> None:
    two = [weight("monday", 60, 0), weight("tuesday", 60, 1)]
    assert reaching(two, START, 100, HALF) == {"monday", "tuesday"}
    assert reaching([two[0], weight("friday", 60, 4)], START, 100, HALF) == set()
    assert reaching(two, START + 2 * DAY, 100, HALF) == set()


WEIGHTS = st.lists(
    st.builds(
        weight,
        st.uuids().map(str),
        st.sampled_from([0, 10, 30, 60, 100]),
        st.integers(0, 240).map(lambda hours: hours / 24),
        st.sampled_from("abc"),
        st.sampled_from(("P-1", "P-2")),
    ),
    max_size=12,
)


@given(WEIGHTS, st.integers(0, 300), st.integers(0, 300))
def test_waiting_after_the_last_alert_halves_everything_alike(weights: list[Weight], first: int, more: int) -> None:
    last = START + 10 * DAY + timedelta(hours=first)
    elapsed = timedelta(hours=more)
    assert score(weights, last + elapsed, HALF) == pytest.approx(left_of(score(weights, last, HALF), elapsed, HALF))


@given(WEIGHTS)
def test_the_order_of_what_is_seen_changes_nothing_and_risk_grows_only_when_an_alert_happens(weights: list[Weight]) -> None:
    end = START + 10 * DAY
    assert score(weights, end, HALF) == pytest.approx(score(list(reversed(weights)), end, HALF))
    instants = sorted({one.at for one in weights})
    for before, after in pairwise(instants):
        assert score(weights, after - timedelta(seconds=1), HALF) <= score(weights, before, HALF) + 1e-9


@given(WEIGHTS, st.integers(20, 200), st.data())
def test_what_reaches_the_threshold_is_found_whatever_came_late(weights: list[Weight], threshold: int, data: st.DataObject) -> None:
    """Seen one by one in any order, each time from the instant of the late one on, the same alerts are found as at once."""
    at_once = reaching(weights, START, threshold, HALF)
    seen: list[Weight] = []
    found: set[str] = set()
    for one in data.draw(st.permutations(weights)):
        seen.append(one)
        found |= reaching(seen, one.at, threshold, HALF)
    assert found == at_once
