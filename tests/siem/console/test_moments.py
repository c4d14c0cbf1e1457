from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.console import moments
from siem.console.language import load

LANGUAGES = load()
NIGHT = datetime(2026, 11, 22, 2, 14, 5, tzinfo=UTC)


def test_shows_paris_time_in_french_and_english() -> None:
    assert moments.local(LANGUAGES["fr"], NIGHT) == "22 nov. 2026, 03:14"
    assert moments.local(LANGUAGES["en"], NIGHT) == "22 Nov 2026, 03:14"


def test_follows_summer_time() -> None:
    assert moments.local(LANGUAGES["fr"], datetime(2026, 7, 1, 22, 30, tzinfo=UTC)) == "2 juil. 2026, 00:30"


def test_the_element_holds_utc_for_machines_and_in_its_tooltip() -> None:
    shown = moments.element(LANGUAGES["fr"], NIGHT, NIGHT + timedelta(minutes=12))
    assert 'datetime="2026-11-22T02:14:05Z" title="2026-11-22 02:14:05 UTC"' in shown
    assert "il y a 12 min" in shown


def test_a_day_has_its_month_in_words() -> None:
    assert moments.day(LANGUAGES["fr"], date(2027, 1, 31)) == "31 janv. 2027"
    assert moments.day(LANGUAGES["en"], date(2027, 1, 31)) == "31 Jan 2027"


def test_an_absent_instant_is_a_dash() -> None:
    assert "–" in moments.element(LANGUAGES["fr"], None, NIGHT)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(hours=2, minutes=5), "2 h 05"),
        (timedelta(days=3, hours=4), "3 j 4 h"),
        (timedelta(days=3), "3 j"),
        (timedelta(hours=-2), "2 h 00"),
    ],
)
def test_a_span_is_said_with_its_two_largest_units(span: timedelta, words: str) -> None:
    assert moments.duration(LANGUAGES["fr"], span) == words


@given(st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)))
def test_past_and_future_are_never_confused(offset: timedelta) -> None:
    said = moments.relative(LANGUAGES["en"], NIGHT + offset, NIGHT)
    if abs(offset) < timedelta(minutes=1):
        assert said == "just now"
    else:
        assert said.endswith(" ago") == (offset < timedelta(0)) and said.startswith("in ") == (offset > timedelta(0))


def test_only_the_hour_is_shown_for_today_in_paris() -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # already the 22nd in Paris
    assert moments.local_short(LANGUAGES["fr"], late, NIGHT) == "00:30"
    assert moments.local_short(LANGUAGES["fr"], late - timedelta(hours=2), NIGHT) == "21 nov., 22:30"
