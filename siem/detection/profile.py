"""What each rule costs and finds, and which of the fields it names its sources never had.

Counted while the engine works, kept with its state, shown on the console and as metrics. A rule that names a field that no event of
its sources carries matches nothing, and nobody is told by its silence: :class:`UnseenField` says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import orjson

from siem.detection.predicates import TIMESTAMP
from siem.event import Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: One evaluation in so many is timed: reading the processor's clock costs as much as most evaluations.
TIMED_EVERY: Final = 64
#: Names of fields, and kinds of events, remembered of one source; one that sends names without end only fills its own list.
_MAX_NAMES: Final = 10_000
_MAX_KINDS: Final = 4096
#: The counters are written down after so many events; where few come, after so many batches.
_WRITTEN_EVERY: Final = 20_000
_WRITTEN_AFTER: Final = 20


@dataclass(frozen=True, slots=True)
class RuleProfile:
    """One rule since its counters began. ``evaluated_count``: events for which its whole condition was evaluated, which the index
    keeps rare; for a correlation, matches it was given. ``cpu_seconds`` is reckoned from a sample. ``last_match_at`` is in event time.
    """

    rule_id: str
    evaluated_count: int
    match_count: int
    cpu_seconds: float
    last_match_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnseenField:
    """A field that rules name and that no sampled event of this source carried, though events of the kind they read came.

    ``elsewhere`` are the other places where it was looked for, as vain as the first.
    """

    source: str
    field: str
    rule_ids: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()


class Kinds(Protocol):
    """Who knows which rules read what kind of event."""

    def kind_of(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """What kind of event it is."""
        ...

    def named_by_readers(self, kind: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each field that some rule looks for in events of a kind, or in its matches among them: the rule, and the names it may have."""
        ...


class Tally:
    """The running counters of one rule."""

    __slots__ = ("evaluated", "last_match", "matched", "timed", "timed_ns")

    def __init__(self) -> None:
        self.evaluated = 0
        self.matched = 0
        self.timed = 0
        self.timed_ns = 0
        self.last_match: datetime | None = None

    def match(self, at: datetime) -> None:
        """The rule matched an event of that instant."""
        self.matched += 1
        if self.last_match is None or at > self.last_match:
            self.last_match = at

    def profile(self, rule_id: str) -> RuleProfile:
        """The counters as they stand."""
        seconds = self.timed_ns * self.evaluated / self.timed / 1e9 if self.timed else 0.0
        return RuleProfile(rule_id, self.evaluated, self.matched, seconds, self.last_match)


class _Seen:
    """What came from one source: names of fields, kinds of events (their routing values as texts), and what rules name."""

    __slots__ = ("kinds", "named", "names")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.kinds: set[tuple[str, ...]] = set()
        self.named: dict[tuple[str, ...], dict[str, None]] = {}

    def add(self, kind: tuple[str, ...], kinds: Kinds) -> None:
        """Events of a kind come from here."""
        self.kinds.add(kind)
        for rule_id, places in kinds.named_by_readers(kind):
            self.named.setdefault(places, {})[rule_id] = None


class Profiles:
    """The counters of every rule of a rule set, and the fields of every source.

    One thread counts; others may read meanwhile, and see each number as it was a moment ago.
    """

    def __init__(self, rule_ids: Iterable[str]) -> None:
        self.tallies = {rule_id: Tally() for rule_id in rule_ids}
        self._sources: dict[str, _Seen] = {}
        self._calls = self._written_at = 0

    def note(self, event: Event, kinds: Kinds) -> None:
        """One sampled event."""
        seen = self._sources.get(event.source)
        if seen is None:
            seen = self._sources[event.source] = _Seen()
        if not seen.names.issuperset(event.fields) and len(seen.names) < _MAX_NAMES:
            seen.names.update(event.fields)
        kind = kinds.kind_of(event.fields)
        if kind not in seen.kinds and len(seen.kinds) < _MAX_KINDS:
            seen.add(kind, kinds)

    def rules(self) -> list[RuleProfile]:
        """Every rule, the costliest first."""
        return sorted((tally.profile(rule_id) for rule_id, tally in self.tallies.items()), key=lambda one: (-one.cpu_seconds, one.rule_id))

    def unseen(self) -> list[UnseenField]:
        """By source and field."""
        found: list[UnseenField] = []
        for source, seen in sorted(self._sources.items()):
            had = {*seen.names.copy(), TIMESTAMP}
            missing = sorted(places for places in seen.named.copy() if had.isdisjoint(places))
            found.extend(UnseenField(source, at[0], tuple(sorted(seen.named[at].copy())), at[1:]) for at in missing)
        return found

    def names_seen(self) -> dict[str, frozenset[str]]:
        """By source, the names of fields that its sampled events had."""
        return {source: frozenset(seen.names.copy()) for source, seen in list(self._sources.items())}

    def export(self) -> bytes:
        """All of it as JSON, to be kept."""
        tallies = {
            rule_id: [one.evaluated, one.matched, one.timed, one.timed_ns, _microseconds(one.last_match)]
            for rule_id, one in self.tallies.items()
            if one.evaluated or one.matched
        }
        sources = {name: [sorted(seen.names), sorted(seen.kinds)] for name, seen in self._sources.items()}
        return orjson.dumps({"rules": tallies, "sources": sources})

    def due(self, event_count: int) -> bool:
        """Whether it is time to write the counters down, ``event_count`` events being evaluated: a stop costs the last few of them."""
        self._calls += 1
        if event_count - self._written_at < _WRITTEN_EVERY and (self._calls < _WRITTEN_AFTER or event_count == self._written_at):
            return False
        self._calls, self._written_at = 0, event_count
        return True

    def restore(self, data: bytes, kinds: Kinds) -> None:
        """Take kept counters; those of rules that are no more are left out. What rules name is asked anew, as rules may have changed."""
        kept = orjson.loads(data)
        for rule_id, (evaluated, matched, timed, timed_ns, last) in kept["rules"].items():
            tally = self.tallies.get(rule_id)
            if tally is not None:
                tally.evaluated, tally.matched, tally.timed, tally.timed_ns = evaluated, matched, timed, timed_ns
                tally.last_match = None if last is None else _EPOCH + last * _MICROSECOND
        for source, (names, came) in kept["sources"].items():
            seen = self._sources.setdefault(source, _Seen())
            seen.names.update(names)
            for kind in came:
                seen.add(tuple(kind), kinds)


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def every(share: float) -> int:
    """To take that share of events, one in so many is taken; 0: none is."""
    return round(1 / share) if share > 0 else 0
