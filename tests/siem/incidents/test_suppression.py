from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from siem.detection import Limit
from siem.incidents.suppression import UNLIMITED, limit_key, silenced_by

START = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
#: After two a minute, be silent for a quarter of an hour.
WISH = Limit(2, 60, 900)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_after_two_within_a_minute_the_second_holds_what_begins_in_the_next_quarter() -> None:
    begun = [(at(0), "a"), (at(59), "b")]
    assert [silenced_by(begun, at(seconds), WISH) for seconds in (58, 59, 60, 958.9, 959)] == [None, "b", "b", "b", None]


def test_two_further_apart_start_no_silence() -> None:
    assert silenced_by([(at(0), "a"), (at(60), "b")], at(61), WISH) is None
    assert silenced_by([(at(0), "a")], at(1), WISH) is None
    assert silenced_by([(at(0), "a"), (at(1), "b")], at(2), UNLIMITED) is None


def test_alerts_are_counted_under_the_fields_of_the_limit_alone() -> None:
    group = (("source.ip", "192.0.2.1"), ("user.id", "P-1"))
    other = (("source.ip", "192.0.2.1"), ("user.id", "P-2"))
    by_address = Limit(2, 60, 900, ("source.ip",))
    assert limit_key("t", "r", group, by_address) == limit_key("t", "r", other, by_address)
    assert limit_key("t", "r", group, WISH) != limit_key("t", "r", other, WISH)
    assert len({limit_key(tenant, rule, group, WISH) for tenant in "ab" for rule in "cd"}) == 4


@given(st.lists(st.integers(0, 5000), max_size=30), st.integers(1, 4), st.integers(1, 300), st.integers(1, 1500))
def test_a_stream_never_begins_more_alerts_than_the_limit_allows(instants: list[int], count: int, within: int, silence: int) -> None:
    limit = Limit(count, within, silence)
    begun: list[tuple[datetime, str]] = []
    held = 0
    for number, second in enumerate(sorted(instants)):
        if silenced_by(begun, at(second), limit) is None:
            begun.append((at(second), f"{number:03d}"))
        else:
            held += 1
    assert len(begun) + held == len(instants)
    for place in range(len(begun) - count):
        gap = begun[place + count][0] - begun[place][0]
        # One more than ``count`` within ``within``: only where the silence is shorter than that.
        assert gap >= timedelta(seconds=min(within, silence))
