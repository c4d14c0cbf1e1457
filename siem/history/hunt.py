"""One rule over the events already stored.

SQL lets through every event that the rule, or a rule that feeds it, can match; the pipeline's own engine evaluates those, in event
time. What it returns is what the live pipeline would have: where SQL is exact it only saves the engine the work. History is read slice
by slice, each on a snapshot of its own, so that memory is bounded, retention goes on, and a hunt can stop between any two batches.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Final

from siem.detection import Detection, Rule
from siem.detection.engine import Engine
from siem.detection.indicators import Book
from siem.detection.load import Ruleset
from siem.detection.plan import fields_of_events, keeping
from siem.event import Event
from siem.history.bounds import ALWAYS, Bounds
from siem.history.groups import Narrowing, moved, narrowing_of
from siem.history.translation import of_indicators, of_listed, of_rules
from siem.store.events import EventStore, Scope, Search
from siem.store.scan import distinct, scan, slices

#: Events of a slice that go to the engine: about two seconds of its work. Where SQL leaves it few, a slice is up to so many times as long.
SLICE_COUNT: Final = 250_000
_LONGEST: Final = 8
#: Events come in order, so nothing is late; events of the same instant may still follow in the next batch.
_LATENESS: Final = timedelta(microseconds=1)


class How(StrEnum):
    """Who decides which events match."""

    SQL = "sql"  # the condition on the table is exact
    BOTH = "sql+engine"  # it narrows, the engine decides; every correlation and baseline
    ENGINE = "engine"  # every event has to be looked at


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule ready to be looked for: the rules it rests on, and what SQL knows of the events that they match.

    ``margin`` is how far back a detection may reach: earlier events are read too, so that no window is cut at the begin. ``book`` holds the
    sets of indicators, for a rule about them.
    """

    rule: Rule
    ruleset: Ruleset
    bounds: Bounds
    margin: timedelta
    #: The fields that these rules read of an event; None: all.
    fields: frozenset[str] | None = None
    book: Book | None = None
    #: What SQL knows of groups that cannot reach the threshold of a correlation.
    narrowing: Narrowing | None = None
    #: How long windows last that were open as the rule came into force.
    open_for: timedelta = timedelta(0)

    @property
    def how(self) -> How:
        """Who decides."""
        if self.bounds.most == ALWAYS:
            return How.ENGINE
        return How.SQL if self.bounds.exact and not self.margin else How.BOTH


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a hunt did. History is known up to ``reached_at``; ``looked_count`` are stored events passed since the last step.

    ``lost_count``: matches that a correlation gave up at its limit, its counts are too low from there on. ``learned``, of the last step, is
    what baselines remember of everything that was read.
    """

    detections: tuple[Detection, ...]
    looked_count: int
    candidate_count: int
    reached_at: datetime
    lost_count: int = 0
    learned: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whose events to look at, and from when to when: ``from_at`` included, ``to_at`` not; None leaves that side open."""

    scope: Scope
    from_at: datetime | None = None
    to_at: datetime | None = None


def plan(ruleset: Ruleset, rule_id: str, book: Book | None = None) -> Plan:
    """Make a rule of a set ready. It alone returns detections, also where in force it only feeds others."""
    kept = ruleset.only([rule_id])
    chosen = replace(
        kept,
        singles=tuple(replace(one, alerts=one.rule.id == rule_id) for one in kept.singles),
        correlations=tuple(replace(one, alerts=one.rule.id == rule_id) for one in kept.correlations),
        baselines=tuple(replace(one, alerts=one.rule.id == rule_id) for one in kept.baselines),
    )
    # What a baseline compares with lies before what it finds.
    compared = [max(one.baseline.lookback, one.baseline.learning, one.baseline.per) + one.baseline.fresh for one in chosen.baselines]
    windows = max(keeping(chosen).values(), default=0)
    # What the sets list may be anywhere that their rules look: such an event is read whole.
    listed = bool(chosen.indicators)
    return Plan(
        rule=chosen.rules[rule_id],
        ruleset=chosen,
        bounds=of_indicators(chosen.indicators) if listed else of_rules(chosen.singles),
        margin=timedelta(microseconds=windows + max(compared, default=0)),
        open_for=timedelta(microseconds=windows),
        narrowing=None if listed else narrowing_of(chosen),
        fields=None if listed else fields_of_events(chosen),
        book=book,
    )


def hunt(
    events: EventStore, wanted: Plan, stretch: Stretch, *, slice_count: int = SLICE_COUNT, lateness: timedelta = _LATENESS
) -> Iterator[Step]:
    """Look for a rule, oldest events first; detections come as they are found. Stop by not asking for the next step.

    Detections that ended before ``from_at`` are left out. With a ``lateness``, baselines remember what events so late may still change.
    Raises OperationError where the store cannot be read.
    """
    search = _Search(wanted, lateness)
    length = _Length(slice_count)
    reached_at: datetime | None = None
    begin = moved(stretch.from_at, -wanted.margin)
    for part in slices(events, stretch.scope, begin, stretch.to_at, size=length.next):
        reached_at = part.to_at
        candidate_count = 0
        wanted_of_part = events.widened(_narrowed(events, wanted, Search(stretch.scope, wanted.bounds.most, part.from_at, part.to_at)))
        for batch in scan(events, wanted_of_part, wanted.fields):
            candidate_count += len(batch)
            yield _since(stretch.from_at, search.step(batch))
        length.note(part.count, candidate_count)
        yield Step((), part.count, 0, reached_at)
    if reached_at is not None:
        yield _since(stretch.from_at, search.end(reached_at))


class _Length:
    """How many events a slice shall have, by what SQL left of the one before it."""

    def __init__(self, candidate_count: int) -> None:
        self._wanted = candidate_count
        self._times = 1

    def next(self) -> int:
        """Events of the next slice."""
        return self._wanted * self._times

    def note(self, count: int, candidate_count: int) -> None:
        """The last slice had so many events, of which so many went to the engine."""
        self._times = min(_LONGEST, self._times * 4, max(1, count // max(candidate_count, 1)))


def _narrowed(events: EventStore, wanted: Plan, search: Search) -> Search:
    """For a correlation, only groups that can reach its threshold. For a rule about indicators, only events with a value that the sets
    list: each value is looked up once, not once an event.
    """
    # An event with several values belongs to several groups, of which SQL counts none.
    if wanted.narrowing is not None and not events.has_lists(search.scope.tenant):
        return replace(search, query=wanted.narrowing.within(search))
    if wanted.book is None or not wanted.ruleset.indicators:
        return search
    wanted.book.refresh()
    found = of_listed(wanted.ruleset.indicators, wanted.book, lambda name: chain.from_iterable(distinct(events, search, name)))
    return replace(search, query=found.most)


def _since(from_at: datetime | None, step: Step) -> Step:
    if from_at is None:
        return step
    return replace(step, detections=tuple(one for one in step.detections if one.last_at >= from_at))


class _Search:
    """The engine over batches in event time order."""

    def __init__(self, wanted: Plan, lateness: timedelta) -> None:
        self.engine = Engine(wanted.ruleset, lateness=lateness, max_lag=timedelta(0))
        if wanted.book is not None:
            self.engine.indicators.book = wanted.book
        self.lost_count = 0

    def step(self, batch: list[Event]) -> Step:
        return self._step(self.engine.evaluate(batch), len(batch), batch[-1].at)

    def end(self, reached_at: datetime) -> Step:
        learned = self.engine.learned
        return replace(self._step(self.engine.flush(), 0, reached_at), learned=learned)

    def _step(self, detections: list[Detection], candidate_count: int, reached_at: datetime) -> Step:
        lost = sum(alarm.lost_count for alarm in self.engine.alarms)
        new, self.lost_count = lost - self.lost_count, lost
        return Step(tuple(detections), 0, candidate_count, reached_at, new)
