from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from siem.detection.correlate import Correlator
from siem.detection.correlations import read_correlation
from siem.detection.groups import Groups, Key
from siem.detection.state import pack, unpack
from siem.detection.windows import Entry

SECOND = 1_000_000
SPAN = 600 * SECOND
puts = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc")), max_size=40, unique=True)


def entry(second: int, name: str = "e") -> Entry:
    return (second * SECOND, 0, f"{name}{second}", "", (), ())


def kept(groups: Groups) -> Iterator[tuple[int, str]]:
    yield from sorted((one[0] // SECOND, key[0]) for key, group in groups.groups.items() for one in group.entries)


@given(puts, st.integers(0, 30), st.integers(1, 12))
def test_at_its_limit_exactly_the_oldest_go_whatever_the_group_and_the_order_of_arrival(
    arriving: list[tuple[int, str]], limit: int, batch: int
) -> None:
    groups = Groups(SPAN, SPAN)
    expected: list[tuple[int, str]] = []
    while arriving:
        some, arriving = arriving[:batch], arriving[batch:]
        for second, name in some:
            assert groups.put((name,), entry(second, name)) is not None
            assert groups.put((name,), entry(second, name)) is None
        expected = sorted([*expected, *some])
        excess = max(0, len(expected) - limit)
        assert groups.shed(limit) == excess
        gone, expected = expected[:excess], expected[excess:]
        found = list(kept(groups))
        # Of one instant, whose group comes first goes first.
        assert found == expected
        assert groups.size == len(found)
        assert {(key, second * SECOND // groups.part) for second, key in gone} <= {(key[0], part) for key, part in groups.changed}
        assert all(group.entries for group in groups.groups.values())


def test_what_is_shed_leaves_the_window_and_the_kept_state() -> None:
    section = {"type": "event_count", "rules": ["a"], "group-by": ["user.id"], "timespan": "10m", "condition": {"gte": 5}}
    correlator = Correlator(read_correlation(section), keep=SPAN, has_parents=False)
    key: Key = ("P-1",)
    for second in range(4):
        correlator.add(key, entry(second))
    assert correlator.settle(0, 0) == ([], [])
    assert correlator.shed(3) == 1
    again = Correlator(read_correlation(section), keep=SPAN, has_parents=False)
    data = pack(correlator, key, 0)
    assert data is not None
    unpack(again, key, 0, data)
    again.resume(0)
    for one in (correlator, again):
        one.add(key, entry(4))
        assert one.settle(0, 0) == ([], []), "four are left of five"
        one.add(key, entry(5))
        (found,), _ = one.settle(0, 0)
        assert [of[0] // SECOND for of in found.entries] == [1, 2, 3, 4, 5]


def test_windows_that_wait_are_remembered_once_for_each_group_that_is_kept() -> None:
    section = {"type": "temporal", "rules": ["a", "b"], "timespan": "30d", "condition": "a and not b"}
    correlator = Correlator(read_correlation(section), keep=SPAN, has_parents=False)
    for second in range(5_000):
        correlator.add((f"P-{second}",), entry(second))
        correlator.add(("P",), entry(second))
        if second % 50 == 0:
            correlator.settle(second * SECOND, second * SECOND)
            correlator.shed(100)
    assert len(correlator.groups) <= 200
    assert len(correlator._over) <= 2 * 200 + 64
    assert len(correlator._expiry) <= 2 * 200 + 64


def test_events_remembered_as_returned_count_too_and_go_with_the_oldest() -> None:
    groups = Groups(SPAN, SPAN)
    for second in range(100):
        groups.put(("P-1",), entry(second))
        groups.remember(("P-1",), {f"behind{second}": second * SECOND, f"before{second}": second * SECOND})
    assert groups.size == 300
    assert groups.shed(320) == 0
    lost = groups.shed(150)
    group = groups.groups["P-1",]
    assert groups.size == len(group.entries) + len(group.returned) <= 150
    assert lost == 100 - len(group.entries)
    assert min(group.returned.values()) >= group.entries[0][0] == lost * SECOND
    groups.forget(10_000 * SECOND)
    assert groups.size == 0
    assert groups.groups == {}
