from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.declarations.durations import Offset, add, add_months, parse_offset
from siem.declarations.wording import PARIS


def _paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def test_reads_hours_days_and_months() -> None:
    assert parse_offset("PT72H") == Offset(0, timedelta(hours=72))
    assert parse_offset("P7D") == Offset(0, timedelta(days=7))
    assert parse_offset("P1M") == Offset(1, timedelta(0))


@pytest.mark.parametrize("text", ["", "72h", "P", "PT", "P1Y", "PT0H", 72, None, "PT72H\n"])
def test_refuses_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_offset(text)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-10-24T12:00", "2026-10-27T11:00"),  # an hour more in the night of 25 October: same elapsed time, earlier on the wall
        ("2026-03-28T12:00", "2026-03-31T13:00"),  # an hour less in the night of 29 March
        ("2026-11-20T18:00", "2026-11-23T18:00"),  # a weekend counts like any day
    ],
)
def test_seventy_two_hours_are_elapsed_hours(start: str, end: str) -> None:
    assert add(_paris(start), parse_offset("PT72H"), PARIS) == _paris(end)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-31T10:00", "2026-02-28T10:00"),
        ("2028-01-31T10:00", "2028-02-29T10:00"),
        ("2026-12-31T23:59", "2027-01-31T23:59"),
        ("2026-03-31T08:00", "2026-04-30T08:00"),
        ("2026-10-01T09:30", "2026-11-01T09:30"),  # across the clock change: same wall time
        ("2026-02-28T10:00", "2026-03-28T10:00"),
    ],
)
def test_a_month_ends_on_the_same_day_or_the_last_one(start: str, end: str) -> None:
    assert add(_paris(start), parse_offset("P1M"), PARIS) == _paris(end)


def test_a_month_that_ends_in_a_skipped_hour_ends_an_hour_later_on_the_wall() -> None:
    end = add_months(_paris("2027-02-28T02:30"), 1, PARIS)
    assert end.astimezone(PARIS).isoformat() == "2027-03-28T03:30:00+02:00"


def test_a_month_that_ends_in_a_repeated_hour_ends_at_its_first_pass() -> None:
    assert add_months(_paris("2026-09-25T02:30"), 1, PARIS) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(st.integers(946_684_800, 2_840_140_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)), st.integers(1, 24))
def test_months_keep_the_day_or_clamp_it_and_never_go_back(start: datetime, count: int) -> None:
    end = add_months(start, count, PARIS)
    before, after = start.astimezone(PARIS), end.astimezone(PARIS)
    assert (after.year * 12 + after.month) - (before.year * 12 + before.month) == count
    assert after.day == before.day or (after.day < before.day and (after + timedelta(days=1)).day == 1)
    assert timedelta(days=28 * count - 1) <= end - start <= timedelta(days=31 * count + 1)
