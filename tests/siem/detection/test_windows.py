import math
import random
from statistics import mean, median

import pytest

from siem.detection.correlations import CorrelationType, read_correlation
from siem.detection.windows import Entry, combined, joined, kept, window_of
from siem.detection.windows import measured as measured_text


def entry(value: str, rule: int = 0) -> Entry:
    return (0, rule, "", value, (), ())


def correlation(kind: str, **condition: object) -> object:
    body: dict[str, object] = {"gte": 1, **condition}
    return {"type": kind, "rules": ["a", "b"], "timespan": "1m", "condition": body}


def measured(kind: str, inside: list[Entry]) -> float:
    numbers = [float(one[3]) for one in inside]
    return {
        "event_count": len(inside),
        "value_count": len({one[3] for one in inside}),
        "temporal": len({one[1] for one in inside}),
        "value_sum": math.fsum(numbers),
        "value_avg": mean(numbers),
        "value_median": median(numbers),
    }[kind]


@pytest.mark.parametrize("kind", ["event_count", "value_count", "value_sum", "value_avg", "value_median", "temporal"])
def test_a_window_measures_what_is_in_it_whatever_came_and_went(kind: str) -> None:
    extra = {"field": "f"} if kind.startswith("value") else {}
    window = window_of(read_correlation(correlation(kind, **extra)))
    rng = random.Random(7)
    inside: list[Entry] = []
    for _ in range(600):
        if inside and rng.random() < 0.45:
            gone = inside.pop(rng.randrange(len(inside)))
            window.remove(gone)
        else:
            new = entry(str(rng.choice([1, 2, 0.1, -3, 7])), rng.randrange(3))
            inside.append(new)
            window.add(new)
        if inside:
            assert window.measure() == pytest.approx(measured(kind, inside))


def test_a_percentile_lies_between_its_neighbours() -> None:
    window = window_of(read_correlation(correlation(CorrelationType.VALUE_PERCENTILE.value, field="f", percentile=75)))
    assert math.isnan(window.measure())
    for value in (10, 20, 30, 40):
        window.add(entry(str(value)))
    assert window.measure() == pytest.approx(32.5)


def test_a_long_text_is_kept_short_and_apart_from_others() -> None:
    long, other = "x" * 5_000_000, "x" * 4_999_999 + "y"
    assert kept("marie") == "marie"
    assert kept("été") == "été"
    assert len(kept(long)) < 1100
    assert kept(long) == kept(long) != kept(other)
    assert kept("a\ud800") == "a\\xed\\xa0\\x80"


def test_lists_give_every_combination_up_to_a_limit_and_what_is_beyond_is_counted() -> None:
    assert combined({"a": ("x", "y", "x"), "b": "1"}, ("a", "b"), 64) == ([("x", "1"), ("y", "1")], 0)
    assert combined({"a": None, "b": "1"}, ("a", "b"), 64) == ([], 0)
    assert combined({}, (), 64) == ([()], 0)
    many = tuple(map(str, range(20)))
    rows, left_out = combined({"a": many, "b": many}, ("a", "b"), 64)
    assert (len(rows), left_out) == (64, 400 - 64)


def test_each_number_of_a_list_is_measured() -> None:
    assert measured_text({"a": ("5", "x", "6.5", "5")}, ("a",), numbers=True) == "5\x1f6.5\x1f5"
    assert [measured_text({"a": text}, ("a",), numbers=True) for text in (None, (), "x", "nan", ("y",))] == [None] * 5
    assert measured_text({"a": ("X", "y"), "b": "Z"}, ("a", "b"), numbers=False) == "x, y\x1fz"
    assert measured_text({"a": None, "b": "Z"}, ("a", "b"), numbers=False) is None
    assert joined({"a": ("X", "y")}["a"]) == "X, y"
    window = window_of(read_correlation(correlation("value_sum", field="n")))
    window.add(entry("5\x1f6.5\x1f5"))
    window.add(entry("3"))
    assert window.measure() == 19.5
    window.remove(entry("5\x1f6.5\x1f5"))
    assert window.measure() == 3
