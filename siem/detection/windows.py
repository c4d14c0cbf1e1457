"""What a correlation measures over a sliding window, entry by entry, in constant time wherever the measure allows it.

A window is told which entries come in and go out, in any order, and answers its measure.
"""

import hashlib
import math
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from siem.detection.casing import without_case
from siem.detection.correlations import Correlation, CorrelationType
from siem.detection.predicates import Text
from siem.detection.values import number

#: One match in a correlation's state: instant (µs), place of its rule in the list, event id, counted value,
#: group of the child correlation it comes from (empty: a plain match), carried fields.
Entry = tuple[int, int, str, str, tuple[str, ...], tuple[str, ...]]


#: Characters of a text that state keeps; of a longer one, its begin and what tells it from others.
_KEPT: Final = 1024
_BETWEEN_VALUES: Final = "\x1f"


def kept(text: str) -> str:
    """A text as state keeps it: a source that sends megabytes in a field fills no memory, and its values still differ.

    Half a surrogate, which cannot be written down, becomes escapes.
    """
    if len(text) > _KEPT:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        text = f"{text[: _KEPT - 100]}… ({len(text)} characters, SHA-256 {digest})"
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


def joined(text: Text) -> str | None:
    """The texts of a field in one, as state keeps it; None where it is absent."""
    return None if text is None else kept(text if isinstance(text, str) else ", ".join(text))


def combined(fields: Mapping[str, Text], names: Sequence[str], limit: int) -> tuple[list[tuple[str, ...]], int]:
    """The values of several fields, once for each element of those that hold a list, and how many combinations are beyond ``limit``.

    None where a field is absent.
    """
    plain = [fields[name] for name in names]
    if all([type(text) is str for text in plain]):  # noqa: C419  # a list is faster than a generator for two
        return [tuple([kept(text) for text in plain if type(text) is str])], 0
    rows: list[tuple[str, ...]] = [()]
    count = 1
    for name in names:
        text = fields[name]
        values = (kept(text),) if isinstance(text, str) else tuple(dict.fromkeys(map(kept, text or ())))
        rows = [(*row, value) for row in rows for value in values][:limit]
        count *= len(values)
    return rows, count - len(rows)


def measured(fields: Mapping[str, Text], names: Sequence[str], *, numbers: bool) -> str | None:
    """What a match counts for, as one text; None where it counts for nothing, because a field is absent or holds no number.

    Values are counted without case, as Sigma compares them, a list as one value; of ``numbers``, each element of a list is measured.
    """
    if numbers:
        text = fields[names[0]]
        texts = (text,) if isinstance(text, str) else text or ()
        return _BETWEEN_VALUES.join(one for one in map(kept, texts) if number(one) is not None) or None
    parts = [joined(fields[name]) for name in names]
    return None if None in parts else without_case(_BETWEEN_VALUES.join(part for part in parts if part is not None))


class Window(Protocol):
    """A running measure."""

    def add(self, entry: Entry) -> None:
        """An entry comes in."""

    def remove(self, entry: Entry) -> None:
        """An entry that came in goes out."""

    def measure(self) -> float:
        """The measure now."""


@dataclass(slots=True)
class Tail:
    """Where the evaluation of a group stands: the window that ends at ``at``, and the last instant whose condition held."""

    at: int
    window: Window
    held_at: int = -1


class EventCount:
    """How many events."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, entry: Entry) -> None:
        """One more."""
        self.count += 1

    def remove(self, entry: Entry) -> None:
        """One fewer."""
        self.count -= 1

    def measure(self) -> float:
        """Number of entries."""
        return float(self.count)


class DistinctCount:
    """How many distinct values, or rules (``by_rule``), by reference counting: constant time whatever the number of values."""

    __slots__ = ("counts", "place")

    def __init__(self, *, by_rule: bool) -> None:
        self.counts: dict[object, int] = {}
        self.place = 1 if by_rule else 3

    def add(self, entry: Entry) -> None:
        """Count a value once more."""
        value = entry[self.place]
        self.counts[value] = self.counts.get(value, 0) + 1

    def remove(self, entry: Entry) -> None:
        """Forget a value when its last entry goes."""
        value = entry[self.place]
        left = self.counts[value] - 1
        if left:
            self.counts[value] = left
        else:
            del self.counts[value]

    def measure(self) -> float:
        """Number of distinct values."""
        return float(len(self.counts))


class Numbers:
    """The numbers of the window in order: sum, average, percentile. Sums are exact (no drift as entries come and go)."""

    __slots__ = ("kind", "percentile", "values")

    def __init__(self, kind: CorrelationType, percentile: float) -> None:
        self.kind = kind
        self.percentile = percentile
        self.values: list[float] = []

    def add(self, entry: Entry) -> None:
        """Put each number in its place."""
        for text in entry[3].split(_BETWEEN_VALUES):
            insort(self.values, float(text))

    def remove(self, entry: Entry) -> None:
        """Take its numbers out."""
        for text in entry[3].split(_BETWEEN_VALUES):
            del self.values[bisect_left(self.values, float(text))]

    def measure(self) -> float:
        """The sum, the average, or the percentile interpolated between neighbours (NaN for an empty window)."""
        if not self.values:
            return math.nan
        if self.kind is CorrelationType.VALUE_SUM:
            return math.fsum(self.values)
        if self.kind is CorrelationType.VALUE_AVG:
            return math.fsum(self.values) / len(self.values)
        place = (len(self.values) - 1) * self.percentile / 100
        below = math.floor(place)
        above = min(below + 1, len(self.values) - 1)
        return self.values[below] + (self.values[above] - self.values[below]) * (place - below)


_BY_RULE: Final = frozenset({CorrelationType.TEMPORAL, CorrelationType.TEMPORAL_ORDERED})


def window_of(correlation: Correlation) -> Window:
    """An empty window for the correlation's type."""
    if correlation.type is CorrelationType.EVENT_COUNT:
        return EventCount()
    if correlation.type is CorrelationType.VALUE_COUNT:
        return DistinctCount(by_rule=False)
    if correlation.type in _BY_RULE:
        return DistinctCount(by_rule=True)
    return Numbers(correlation.type, 50.0 if correlation.type is CorrelationType.VALUE_MEDIAN else correlation.percentile)
