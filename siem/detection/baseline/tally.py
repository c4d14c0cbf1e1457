"""What is counted over hours or days: the matches of each habit in each span, until nothing more can come for the span.

A span is an hour or a day of UTC, numbered from 1970. Its measure is the number of its matches, or of the distinct values in
them (without case, as Sigma compares). Each match is returned at most once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from siem.detection.baseline.document import Baseline
from siem.detection.baseline.sighting import Key, Record, Sighting, carried_of

#: A span's matches are written down in this many parts, so that one more rewrites a small one.
_PARTS: Final = 24


@dataclass(slots=True)
class Span:
    """The matches of one habit in one span."""

    #: Matches by event, and those not yet returned.
    sightings: dict[str, Sighting] = field(default_factory=dict)
    unreturned: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    parts: dict[int, list[str]] = field(default_factory=dict)
    #: What is usual here, once known.
    usual: float | None = None

    def take_unreturned(self) -> tuple[Sighting, ...]:
        """The matches not yet returned, in order; from now on they are."""
        found = sorted((self.sightings[event_id] for event_id in self.unreturned), key=lambda one: (one.at, one.event_id))
        self.unreturned = set()
        return tuple(found)


class Tally:
    """Open spans of one baseline in one tenant, by number and habit."""

    def __init__(self, baseline: Baseline) -> None:
        self.length = baseline.per
        self.part = max(baseline.per // _PARTS, 1)
        self.counts_values = bool(baseline.fields)
        self.open: dict[int, dict[Key, Span]] = {}
        self.changed: set[tuple[Key, int]] = set()
        self.size = 0

    def add(self, key: Key, sighting: Sighting) -> int | None:
        """The number of the span that took the match in; None where it is known there."""
        number = sighting.at // self.length
        spans = self.open.setdefault(number, {})
        span = spans.get(key)
        if span is None:
            span = spans[key] = Span()
        if sighting.event_id in span.sightings:
            return None
        self._put(key, span, sighting, returned=False)
        self.changed.add((key, sighting.at // self.part))
        return number

    def _put(self, key: Key, span: Span, sighting: Sighting, *, returned: bool) -> None:
        span.sightings[sighting.event_id] = sighting
        if not returned:
            span.unreturned.add(sighting.event_id)
        span.values.update(sighting.values)
        span.parts.setdefault(sighting.at // self.part, []).append(sighting.event_id)
        self.size += 1

    def measure(self, number: int, key: Key) -> float:
        """The measure of an open span; 0 where there is none."""
        span = self.open.get(number, {}).get(key)
        if span is None:
            return 0.0
        return float(len(span.values) if self.counts_values else len(span.sightings))

    def returned(self, key: Key, span: Span) -> tuple[Sighting, ...]:
        """Return what was not; the parts that hold it have changed."""
        found = span.take_unreturned()
        self.changed.update((key, one.at // self.part) for one in found)
        return found

    def begin(self, number: int) -> int:
        """The instant a span begins at."""
        return number * self.length

    def ended(self, before: int) -> Iterator[int]:
        """Open spans that end at ``before`` or earlier, oldest first."""
        return (number for number in sorted(self.open) if (number + 1) * self.length <= before)

    def close(self, number: int) -> int:
        """Forget the matches of a span; how many."""
        lost = 0
        for key, span in self.open.pop(number, {}).items():
            lost += self._drop(key, span)
        return lost

    def close_some(self, number: int, count: int) -> int:
        """Forget whole habits of a span until at least ``count`` matches are gone, or the span is; how many are."""
        lost = 0
        spans = self.open.get(number, {})
        for key in list(spans):
            if lost >= count:
                break
            lost += self._drop(key, spans.pop(key))
        if not spans:
            self.open.pop(number, None)
        return lost

    def _drop(self, key: Key, span: Span) -> int:
        self.changed.update((key, part) for part in span.parts)
        self.size -= len(span.sightings)
        return len(span.sightings)

    def pack(self, key: Key, part: int) -> bytes | None:
        """One part of a span, or None where nothing is left of it."""
        span = self.open.get(part * self.part // self.length, {}).get(key)
        if span is None or part not in span.parts:
            return None
        rows = []
        for event_id in span.parts[part]:
            one = span.sightings[event_id]
            rows.append([one.at, event_id, one.values, one.carried, event_id not in span.unreturned])
        return orjson.dumps(rows)

    def everything(self) -> Iterator[Record]:
        """Every part of every open span."""
        for spans in self.open.values():
            for key, span in spans.items():
                for part in span.parts:
                    yield Record(key, part, self.pack(key, part))

    def restore(self, record: Record) -> int:
        """Take back a part; the number of its span."""
        number = record.part * self.part // self.length
        span = self.open.setdefault(number, {}).setdefault(record.key, Span())
        for at, event_id, values, carried, returned in orjson.loads(record.data or b"[]"):
            self._put(record.key, span, Sighting(at, event_id, tuple(values), carried_of(carried)), returned=returned)
        return number
