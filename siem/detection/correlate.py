"""Correlations in event time.

What a correlation finds is defined on the set of matches alone, so neither the order of arrival nor the cuts between
batches can change it. For every match at instant *t*, the window is [t − timespan, t], both ends included.
If the condition holds there, every match of the window **contributes**. Windows that share a match are one **episode**.
``temporal_ordered``: a match contributes if it is part of a chain of one match per rule, in the order of the list
(equal instants count as in order, one event never follows itself), no longer than the timespan. A condition that names rules
(``a and not b``) is looked at as :mod:`.chains` says; where it excludes a rule, the window begins with the match and is waited for.

A rule **fires again** while its episode goes on: each evaluation returns the matches that have become contributing since
the last one, and only those; ``first_at`` and ``last_at`` span the windows they stand in, so that successive
detections of an episode overlap. Each match is returned once, whatever the episode's length.

A correlation that one more event can undo (``lt``, ``eq``, sums …) looks at an instant only when it is
``lateness`` behind the newest event; the others answer at once. A later arrival is evaluated against what is still kept.
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.chains import Look, Rows, find, held
from siem.detection.correlations import Correlation, CorrelationType
from siem.detection.groups import FOREVER, Group, Groups, Key
from siem.detection.windows import Entry, Tail, window_of

_CONTRIBUTES: Final = 1
_FEW: Final = 64


@dataclass(frozen=True, slots=True)
class Found:
    """An evaluation's result for one episode: instants that span it, places of newly contributing entries, largest measure."""

    key: Key
    first: int
    last: int
    entries: tuple[Entry, ...]
    measure: float


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A match of a correlation, as its parents see it: at ``at`` the condition held for the group."""

    key: Key
    at: int
    event_id: str
    carried: tuple[str, ...]


@dataclass(slots=True)
class _Episode:
    first: int
    last: int
    entries: list[Entry]
    measure: float


class Correlator(Groups):
    """State of one correlation in one tenant. ``keep`` and ``reach`` as for :class:`.groups.Groups`."""

    def __init__(self, correlation: Correlation, *, keep: int, has_parents: bool, reach: int = 0) -> None:
        super().__init__(correlation.timespan, keep, reach)
        self.correlation = correlation
        self.has_parents = has_parents
        self.grows = correlation.grows
        self.ordered = correlation.type is CorrelationType.TEMPORAL_ORDERED
        self._waiting: set[Key] = set()
        #: For conditions that exclude a rule: when the next window that a group began is over.
        self._excludes = bool(correlation.terms) and not self.grows
        self._over: list[tuple[int, Key]] = []
        self._touched: dict[Key, list[Entry]] = {}
        self._again: dict[Key, list[Entry]] = {}

    def add(self, key: Key, entry: Entry) -> bool:
        """Keep a match. False if it is kept already (then it is looked at again, for what its child correlation gained)."""
        group = self.put(key, entry)
        if group is None:
            if entry[4]:
                self._again.setdefault(key, []).append(entry)
            return False
        if self._excludes:
            self._await_over(key, group, entry[0] + self.span)
        self._touched.setdefault(key, []).append(entry)
        return True

    def settle(self, closed_at: int, newest: int) -> tuple[list[Found], list[Occurrence]]:
        """Evaluate what was added. No more events are waited for before ``closed_at``; ``newest`` is the newest instant known of."""
        found: list[Found] = []
        occurrences: list[Occurrence] = []
        touched, self._touched = self._touched, {}
        again, self._again = self._again, {}
        over = self._pop_over(min(closed_at, newest))
        waiting: Iterable[Key] = over if self.grows or self._excludes else self._waiting
        for key in dict.fromkeys((*touched, *again, *waiting)):
            group = self.groups.get(key)
            if group is None:
                continue
            new = sorted(touched.get(key, ()))
            sweep = _Sweep(self, key, group, occurrences)
            if self.correlation.terms:
                since = min([*(entry[0] - self.span for entry in new[:1]), *([over[key]] if key in over else [])], default=FOREVER)
                sweep.terms(new, since, min(closed_at, newest) - self.span)
            elif self.grows and new:
                sweep.windows(new, FOREVER)
            elif not self.grows:
                sweep.windows(new, closed_at)
                last = group.entries[-1][0] if group.entries else -1
                (self._waiting.add if last > closed_at else self._waiting.discard)(key)
            sweep.look_again(again.get(key, ()))
            found.extend(sweep.found())
        return found, occurrences

    def _await_over(self, key: Key, group: Group, end: int) -> None:
        if end < group.over:
            group.over = end
            heapq.heappush(self._over, (end, key))
            if len(self._over) > 2 * len(self.groups) + _FEW:  # most are of groups that are gone
                self._over = [(one.over, of) for of, one in self.groups.items() if one.over < FOREVER]
                heapq.heapify(self._over)

    def _pop_over(self, whole_to: int) -> dict[Key, int]:
        """Groups with windows that are over by an instant, with the begin of the earliest; the next ones are awaited."""
        over: dict[Key, int] = {}
        while self._over and self._over[0][0] <= whole_to:
            end, key = heapq.heappop(self._over)
            group = self.groups.get(key)
            if group is None or group.over != end:
                continue
            over[key], group.over = end - self.span, FOREVER
            following = group.index(whole_to - self.span + 1)
            if following < len(group.entries):
                self._await_over(key, group, group.entries[following][0] + self.span)
        return over

    def gone(self, key: Key) -> None:
        """Nothing is left of a group."""
        self._waiting.discard(key)

    def put_back(self, key: Key, part: int, entries: Iterable[tuple[Entry, int]], returned: Mapping[str, int]) -> None:
        """Take a kept part back after a restart."""
        super().put_back(key, part, entries, returned)
        if not self.grows:
            self._waiting.add(key)

    def resume(self, closed_at: int) -> None:
        """After everything was put back: instants up to ``closed_at`` were looked at before the restart."""
        for key, group in self.groups.items():
            group.settled = closed_at
            following = group.index(closed_at - self.span + 1)
            if self._excludes and following < len(group.entries):
                self._await_over(key, group, group.entries[following][0] + self.span)


class _Sweep:
    """One evaluation of one group."""

    def __init__(self, owner: Correlator, key: Key, group: Group, occurrences: list[Occurrence]) -> None:
        self.owner = owner
        self.key = key
        self.group = group
        self.occurrences = occurrences
        self.episodes: list[_Episode] = []

    def found(self) -> Iterator[Found]:
        """Episodes in which something new contributes."""
        for episode in self.episodes:
            if episode.entries:
                episode.entries.sort()
                yield Found(self.key, episode.first, episode.last, tuple(episode.entries), episode.measure)

    def windows(self, new: list[Entry], limit: int) -> None:
        """Every instant that new entries can have changed, and those not yet looked at, up to ``limit``."""
        group, span = self.group, self.owner.span
        tail = group.tail
        if tail is None:
            # After a restart, what was settled is not swept again; the window is built anew by the sweep itself.
            start = new[0][0] if new else FOREVER
            waiting = group.index(group.settled + 1)
            if not self.owner.grows and waiting < len(group.entries):
                start = min(start, group.entries[waiting][0])
            self._sweep(start, limit, keep=True)
        else:
            late = [entry for entry in new if entry[0] < tail.at]
            for entry in new:
                if tail.at - span <= entry[0] <= tail.at:
                    tail.window.add(entry)
            if late:
                self._sweep(late[0][0], min(late[-1][0] + span, tail.at - 1), keep=False)
            if any(entry[0] <= tail.at for entry in new):
                self._look_at_last(tail, new[0][0])
            self._resume(tail, limit)
        if group.tail is not None:
            group.settled = max(group.settled, group.tail.at)

    def _sweep(self, start: int, limit: int, *, keep: bool) -> None:
        """Look at every instant from ``start`` to ``limit`` with a window of its own."""
        entries, span = self.group.entries, self.owner.span
        place = self.group.index(start)
        if place >= len(entries) or entries[place][0] > limit:
            return
        first_at = entries[place][0]
        window = window_of(self.owner.correlation)
        for index in range(self.group.index(first_at - span), place):
            window.add(entries[index])
        tail = Tail(first_at - 1, window)
        # The window ends just before the first instant; what is older than its span goes out with the first step.
        self._advance(tail, place, limit, left=self.group.index(first_at - span))
        if keep:
            self.group.tail = tail
        elif self.group.tail is not None:
            self.group.tail.held_at = max(self.group.tail.held_at, tail.held_at)

    def _look_at_last(self, tail: Tail, earliest: int) -> None:
        """Look once more at the last instant, for entries from ``earliest`` on that came late into its window."""
        held_at = tail.held_at
        tail.held_at = min(held_at, earliest - 1)
        self._look(tail, self.group.index(tail.at - self.owner.span), self.group.index(tail.at + 1))
        # A condition that can be undone may have left late entries unmarked: the next look starts from the window's begin.
        tail.held_at = max(held_at, tail.held_at) if self.owner.grows else -1

    def _resume(self, tail: Tail, limit: int) -> None:
        """Go on from where the last evaluation stopped."""
        self._advance(tail, self.group.index(tail.at + 1), limit, self.group.index(tail.at - self.owner.span))

    def _advance(self, tail: Tail, place: int, limit: int, left: int) -> None:
        entries, span = self.group.entries, self.owner.span
        count = len(entries)
        while place < count and (at := entries[place][0]) <= limit:
            while place < count and entries[place][0] == at:
                tail.window.add(entries[place])
                place += 1
            while entries[left][0] < at - span:
                tail.window.remove(entries[left])
                left += 1
            tail.at = at
            self._look(tail, left, place)

    def _look(self, tail: Tail, left: int, end: int) -> None:
        """Does the condition hold for the window that ends at ``tail.at`` (entries ``left`` to ``end``)?"""
        if end <= left:
            return
        measure = tail.window.measure()
        if not self.owner.correlation.holds(measure):
            return
        group = self.group
        # Everything up to the last instant that held is marked already: only what came after is new.
        start = max(left, bisect_left(group.entries, (tail.held_at + 1,), left, end))
        tail.held_at = tail.at
        self._contribute(group.entries[left][0], tail.at, self._mark(range(start, end)), measure)
        if self.owner.has_parents:
            at_instant = bisect_left(group.entries, (tail.at,), left, end)
            self._occur(group.entries[at_instant:end])

    def _mark(self, places: Iterable[int]) -> list[Entry]:
        group, owner = self.group, self.owner
        fresh: list[Entry] = []
        for place in places:
            if not group.marks[place]:
                group.marks[place] = _CONTRIBUTES
                entry = group.entries[place]
                fresh.append(entry)
                owner.changed.add((self.key, entry[0] // owner.part))
        return fresh

    def _contribute(self, first: int, last: int, fresh: list[Entry], measure: float) -> None:
        episodes = self.episodes
        if episodes and first <= episodes[-1].last and last >= episodes[-1].first:
            episode = episodes[-1]
            episode.first, episode.last = min(first, episode.first), max(last, episode.last)
            episode.entries.extend(fresh)
            episode.measure = max(episode.measure, measure)
        else:
            episodes.append(_Episode(first, last, fresh, measure))

    def _occur(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.occurrences.append(Occurrence(self.key, entry[0], entry[2], entry[5]))

    def look_again(self, entries: Iterable[Entry]) -> None:
        """Return contributing entries once more: their child correlation has gained matches."""
        group = self.group
        terms = self.owner.correlation.terms
        measure = group.tail.window.measure() if group.tail is not None else float(max((len(term.wanted) for term in terms), default=0))
        for entry in sorted(entries):
            place = bisect_left(group.entries, entry)
            if place < len(group.entries) and group.entries[place] == entry and group.marks[place]:
                self._contribute(entry[0], entry[0], [entry], measure)

    def terms(self, new: Sequence[Entry], since: int, until: int) -> None:
        """The alternatives: what new entries change, and windows that begin from ``since`` to ``until`` where they exclude a rule."""
        group, owner = self.group, self.owner
        if group.rows is None:
            group.rows = Rows(group.entries, group.marks)
        look = Look(owner.span, owner.ordered, since, until)
        windows = [
            (first, last, entries, len(term.wanted))
            for term in owner.correlation.terms
            for first, last, entries in find(group.rows, term, look, new)
        ]
        stirred = [entry[0] for _, _, entries, _ in windows for entry in entries]
        for first, last, entries, measure in sorted(windows):
            self._contribute(first, last, self._mark(bisect_left(group.entries, entry) for entry in entries), float(measure))
        if owner.has_parents:
            self._hold(group.rows, look, [*stirred, *(entry[0] for entry in new)])

    def _hold(self, rows: Rows, look: Look, stirred: Sequence[int]) -> None:
        """Tell parents of instants that hold now, and again of those that gained matches."""
        begin, end = min(stirred, default=FOREVER), max(stirred, default=-1) + look.span
        holding: set[tuple[int, Entry]] = set()
        for term in self.owner.correlation.terms:
            if term.unwanted:
                holding.update(held(rows, term, look, min(look.since, begin - look.span), look.until))
            else:
                holding.update(held(rows, term, look, begin, end))
        for at, entry in sorted(holding):
            self.occurrences.append(Occurrence(self.key, at, entry[2], entry[5]))
