from hypothesis import given
from hypothesis import strategies as st

from siem.detection.correlate import Correlator
from siem.detection.correlations import read_correlation
from siem.detection.state import StateKey, pack, pack_time, unpack, unpack_time

SECTION = {"type": "event_count", "rules": ["a"], "group-by": ["user.id"], "timespan": "8m", "condition": {"gte": 2}}
texts = st.text(max_size=12)


@given(texts, texts, st.lists(texts, max_size=3), st.integers(-(2**40), 2**40))
def test_a_key_is_read_back_as_written(rule_id: str, tenant: str, group: list[str], part: int) -> None:
    key = StateKey(rule_id, "f", tenant, tuple(group), part)
    assert StateKey.parse(key.text()) == key


def test_a_record_holds_one_part_of_a_group() -> None:
    correlator = Correlator(read_correlation(SECTION), keep=480_000_000, has_parents=False)
    for minute in (0, 0.5, 3):
        correlator.add(("P-1",), (int(minute * 60_000_000), 0, f"e{minute}", "", (), ()))
    correlator.settle(0, 0)
    assert correlator.changed == {(("P-1",), 0), (("P-1",), 3)}
    first, second = pack(correlator, ("P-1",), 0), pack(correlator, ("P-1",), 3)
    assert first is not None
    assert second is not None
    assert pack(correlator, ("P-1",), 2) is None
    assert pack(correlator, ("P-2",), 0) is None
    other = Correlator(read_correlation(SECTION), keep=480_000_000, has_parents=False)
    unpack(other, ("P-1",), 3, second)
    unpack(other, ("P-1",), 0, first)
    assert other.groups[("P-1",)].entries == correlator.groups[("P-1",)].entries
    assert other.groups[("P-1",)].marks == correlator.groups[("P-1",)].marks
    assert other.size == 3


def test_the_time_of_sources_is_read_back_as_written() -> None:
    assert unpack_time(pack_time({"sources": {"é": [2**50, None]}, "listened": 5})) == {"sources": {"é": [2**50, None]}, "listened": 5}
