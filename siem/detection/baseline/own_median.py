"""``own_median``: somebody does much more in an hour or a day than they themselves usually do.

A span's **limit** is ``factor`` times the median of the same habit's spans in the look-back before it, those without any match
left out, and at least ``floor``; it is known once there are ``minimum`` of them. With a ``cap``, the limit is never above it, and
known without any history. If the measure of a span reaches its limit, every match of the span is part of what was found.

More matches in a span never undo that, so each evaluation returns at once those that have become part of it; only the
spans before must be complete: a span is compared with them from when its begin is ``lateness`` behind the newest event.
"""

import statistics
from collections.abc import Iterator
from typing import Final

import orjson

from siem.detection.baseline.document import Baseline
from siem.detection.baseline.sighting import Found, Key, Record, Sighting, number_text
from siem.detection.baseline.tally import Tally

_UNKNOWN: Final = "…"


class OwnMedian:
    """State of one ``own_median`` baseline in one tenant."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._reach = baseline.lookback // baseline.per
        self._tally = Tally(baseline)
        #: Measures of closed spans, by number and habit.
        self._history: dict[int, dict[Key, float]] = {}
        self._remembered = 0
        self._touched: set[tuple[int, Key]] = set()
        self._changed: set[tuple[Key, int]] = set()

    @property
    def size(self) -> int:
        """Matches of open spans, and measures of closed ones."""
        return self._tally.size + self._remembered

    def add(self, key: Key, sighting: Sighting) -> None:
        """Count a match. A span that was closed for good takes none any more."""
        number = sighting.at // self._tally.length
        if key in self._history.get(number, ()):
            return
        if self._tally.add(key, sighting) is not None:
            self._touched.add((number, key))

    def settle(self, closed_at: int) -> list[Found]:
        """What has become out of the ordinary in the spans that were touched."""
        found: list[Found] = []
        for number, key in sorted(self._touched):
            span = self._tally.open[number][key]
            if closed_at >= self._tally.begin(number):
                if span.usual is None:
                    span.usual = self._usual(number, key)
                self._touched.discard((number, key))
            limit = self._baseline.limit(span.usual)
            measure = self._tally.measure(number, key)
            if limit is not None and measure >= limit and span.unreturned:
                usual = _UNKNOWN if span.usual is None else number_text(span.usual)
                facts = (("count", number_text(measure)), ("usual", usual), ("limit", number_text(limit)))
                found.append(Found(key, "", self._tally.returned(key, span), facts))
        return found

    def _usual(self, number: int, key: Key) -> float | None:
        """The median of the spans before; None where there are too few."""
        measures: list[float] = []
        for before in range(number - self._reach, number):
            measure = self._history.get(before, {}).get(key) or self._tally.measure(before, key)
            if measure:
                measures.append(measure)
        return statistics.median(measures) if len(measures) >= self._baseline.minimum else None

    def forget(self, horizon: int) -> None:
        """Close the spans for which nothing more can come, and let go of those that no look-back reaches."""
        for number in list(self._tally.ended(horizon)):
            measures = {key: self._tally.measure(number, key) for key in self._tally.open[number]}
            self._history.setdefault(number, {}).update(measures)
            self._remembered += len(measures)
            self._changed.update((key, _part_of(number)) for key in measures)
            self._tally.close(number)
        for number in [one for one in self._history if one < horizon // self._tally.length - self._reach]:
            self._drop(number)

    def _drop(self, number: int) -> int:
        measures = self._history.pop(number)
        self._changed.update((key, _part_of(number)) for key in measures)
        self._remembered -= len(measures)
        return len(measures)

    def shed(self, limit: int) -> int:
        """Give up the oldest history first, then matches of the oldest spans."""
        lost = 0
        while self.size > limit and self._history:
            lost += self._drop(min(self._history))
        while self.size > limit and self._tally.open:
            lost += self._tally.close_some(min(self._tally.open), self.size - limit)
        if lost:
            self._touched = {(number, key) for number, key in self._touched if key in self._tally.open.get(number, ())}
        return lost

    def changed(self) -> Iterator[Record]:
        """Parts of spans, and measures, that changed since the last call."""
        changed = self._changed | self._tally.changed
        self._changed, self._tally.changed = set(), set()
        for key, part in changed:
            yield Record(key, part, self._measure(key, part) if part < 0 else self._tally.pack(key, part))

    def everything(self) -> Iterator[Record]:
        """Every part of every open span, and every measure."""
        yield from self._tally.everything()
        for number, measures in self._history.items():
            for key in measures:
                yield Record(key, _part_of(number), self._measure(key, _part_of(number)))

    def _measure(self, key: Key, part: int) -> bytes | None:
        measure = self._history.get(_part_of(part), {}).get(key)
        return None if measure is None else orjson.dumps(measure)

    def restore(self, record: Record) -> None:
        """Take back a record written by :meth:`changed`."""
        if record.data is None:
            return
        if record.part < 0:
            self._history.setdefault(_part_of(record.part), {})[record.key] = float(orjson.loads(record.data))
            self._remembered += 1
        else:
            self._touched.add((self._tally.restore(record), record.key))


def _part_of(number: int) -> int:
    """The part under which a closed span's measure is written down, and back: parts under zero."""
    return -1 - number
