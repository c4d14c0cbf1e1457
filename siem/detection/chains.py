"""What a list of alternatives finds in a row of matches (:mod:`.terms`), in order or in any.

An alternative holds in a window of the timespan's length in which each rule that it wants matches (in the order of the list, for
``temporal_ordered``) and none that it does not want. Where it excludes rules, the window begins with a match of a rule that it wants
and is looked at when it is over: before, what must not happen could still happen.

Through a match, the shortest chain in order begins as late as one that ends with it can, and ends as early as one that begins with
it can; both are found in one pass, whatever the number of chains. Instants are microseconds.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from siem.detection.terms import Term
from siem.detection.windows import Entry


@dataclass(slots=True)
class Finding:
    """``windows`` are first and last instant of a window and the places, in the row, of what it adds to those before it.

    ``held`` are the instants at which the alternative was found to hold, each with the place of the match that stands for it.
    """

    windows: list[tuple[int, int, list[int]]] = field(default_factory=list)
    held: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """How to look: ``span`` of a window; windows that exclude a rule begin from ``since`` on and are over by ``whole_to``."""

    span: int
    ordered: bool
    since: int
    whole_to: int


def find(row: Sequence[Entry], term: Term, look: Look) -> Finding:
    """What one alternative finds in a row of matches in order of time."""
    steps = {place: step for step, place in enumerate(term.wanted)}
    places = [place for place, entry in enumerate(row) if entry[1] in steps]
    wanted: list[Entry] = [(row[place][0], steps[row[place][1]], *row[place][2:]) for place in places]
    if len({entry[1] for entry in wanted}) < len(steps):
        return Finding()
    begins = _begins(wanted, row, term, look) if term.unwanted else None
    if look.ordered:
        return _in_order(wanted, places, begins, look.span, len(steps))
    return _in_any_order(wanted, places, begins, look.span, len(steps))


def _begins(wanted: Sequence[Entry], row: Sequence[Entry], term: Term, look: Look) -> list[int]:
    """Instants of wanted matches from which on no unwanted one follows within the span, which is over."""
    against = [entry[0] for entry in row if entry[1] in term.unwanted]
    found: list[int] = []
    for at in dict.fromkeys(entry[0] for entry in wanted):
        following = bisect_left(against, at)
        clear = following == len(against) or against[following] > at + look.span
        if clear and look.since <= at <= look.whole_to - look.span:
            found.append(at)
    return found


def _in_any_order(wanted: list[Entry], places: list[int], begins: list[int] | None, span: int, kinds: int) -> Finding:
    found = Finding()
    instants = [entry[0] for entry in wanted]
    complete = _complete_at(wanted, kinds)
    marked = 0
    for begin in dict.fromkeys(instants) if begins is None else begins:
        place = bisect_left(instants, begin)
        complete_at = complete[place]
        if complete_at is None or complete_at > begin + span:
            continue
        end = bisect_right(instants, begin + span)
        found.windows.append((begin, instants[end - 1], places[max(place, marked) : end]))
        marked = max(marked, end)
        if begins is not None:
            found.held.append((begin + span, places[place]))
    if begins is None:
        found.held = _held_looking_back(wanted, places, kinds, span)
    return found


def _complete_at(wanted: Sequence[Entry], kinds: int) -> list[int | None]:
    """For each match, the instant at which every kind has been seen since (None: one is not seen again)."""
    following: dict[int, int] = {}
    complete: list[int | None] = []
    for entry in reversed(wanted):
        following[entry[1]] = entry[0]
        complete.append(max(following.values()) if len(following) == kinds else None)
    complete.reverse()
    return complete


def _held_looking_back(wanted: Sequence[Entry], places: Sequence[int], kinds: int, span: int) -> list[tuple[int, int]]:
    """Matches at whose instant every kind has been seen within the span before."""
    latest: dict[int, int] = {}
    held: list[tuple[int, int]] = []
    for at, together in itertools.groupby(range(len(wanted)), lambda place: wanted[place][0]):
        some = list(together)
        latest.update((wanted[place][1], at) for place in some)
        if len(latest) == kinds and min(latest.values()) >= at - span:
            held.extend((at, places[place]) for place in some)
    return held


def _in_order(wanted: list[Entry], places: list[int], begins: list[int] | None, span: int, steps: int) -> Finding:
    found = Finding()
    first, last = latest_begins(wanted, steps), earliest_ends(wanted, steps)
    good = None if begins is None else _good_begins(begins, wanted, last, span)
    for place, (entry, low, high) in enumerate(zip(wanted, first, last, strict=True)):
        if low is None or high is None:
            continue
        if good is None:
            if high - low > span:
                continue
            if entry[1] == steps - 1:
                found.held.append((entry[0], places[place]))
        elif (at := bisect_left(good, high - span)) == len(good) or good[at] > low:
            continue
        found.windows.append((low, high, [places[place]]))
    if good is not None:
        instants = [entry[0] for entry in wanted]
        found.held = [(begin + span, places[bisect_left(instants, begin)]) for begin in good]
    return found


def _good_begins(begins: Sequence[int], wanted: Sequence[Entry], ends: Sequence[int | None], span: int) -> list[int]:
    """The instants from which on a whole chain follows within the span."""
    starts = [(entry[0], end) for entry, end in zip(wanted, ends, strict=True) if entry[1] == 0 and end is not None]
    soonest = list(itertools.accumulate((end for _, end in reversed(starts)), min))[::-1]
    instants = [at for at, _ in starts]
    good: list[int] = []
    for begin in begins:
        place = bisect_left(instants, begin)
        if place < len(soonest) and soonest[place] <= begin + span:
            good.append(begin)
    return good


def latest_begins(region: list[Entry], steps: int) -> list[int | None]:
    """For each entry, the latest instant at which a chain that ends with it can begin."""
    best: list[list[tuple[int, str]]] = [[] for _ in range(steps)]
    begins: list[int | None] = []
    for entry in region:
        step = entry[1]
        begin = entry[0] if step == 0 else next((at for at, event in best[step - 1] if event != entry[2]), None)
        begins.append(begin)
        if begin is not None:
            _remember(best[step], begin, entry[2], latest=True)
    return begins


def earliest_ends(region: list[Entry], steps: int) -> list[int | None]:
    """For each entry, the earliest instant at which a chain that begins with it can end."""
    best: list[list[tuple[int, str]]] = [[] for _ in range(steps)]
    ends: list[int | None] = []
    for entry in reversed(region):
        step = entry[1]
        end = entry[0] if step == steps - 1 else next((at for at, event in best[step + 1] if event != entry[2]), None)
        ends.append(end)
        if end is not None:
            _remember(best[step], end, entry[2], latest=False)
    ends.reverse()
    return ends


def _remember(best: list[tuple[int, str]], at: int, event: str, *, latest: bool) -> None:
    """Keep the two best instants of two different events: the second serves the event that must not follow itself."""
    candidates = {known: when for when, known in best}
    known = candidates.get(event)
    if known is None or (at > known if latest else at < known):
        candidates[event] = at
    ordered = sorted(((when, one) for one, when in candidates.items()), reverse=latest)
    best[:] = ordered[:2]
