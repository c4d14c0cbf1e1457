"""``first_seen``: a value that somebody never had before.

Time is cut into steps (days, for a look-back of a week or more), so that a value seen again and again costs one comparison and
one write a step. Sightings of which each follows the last by at most the look-back are one **run**. A run of a value is new if it
begins at least ``learning`` after the run of everything its group was seen with; then each sighting within ``fresh`` of its begin
is part of what was found.

Only an event that arrives late can show that a run began earlier, and it cannot take away what was found already as long
as ``fresh`` is at least the lateness. So a new value is told at once, except where a late event could still join its run to an
earlier one, or put its begin into the learning: then it is told when its begin is ``lateness`` behind the newest event.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from siem.detection.baseline.document import DAY, HOUR, Baseline
from siem.detection.baseline.sighting import BETWEEN_VALUES, Found, Key, Record, Sighting, carried_of

_MINUTE: Final = 60_000_000
_NEVER: Final = -(2**62)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The record of a run; the records of returned events stand at the parts from 1 on.
_RUN_PART: Final = 0
_LEDGER_PARTS: Final = 8
#: Known values named in a summary, and how many are looked at for them.
_NAMED: Final = 5
_LOOKED_AT: Final = 1_000


def step_of(lookback: int) -> int:
    """Length of a step (µs): what the look-back is counted in."""
    return DAY if lookback >= 7 * DAY else HOUR if lookback >= 7 * HOUR else _MINUTE


@dataclass(slots=True)
class Run:
    """Sightings that follow each other: instant of the first, step of the last; the same of the run before, where it is remembered."""

    first: int
    last: int
    first_before: int = _NEVER
    last_before: int = _NEVER

    def see(self, at: int, step: int, reach: int, length: int) -> bool:
        """Take in a sighting at ``at``, in ``step``; whether anything changed. ``reach`` is the look-back in steps of ``length`` µs."""
        if step > self.last:
            if step - self.last > reach:
                self.first_before, self.last_before, self.first = self.first, self.last, at
            self.last = step
            return True
        if at >= self.first:
            return False
        if self.first // length - step > reach:
            if step > self.last_before:
                if step - self.last_before > reach:
                    self.first_before = at
                self.last_before = step
            return True
        joins = step - self.last_before <= reach
        self.first = min(at, self.first_before) if joins else at
        if joins:
            self.first_before = self.last_before = _NEVER
        return True

    def may_join(self, earliest: int, reach: int, length: int) -> bool:
        """Whether an event at or after ``earliest`` could join this run to the one before."""
        return earliest // length - self.last_before <= reach


@dataclass(slots=True)
class _Value:
    run: Run
    #: Sightings on which nothing is decided yet, by event.
    waiting: dict[str, Sighting] = field(default_factory=dict)
    #: Events returned, with their instants, while the run is fresh.
    returned: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    run: Run
    values: dict[str, _Value] = field(default_factory=dict)
    #: Values with something waiting.
    waiting: set[str] = field(default_factory=set)


class FirstSeen:
    """State of one ``first_seen`` baseline in one tenant. ``lateness`` (µs) as in the engine."""

    def __init__(self, baseline: Baseline, lateness: int) -> None:
        self._step = step_of(baseline.lookback)
        self._reach = baseline.lookback // self._step
        self._learning = baseline.learning
        self._fresh = baseline.fresh
        self._lateness = lateness
        self._arity = len(baseline.key_fields)
        self._part = max(baseline.fresh // _LEDGER_PARTS, 1)
        self._groups: dict[Key, _Group] = {}
        self._waiting: set[Key] = set()
        #: Found before it was asked for, since a run was about to be replaced.
        self._found: list[Found] = []
        self._changed: set[tuple[Key, int]] = set()
        #: Values by the step they were last seen in (or earlier: looked at again when it comes up), and ledgers by their end.
        self._expiry: list[tuple[int, Key, str]] = []
        self._ledgers: list[tuple[int, Key, str]] = []
        self.size = 0

    def add(self, key: Key, sighting: Sighting) -> None:
        """Remember a sighting."""
        at = sighting.at
        step = at // self._step
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(Run(at, step))
            self._changed.add((key, _RUN_PART))
        else:
            if group.waiting and step - group.run.last > self._reach:
                self._decide(key, group, sorted(group.waiting))
            if group.run.see(at, step, self._reach, self._step):
                self._changed.add((key, _RUN_PART))
        for text in sighting.values:
            value = group.values.get(text)
            if value is None:
                value = self._remember(group, key, text, Run(at, step))
            else:
                if step - value.run.last > self._reach:
                    self._decide(key, group, (text,) if value.waiting else ())
                    self._close_ledger(key, text, value)
                if value.run.see(at, step, self._reach, self._step):
                    self._changed.add(((*key, text), _RUN_PART))
            if 0 <= at - value.run.first <= self._fresh and sighting.event_id not in value.returned:
                self.size += sighting.event_id not in value.waiting
                value.waiting[sighting.event_id] = sighting
                group.waiting.add(text)
                self._waiting.add(key)
                self._changed.add(((*key, text), _RUN_PART))

    def _remember(self, group: _Group, key: Key, text: str, run: Run) -> _Value:
        value = group.values[text] = _Value(run)
        self.size += 1
        heapq.heappush(self._expiry, (run.last, key, text))
        self._changed.add(((*key, text), _RUN_PART))
        return value

    def settle(self, closed_at: int) -> list[Found]:
        """What is new among the sightings on which nothing was decided."""
        for key in sorted(self._waiting):
            group = self._groups[key]
            runs = ((text, group.values[text].run) for text in sorted(group.waiting))
            self._decide(key, group, [text for text, run in runs if closed_at >= run.first or self._stands(group.run, run)])
        found, self._found = self._found, []
        return found

    def _decide(self, key: Key, group: _Group, texts: Iterable[str]) -> None:
        """Say of what waits whether it is new."""
        for text in texts:
            value = group.values[text]
            begin = value.run.first
            waiting = self._take_waiting(key, group, text)
            if begin - group.run.first < self._learning:
                continue
            new = sorted((one for one in waiting.values() if 0 <= one.at - begin <= self._fresh), key=_in_order)
            if new:
                self._note_returned(key, text, value, new)
                self._found.append(Found(key, text, tuple(new), self._facts(group, value)))

    def _take_waiting(self, key: Key, group: _Group, text: str) -> dict[str, Sighting]:
        value = group.values[text]
        waiting, value.waiting = value.waiting, {}
        self.size -= len(waiting)
        group.waiting.discard(text)
        if not group.waiting:
            self._waiting.discard(key)
        self._changed.add(((*key, text), _RUN_PART))
        return waiting

    def _stands(self, group: Run, run: Run) -> bool:
        """Whether no late event can undo that the run is new."""
        earliest = run.first - self._lateness
        if self._fresh < self._lateness or earliest - group.first < self._learning:
            return False
        return not run.may_join(earliest, self._reach, self._step)

    def _note_returned(self, key: Key, text: str, value: _Value, new: list[Sighting]) -> None:
        if not value.returned:
            heapq.heappush(self._ledgers, (value.run.first + self._fresh, key, text))
        self.size += len(new)
        for one in new:
            value.returned[one.event_id] = one.at
            self._changed.add(((*key, text), self._ledger_part(one.at)))

    def _ledger_part(self, at: int) -> int:
        return 1 + max(at // self._part, 0)

    def _facts(self, group: _Group, value: _Value) -> tuple[tuple[str, str], ...]:
        begin = value.run.first
        step = begin // self._step
        known: list[str] = []
        if len(group.values) <= _LOOKED_AT:
            known = sorted(
                text.replace(BETWEEN_VALUES, " ")
                for text, other in group.values.items()
                if other.run.first < begin - self._fresh and step - other.run.last <= self._reach
            )
        usual = ", ".join(known[:_NAMED]) + (" …" if len(known) > _NAMED else "") if known else "…"
        since = (_EPOCH + timedelta(microseconds=group.run.first)).date().isoformat()
        return (("count", str(len(value.returned))), ("usual", usual), ("since", since))

    def forget(self, horizon: int) -> None:
        """Values not seen for the whole look-back, and ledgers of runs that are fresh no more."""
        while self._ledgers and self._ledgers[0][0] < horizon:
            _, key, text = heapq.heappop(self._ledgers)
            group = self._groups.get(key)
            value = group.values.get(text) if group is not None else None
            if value is None:
                continue
            if value.run.first + self._fresh < horizon:
                self._close_ledger(key, text, value)
            elif value.returned:
                heapq.heappush(self._ledgers, (value.run.first + self._fresh, key, text))
        before = horizon // self._step - self._reach
        while self._expiry and self._expiry[0][0] < before:
            self._expire_one(before)

    def shed(self, limit: int) -> int:
        """Give up the values that were not seen for longest."""
        lost = 0
        while self.size > limit and self._expiry:
            lost += self._expire_one(None)
        return lost

    def _expire_one(self, before: int | None) -> int:
        """The value that comes up next: gone if it was not seen since ``before`` (or at all, where none is given), else put back."""
        pushed, key, text = heapq.heappop(self._expiry)
        group = self._groups[key]
        value = group.values[text]
        last = value.run.last
        if last > pushed and (before is None or last >= before):
            heapq.heappush(self._expiry, (last, key, text))
            return 0
        size = self.size
        self._close_ledger(key, text, value)
        self._take_waiting(key, group, text)
        del group.values[text]
        self.size -= 1
        if not group.values:
            del self._groups[key]
            self._changed.add((key, _RUN_PART))
        return size - self.size

    def _close_ledger(self, key: Key, text: str, value: _Value) -> None:
        self.size -= len(value.returned)
        self._changed.update(((*key, text), self._ledger_part(at)) for at in value.returned.values())
        value.returned = {}

    def changed(self) -> Iterator[Record]:
        """Runs and ledger parts that changed since the last call."""
        changed, self._changed = self._changed, set()
        for key, part in changed:
            yield Record(key, part, self._packed(key, part))

    def everything(self) -> Iterator[Record]:
        """Every run and every ledger part."""
        for key, group in self._groups.items():
            yield Record(key, _RUN_PART, _pack_run(group.run))
            for text, value in group.values.items():
                yield Record((*key, text), _RUN_PART, _pack_value(value))
                for part in {self._ledger_part(at) for at in value.returned.values()}:
                    yield Record((*key, text), part, self._pack_ledger(value, part))

    def _packed(self, key: Key, part: int) -> bytes | None:
        group = self._groups.get(key[: self._arity])
        if group is None:
            return None
        if len(key) == self._arity:
            return _pack_run(group.run)
        value = group.values.get(key[-1])
        if value is None:
            return None
        return _pack_value(value) if part == _RUN_PART else self._pack_ledger(value, part)

    def _pack_ledger(self, value: _Value, part: int) -> bytes | None:
        events = {event_id: at for event_id, at in value.returned.items() if self._ledger_part(at) == part}
        return orjson.dumps(events) if events else None

    def restore(self, record: Record) -> None:
        """Take back a record written by :meth:`changed`; those of a group and of its values come in any order."""
        if record.data is None:
            return
        said = orjson.loads(record.data)
        key = record.key[: self._arity]
        group = self._groups.setdefault(key, _Group(Run(_NEVER, _NEVER)))
        if len(record.key) == self._arity:
            group.run = Run(*said)
            return
        text = record.key[-1]
        value = group.values.get(text)
        if value is None:
            value = group.values[text] = _Value(Run(_NEVER, _NEVER))
            self.size += 1
            heapq.heappush(self._expiry, (_NEVER, key, text))
        if record.part == _RUN_PART:
            run, waiting = said
            value.run = Run(*run)
            value.waiting = {event_id: Sighting(at, event_id, (text,), carried_of(carried)) for at, event_id, carried in waiting}
            self.size += len(value.waiting)
            if value.waiting:
                group.waiting.add(text)
                self._waiting.add(key)
        else:
            value.returned.update(said)
            self.size += len(said)
            heapq.heappush(self._ledgers, (_NEVER, key, text))


def _pack_run(run: Run) -> bytes:
    return orjson.dumps([run.first, run.last, run.first_before, run.last_before])


def _pack_value(value: _Value) -> bytes:
    run = value.run
    waiting = [[one.at, one.event_id, one.carried] for one in value.waiting.values()]
    return orjson.dumps([[run.first, run.last, run.first_before, run.last_before], waiting])


def _in_order(one: Sighting) -> tuple[int, str]:
    return one.at, one.event_id
