"""``peer_group``: somebody does much more in an hour or a day than those of their kind in the same span.

Peers of a habit are the others with the same values in the ``peers`` fields that have a match in the span; whoever has none
says nothing about a day's work. The **limit** is ``factor`` times the ``percentile`` of the peers' measures, and at least ``floor``;
it is known once there are ``minimum`` peers. If the measure of a span reaches it, every match of the span is part of what was found.

What the peers do later in the span may undo that, so a span is compared when its end is ``lateness`` behind the newest event. A
``cap`` needs no peers: what reaches it is told at once.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from siem.detection.baseline.document import Baseline
from siem.detection.baseline.sighting import Found, Key, Record, Sighting, number_text
from siem.detection.baseline.tally import Span, Tally

_UNKNOWN: Final = "…"


class PeerGroup:
    """State of one ``peer_group`` baseline in one tenant. A key is whose habit it is, then the values that peers share."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._tally = Tally(baseline)
        self._own = len(baseline.group_by)
        self._touched: set[tuple[int, Key]] = set()
        #: Spans in which something changed since they were compared.
        self._uncompared: set[int] = set()

    @property
    def size(self) -> int:
        """Matches of open spans."""
        return self._tally.size

    def add(self, key: Key, sighting: Sighting) -> None:
        """Count a match."""
        number = self._tally.add(key, sighting)
        if number is not None:
            self._touched.add((number, key))
            self._uncompared.add(number)

    def settle(self, closed_at: int) -> list[Found]:
        """What is above the cap, and what stands out in the spans that are over."""
        found: list[Found] = []
        touched, self._touched = self._touched, set()
        cap = self._baseline.cap
        for number, key in sorted(touched) if cap is not None else ():
            self._judge(number, key, None, 0, found)
        for number in sorted(self._uncompared):
            if (number + 1) * self._tally.length <= closed_at:
                self._uncompared.discard(number)
                self._compare(number, found)
        return found

    def _compare(self, number: int, found: list[Found]) -> None:
        spans = self._tally.open.get(number, {})
        peers: dict[Key, list[float]] = {}
        for key in spans:
            peers.setdefault(key[self._own :], []).append(self._tally.measure(number, key))
        for measures in peers.values():
            measures.sort()
        for key in sorted(spans):
            measure = self._tally.measure(number, key)
            everyone = peers[key[self._own :]]
            count = len(everyone) - 1
            if measure >= self._baseline.floor and count >= self._baseline.minimum:
                others = percentile_without(everyone, bisect_left(everyone, measure), self._baseline.percentile)
                self._judge(number, key, others, count, found)

    def _judge(self, number: int, key: Key, usual: float | None, count: int, found: list[Found]) -> None:
        span: Span = self._tally.open[number][key]
        limit = self._baseline.limit(usual)
        measure = self._tally.measure(number, key)
        if limit is not None and measure >= limit and span.unreturned:
            shown = _UNKNOWN if usual is None else number_text(usual)
            facts = (
                ("count", number_text(measure)),
                ("usual", shown),
                ("limit", number_text(limit)),
                ("peers", str(count) if count else _UNKNOWN),
            )
            found.append(Found(key, "", self._tally.returned(key, span), facts))

    def forget(self, horizon: int) -> None:
        """Let go of the spans for which nothing more can come."""
        for number in list(self._tally.ended(horizon)):
            self._tally.close(number)
            self._uncompared.discard(number)

    def shed(self, limit: int) -> int:
        """Give up matches of the oldest spans."""
        lost = 0
        while self.size > limit and self._tally.open:
            lost += self._tally.close_some(min(self._tally.open), self.size - limit)
        if lost:
            self._touched = {(number, key) for number, key in self._touched if key in self._tally.open.get(number, ())}
        return lost

    def changed(self) -> Iterator[Record]:
        """Parts of spans that changed since the last call."""
        changed, self._tally.changed = self._tally.changed, set()
        for key, part in changed:
            yield Record(key, part, self._tally.pack(key, part))

    def everything(self) -> Iterator[Record]:
        """Every part of every open span."""
        return self._tally.everything()

    def restore(self, record: Record) -> None:
        """Take back a record written by :meth:`changed`."""
        if record.data is not None:
            self._uncompared.add(self._tally.restore(record))


def percentile_without(measures: Sequence[float], left_out: int, percent: float) -> float:
    """The percentile of sorted numbers of which one is left out, interpolated between neighbours. At least two are given."""
    last = len(measures) - 2
    place = last * percent / 100
    below = math.floor(place)
    low, high = (measures[at + (at >= left_out)] for at in (below, min(below + 1, last)))
    return low + (high - low) * (place - below)
