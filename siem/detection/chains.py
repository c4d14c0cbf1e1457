"""What alternatives (:mod:`.terms`) find in the matches of a group, in order or in any.

An alternative holds in a window of the timespan's length in which each rule that it wants matches (in the order of the list, for
``temporal_ordered``) and none that it does not want. Where it excludes rules, the window begins with a match of a rule that it wants
and is looked at when it is over: before, what must not happen could still happen.

Only what a new match can change is looked at, and the matches of each rule stand in a row of their own: a chain through a match is found
by a search in each row, however many matches there are, and what contributes already is not met again. The latest begin of a chain that
ends with a match goes back step by step to the latest match before. As an event never follows itself, two matches of different events
are carried along at each step: the second serves the event that the first one is of. Instants are microseconds.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.terms import Term
from siem.detection.windows import Entry

_NONE: Final[Sequence[Entry]] = ()


class Rows:
    """The matches of a group by the place of their rule, and those that do not contribute yet, both in order of time."""

    __slots__ = ("idle", "rows")

    def __init__(self, entries: Sequence[Entry], marks: Sequence[int]) -> None:
        self.rows: dict[int, list[Entry]] = {}
        self.idle: dict[int, list[Entry]] = {}
        for entry, mark in zip(entries, marks, strict=True):
            self.rows.setdefault(entry[1], []).append(entry)
            if not mark:
                self.idle.setdefault(entry[1], []).append(entry)

    def add(self, entry: Entry) -> None:
        """A match that does not contribute yet."""
        for rows in (self.rows, self.idle):
            row = rows.setdefault(entry[1], [])
            if not row or row[-1] < entry:
                row.append(entry)
            else:
                row.insert(bisect_left(row, entry), entry)

    def cut(self, before: Entry | None) -> None:
        """Forget matches that stand before one, or all."""
        for row in (*self.rows.values(), *self.idle.values()):
            del row[: len(row) if before is None else bisect_left(row, before)]

    def of(self, place: int) -> Sequence[Entry]:
        """The matches of a rule."""
        return self.rows.get(place, _NONE)

    def first(self, places: Iterable[int], at: int) -> list[int | None]:
        """For each rule, the instant of its first match at or after an instant."""
        found: list[int | None] = []
        for place in places:
            row = self.of(place)
            index = bisect_left(row, (at,))
            found.append(row[index][0] if index < len(row) else None)
        return found

    def waken(self, place: int, first: int, last: int) -> list[Entry]:
        """The matches of a rule between two instants, both included, that did not contribute; from now on they do."""
        row = self.idle.get(place)
        if not row:
            return []
        low, high = bisect_left(row, (first,)), bisect_left(row, (last + 1,))
        found = row[low:high]
        del row[low:high]
        return found

    def waken_one(self, entry: Entry) -> Entry | None:
        """The same of one match; None if it contributed already."""
        row = self.idle.get(entry[1], [])
        index = bisect_left(row, entry)
        return row.pop(index) if index < len(row) and row[index] == entry else None

    def sleep(self, entries: Iterable[Entry]) -> None:
        """Some of them do not contribute after all."""
        for entry in entries:
            row = self.idle[entry[1]]
            row.insert(bisect_left(row, entry), entry)


#: First and last instant of a window, and the matches that begin to contribute in it.
Window = tuple[int, int, list[Entry]]


@dataclass(frozen=True, slots=True)
class Look:
    """How to look: ``span`` of a window; windows that exclude a rule begin from ``since`` to ``until`` on."""

    span: int
    ordered: bool
    since: int
    until: int


def find(rows: Rows, term: Term, look: Look, new: Sequence[Entry]) -> list[Window]:
    """What one alternative finds that was not found yet. ``new`` are matches added since, in order of time."""
    found: list[Window] = []
    if not all(rows.of(place) for place in term.wanted):
        return found
    if term.unwanted:
        for begin in _begins(rows, term, look):
            _judge(rows, term, look, begin, found)
    elif look.ordered:
        for entry in new:
            if entry[1] in term.wanted:
                _through(rows, term, look.span, entry, found)
    else:
        for at in _ends(rows, term, look.span, new):
            if _complete(rows, term, look.span, at):
                first = min(one for one in rows.first(term.wanted, at - look.span) if one is not None)
                _take(found, first, at, [one for place in term.wanted for one in rows.waken(place, at - look.span, at)])
    return found


def held(rows: Rows, term: Term, look: Look, first: int, last: int) -> Iterator[tuple[int, Entry]]:
    """The instants between two, both included, at which an alternative holds, each with a match that stands for it.

    Where it excludes a rule, the windows looked at are those that begin between the two.
    """
    if term.unwanted:
        between = Look(look.span, look.ordered, first, min(last, look.until))
        for begin in _begins(rows, term, between):
            yield begin + look.span, min(row[at] for row, at in _at(rows, term.wanted, begin))
        return
    for place in term.wanted[-1:] if look.ordered else term.wanted:
        row = rows.of(place)
        for entry in row[bisect_left(row, (first,)) : bisect_left(row, (last + 1,))]:
            if look.ordered:
                low = _latest_begin(rows, term, len(term.wanted) - 1, entry)
                if low is not None and entry[0] - low <= look.span:
                    yield entry[0], entry
            elif _complete(rows, term, look.span, entry[0]):
                yield entry[0], entry


def _at(rows: Rows, places: Iterable[int], at: int) -> Iterator[tuple[Sequence[Entry], int]]:
    for place in places:
        row = rows.of(place)
        index = bisect_left(row, (at,))
        if index < len(row) and row[index][0] == at:
            yield row, index


def _take(found: list[Window], first: int, last: int, entries: list[Entry]) -> None:
    if entries:
        found.append((first, last, entries))


def _ends(rows: Rows, term: Term, span: int, new: Sequence[Entry]) -> Iterator[int]:
    """Instants of wanted matches in whose window, looking back, a new one stands."""
    reached = -1
    for entry in new:
        if entry[1] not in term.wanted:
            continue
        at = max(entry[0], reached)
        while (following := min((one for one in rows.first(term.wanted, at) if one is not None), default=None)) is not None:
            if following > entry[0] + span:
                break
            yield following
            at = reached = following + 1


def _complete(rows: Rows, term: Term, span: int, at: int) -> bool:
    """Whether each wanted rule matches in the window that ends at an instant."""
    return all(one is not None and one <= at for one in rows.first(term.wanted, at - span))


def _begins(rows: Rows, term: Term, look: Look) -> Iterator[int]:
    """Instants of wanted matches from which on no unwanted one, and each wanted one, follows within the span."""
    at = look.since
    while (begin := min((one for one in rows.first(term.wanted, at) if one is not None), default=None)) is not None and begin <= look.until:
        against = min((one for one in rows.first(term.unwanted, begin) if one is not None), default=None)
        if against is not None and against <= begin + look.span:
            at = against + 1  # stands in the windows of all that begin up to there
            continue
        whole = _earliest_end(rows, term, begin) if look.ordered else _last_first(rows, term, begin)
        if whole is None:
            return  # nor will what begins later be whole
        if whole <= begin + look.span:
            yield begin
        at = max(begin + 1, whole - look.span)


def _last_first(rows: Rows, term: Term, begin: int) -> int | None:
    """When every wanted rule has matched, from an instant on."""
    latest = begin
    for one in rows.first(term.wanted, begin):
        if one is None:
            return None
        latest = max(latest, one)
    return latest


def _judge(rows: Rows, term: Term, look: Look, begin: int, found: list[Window]) -> None:
    """What contributes in a window that is over and holds."""
    end = begin + look.span
    if not look.ordered:
        entries = [one for place in term.wanted for one in rows.waken(place, begin, end)]
        last = max(row[bisect_left(row, (end + 1,)) - 1][0] for row in map(rows.of, term.wanted))
        _take(found, begin, last, entries)
        return
    steps = [rows.of(place) for place in term.wanted]
    heads, tails = _heads(steps, begin), _tails(steps, end)
    for step, place in enumerate(term.wanted):
        if heads[step] and tails[step]:
            _waken_between(rows, term, place, heads, tails, found)


# ------------------------------------------------------------------ chains in order
#: At most two matches of different events: the earliest that a chain can reach, or the latest from which it can go on.
_Ends = list[Entry]


def _through(rows: Rows, term: Term, span: int, entry: Entry, found: list[Window]) -> None:
    """What begins to contribute by the chains through a new match."""
    steps = [rows.of(place) for place in term.wanted]
    at = term.wanted.index(entry[1])
    after = _following(steps, at, entry)
    if not after[-1]:
        return
    before = _preceding(steps, at, entry)
    if not before[0]:
        return
    low, high = before[0][0][0], after[-1][0][0]
    if high - low > span:
        return
    if (one := rows.waken_one(entry)) is not None:
        found.append((low, high, [one]))
    # Before the match, chains that begin late enough for its earliest end; after it, those that end early enough for its latest begin.
    heads, tails = _heads(steps[:at], high - span), _tails(steps, low + span)
    for step, place in enumerate(term.wanted):
        if step < at:
            _waken_between(rows, term, place, heads, before, found)
        elif step > at:
            _waken_between(rows, term, place, after, tails, found)


def _waken_between(rows: Rows, term: Term, place: int, heads: Sequence[_Ends], tails: Sequence[_Ends], found: list[Window]) -> None:
    """Matches of a rule that a chain reaches from ``heads`` and that it goes on from to ``tails``."""
    step = term.wanted.index(place)
    if not heads[step] or not tails[step]:
        return
    asleep = []
    for one in rows.waken(place, heads[step][0][0], tails[step][0][0]):
        reached = step == 0 or any(_follows(head, one) for head in heads[step - 1])
        if reached and (step + 1 == len(term.wanted) or any(_follows(one, tail) for tail in tails[step + 1])):
            low, high = _latest_begin(rows, term, step, one), _earliest_end_of(rows, term, step, one)
            assert low is not None
            assert high is not None
            found.append((low, high, [one]))
        else:
            asleep.append(one)
    rows.sleep(asleep)


def _follows(one: Entry, other: Entry) -> bool:
    return one[0] <= other[0] and one[2] != other[2]


def _heads(steps: Sequence[Sequence[Entry]], begin: int) -> list[_Ends]:
    """For each step, the earliest matches that a chain can reach which begins at an instant or later."""
    heads: list[_Ends] = []
    for step, row in enumerate(steps):
        heads.append(_earliest(row, heads[-1] if step else None, begin))
    return heads


def _tails(steps: Sequence[Sequence[Entry]], end: int) -> list[_Ends]:
    """For each step, the latest matches from which a chain can go on that ends at an instant or before."""
    tails: list[_Ends] = []
    for step, row in enumerate(reversed(steps)):
        tails.append(_latest(row, tails[-1] if step else None, end))
    return tails[::-1]


def _following(steps: Sequence[Sequence[Entry]], at: int, entry: Entry) -> list[_Ends]:
    """For each step from that of a match on, the earliest that a chain through it can reach; nothing before."""
    found: list[_Ends] = [[] for _ in range(at)] + [[entry]]
    for row in steps[at + 1 :]:
        found.append(_earliest(row, found[-1], entry[0]))
    return found


def _preceding(steps: Sequence[Sequence[Entry]], at: int, entry: Entry) -> list[_Ends]:
    """For each step up to that of a match, the latest from which a chain can reach it; nothing after."""
    found: list[_Ends] = [[entry]]
    for row in reversed(steps[:at]):
        found.append(_latest(row, found[-1], entry[0]))
    return found[::-1] + [[] for _ in steps[at + 1 :]]


def _earliest(row: Sequence[Entry], before: _Ends | None, begin: int) -> _Ends:
    """The earliest two of different events, of those that can follow one of ``before`` (None: of all) and stand at ``begin`` or later."""
    if before is not None and not before:
        return []
    found: _Ends = []
    for index in range(bisect_left(row, (before[0][0] if before else begin,)), len(row)):
        one = row[index]
        if (not found or found[0][2] != one[2]) and (before is None or any(_follows(other, one) for other in before)):
            found.append(one)
            if len(found) == 2:
                break
    return found


def _latest(row: Sequence[Entry], after: _Ends | None, end: int) -> _Ends:
    """The latest two of different events, of those that one of ``after`` can follow (None: of all) and that stand at ``end`` or before."""
    if after is not None and not after:
        return []
    found: _Ends = []
    for index in range(bisect_left(row, ((after[0][0] if after else end) + 1,)) - 1, -1, -1):
        one = row[index]
        if (not found or found[0][2] != one[2]) and (after is None or any(_follows(one, other) for other in after)):
            found.append(one)
            if len(found) == 2:
                break
    return found


def _latest_begin(rows: Rows, term: Term, step: int, entry: Entry) -> int | None:
    """The latest instant at which a chain that ends with a match can begin."""
    before = _preceding([rows.of(place) for place in term.wanted], step, entry)[0]
    return before[0][0] if before else None


def _earliest_end_of(rows: Rows, term: Term, step: int, entry: Entry) -> int | None:
    """The earliest instant at which a chain that begins with a match can end."""
    after = _following([rows.of(place) for place in term.wanted], step, entry)[-1]
    return after[0][0] if after else None


def _earliest_end(rows: Rows, term: Term, begin: int) -> int | None:
    """The earliest instant at which a chain ends that begins at an instant or later."""
    last = _heads([rows.of(place) for place in term.wanted], begin)[-1]
    return last[0][0] if last else None
