from datetime import UTC, datetime

import pytest

from siem.detection.predicates import TIMESTAMP, Compare, Exists, TimePart, TimePartIs, View, compiled, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (3, "3"), (3.0, "3"), (3.5, "3.5"), (True, "true"), (False, "false"), (float("nan"), "nan"), (1e30, "1e+30")],
)
def test_values_compare_by_their_text(value: object, text: str) -> None:
    assert text_of(value) == text


def test_the_event_s_own_instant_is_a_field() -> None:
    at = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
    assert compiled(TimePartIs(TIMESTAMP, TimePart.HOUR, Compare.LT, 5))(View({}, at))
    assert compiled(Exists(TIMESTAMP, True))(View({}, at))


def test_texts_are_made_once_and_only_for_fields_asked_for() -> None:
    view = View({"a": "X", "b": ["Y", None, 2], "c": None})
    assert view.lower["a"] == "x"
    assert view.exact["b"] == ("Y", "2")
    assert view.lower["c"] is None
    assert set(view.lower) == {"a", "c"}
    assert view.everything(cased=False) == ("x", "y", "2")


@pytest.mark.parametrize(("compare", "expected"), [("lt", 1), ("lte", 2), ("gt", 1), ("gte", 2), ("eq", 1), ("neq", 2)])
def test_comparisons_follow_their_names(compare: str, expected: int) -> None:
    assert sum(Compare(compare).holds(left, 2) for left in (1, 2, 3)) == expected
