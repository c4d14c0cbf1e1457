"""What a correlation keeps: the matches of each group in order of time, within a bound, and what of it changed."""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from siem.detection.chains import Rows
from siem.detection.windows import Entry, Tail

#: Group-by values.
Key = tuple[str, ...]
FOREVER: Final = 2**62
#: A window's kept state is cut in this many parts, so that a change rewrites a small one.
_PARTS: Final = 8
#: Of a correlation of correlations at its limit so much more is given up at once: its oldest have to be looked for.
_AT_ONCE: Final = 32


@dataclass(slots=True)
class Group:
    """Matches of one group, in order, each with its mark."""

    entries: list[Entry] = field(default_factory=list)
    marks: bytearray = field(default_factory=bytearray)
    tail: Tail | None = None
    #: The same matches by rule, once alternatives have been looked for.
    rows: Rows | None = None
    #: Instants up to here have been looked at (for conditions that wait).
    settled: int = -1
    #: The instant under which the group waits to be let go of, and that at which the next window it began is over.
    due: int = FOREVER
    over: int = FOREVER
    #: For a correlation of correlations: events already returned, with their instants.
    returned: dict[str, int] = field(default_factory=dict)

    def index(self, at: int) -> int:
        """Place of the first entry at or after an instant."""
        return bisect_left(self.entries, (at,))


class Groups:
    """The groups of one correlation in one tenant. ``keep`` (µs) is how far behind the horizon a match may still be needed, ``reach`` (µs)
    how far before a match of a child correlation the events lie that it stands for, which are remembered so much longer.

    ``size`` counts matches and, for a correlation of correlations, the events that it remembers to have returned.
    """

    def __init__(self, span: int, keep: int, reach: int = 0) -> None:
        self.span = span
        self.keep = keep
        self.reach = reach
        self.part = max(span // _PARTS, 1_000_000)
        self.groups: dict[Key, Group] = {}
        self.changed: set[tuple[Key, int]] = set()
        self.size = 0
        self._returned_count = 0
        self._expiry: list[tuple[int, Key]] = []

    def put(self, key: Key, entry: Entry) -> Group | None:
        """Keep a match; its group, or None if the match is kept already."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group()
        entries = group.entries
        if not entries or entries[-1] < entry:
            entries.append(entry)
            group.marks.append(0)
        else:
            place = bisect_left(entries, entry)
            if entries[place] == entry:
                return None
            entries.insert(place, entry)
            group.marks.insert(place, 0)
        if group.rows is not None:
            group.rows.add(entry)
        self.size += 1
        self._await_end(key, group, entry[0])
        self.changed.add((key, entry[0] // self.part))
        return group

    def remember(self, key: Key, returned: Mapping[str, int]) -> None:
        """These events, not remembered yet, have been returned for a group, whose match is kept."""
        group = self.groups[key]
        group.returned.update(returned)
        self.size += len(returned)
        self._returned_count += len(returned)
        self.changed.update((key, at // self.part) for at in returned.values())

    def put_back(self, key: Key, part: int, entries: Iterable[tuple[Entry, int]], returned: Mapping[str, int]) -> None:
        """Take a kept part back after a restart."""
        group = self.groups.setdefault(key, Group())
        for entry, mark in entries:
            place = bisect_left(group.entries, entry)
            group.entries.insert(place, entry)
            group.marks.insert(place, mark)
            self.size += 1
        group.returned.update(returned)
        self.size += len(returned)
        self._returned_count += len(returned)
        self._await_end(key, group, part * self.part)

    def contributing(self, key: Key, first: int, last: int) -> Iterator[Entry]:
        """Contributing entries of a group between two instants, both included."""
        group = self.groups.get(key)
        if group is None:
            return
        for place in range(group.index(first), group.index(last + 1)):
            if group.marks[place]:
                yield group.entries[place]

    def forget(self, horizon: int) -> None:
        """Let go of what no event at or after ``horizon`` can need any more, in whole parts."""
        before = (horizon - self.keep) // self.part * self.part
        while self._expiry and self._expiry[0][0] < before:
            due, key = heapq.heappop(self._expiry)
            group = self.groups.get(key)
            if group is not None and group.due == due:
                group.due = FOREVER
                self._cut(key, group, group.index(before), before - self.reach)

    def shed(self, limit: int) -> int:
        """Keep the size within ``limit`` by giving up the oldest, and no more than that; how many matches were lost."""
        excess = self.size - limit
        if excess <= 0:
            return 0
        if self._returned_count:
            return self._shed_before(self._instant_of(excess + limit // _AT_ONCE))
        cuts: dict[Key, int] = {}
        lost = 0
        while lost < excess and self._expiry:
            due, key = heapq.heappop(self._expiry)
            group = self.groups.get(key)
            if group is None or group.due != due:
                continue
            # From this group, everything before another one's oldest match; of one instant, the first group's goes first.
            until, other = self._expiry[0] if self._expiry else (FOREVER, key)
            first = cuts.get(key, 0)
            last = min(first + excess - lost, bisect_left(group.entries, (until + (key <= other),), first))
            cuts[key], group.due = last, FOREVER
            lost += last - first
            if last < len(group.entries):
                self._await_end(key, group, group.entries[last][0])
        for key, count in cuts.items():
            group = self.groups[key]
            self._cut(key, group, count, group.entries[count][0] if count < len(group.entries) else FOREVER)
        return lost

    def _instant_of(self, count: int) -> int:
        """The instant before which so many things lie, as far as instants tell them apart."""
        instants = [entry[0] for group in self.groups.values() for entry in group.entries]
        instants.extend(at for group in self.groups.values() for at in group.returned.values())
        return sorted(instants)[min(count, len(instants)) - 1] + 1

    def _shed_before(self, before: int) -> int:
        lost = 0
        for key, group in list(self.groups.items()):
            if group.due < before + self.reach:
                count = group.index(before)
                lost += count
                self._cut(key, group, count, before)
        return lost

    def _await_end(self, key: Key, group: Group, at: int) -> None:
        if at < group.due:
            group.due = at
            heapq.heappush(self._expiry, (at, key))

    def _cut(self, key: Key, group: Group, count: int, before: int) -> None:
        """Give up the first entries of a group, and what it returned ``before`` an instant."""
        tail = group.tail
        for entry in group.entries[:count]:
            if tail is not None and tail.at - self.span <= entry[0] <= tail.at:
                tail.window.remove(entry)
            self.changed.add((key, entry[0] // self.part))
        del group.entries[:count], group.marks[:count]
        if group.rows is not None:
            group.rows.cut(group.entries[0] if group.entries else None)
        gone = [one for one, at in group.returned.items() if at < before]
        for event_id in gone:
            self.changed.add((key, group.returned.pop(event_id) // self.part))
        self.size -= count + len(gone)
        self._returned_count -= len(gone)
        if group.entries or group.returned:
            oldest = min([*(at + self.reach for at in group.returned.values()), *(entry[0] for entry in group.entries[:1])])
            if group.due != oldest:
                group.due = FOREVER
                self._await_end(key, group, oldest)
        else:
            del self.groups[key]
            self.gone(key)

    def gone(self, key: Key) -> None:
        """Nothing is left of a group."""
