"""The engine: events in, detections out, in event time.

``lateness`` is how far an event may lag behind the newest of its source and still be evaluated exactly; ``max_lag`` how
far a whole source may lag behind the newest source. A condition that waits waits for every source that can feed its rule, but not for
one that has fallen silent (:mod:`.clocks`). A later event is still evaluated, against what is still kept, and counted in
:attr:`Engine.late_counts`; where a condition was judged too soon, :meth:`Engine.take_alarms` says so. With a ``clock``, an event from
the future (a device whose date is wrong) is evaluated but does not move time on for the others, and is counted in
:attr:`Engine.ahead_counts`.

State is in memory and grows out in small parts: :meth:`Engine.changed_state` gives what changed since the last call, to be
written in the same transaction as the detections. **If that transaction fails, the engine must be made anew and restored.**
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from siem.detection import Detection, event_time
from siem.detection.alarms import Alarm, Kind, Raised, Teller
from siem.detection.cache import Cache
from siem.detection.clocks import Clocks, Feeder, microseconds, moment
from siem.detection.correlate import Correlator, Occurrence
from siem.detection.correlations import OVER_NUMBERS
from siem.detection.filters import Hits
from siem.detection.findings import Findings
from siem.detection.groups import Key
from siem.detection.habits import Habits
from siem.detection.indicators import Indicators
from siem.detection.load import CompiledCorrelation, Ruleset
from siem.detection.match import Candidate, Matcher, OutOfForce
from siem.detection.plan import Feed, asked_of_matches, carried_fields, delays, feeds, keeping, reaches, summary_fields, types_feeding
from siem.detection.predicates import Renamed, Text, View
from siem.detection.profile import Profiles
from siem.detection.singles import detection_of
from siem.detection.state import StateKey, fingerprint, pack, pack_time, unpack, unpack_time
from siem.detection.windows import combined, joined, measured
from siem.event import Event

_FOREVER: Final = 2**62
_MICROSECOND: Final = timedelta(microseconds=1)
#: Clocks differ: an event this far ahead of ours is not yet from the future.
_AHEAD: Final = timedelta(minutes=5)
#: A match that belongs to more groups than this (lists in several group-by fields) is a mistake of the source.
_MAX_GROUPS: Final = 64
#: Fields are noted of the first events, then of one in so many.
_NOTED_FIRST: Final = 4096
_NOTED_EVERY: Final = 16
#: A baseline looks back over weeks, and most of what it remembers is a few numbers.
_HABITS_TO_MATCHES: Final = 5


class Engine:
    """Evaluates events against a rule set. Not for several threads at once.

    ``max_matches`` bounds the kept matches of each correlation in each tenant; a baseline remembers five times as much.
    ``verify_every``: every so many events, the index is compared with evaluating every rule, and :attr:`disagreement_counts` says
    for which rules they differed (0: never compared).
    """

    def __init__(
        self,
        ruleset: Ruleset,
        *,
        lateness: timedelta = timedelta(minutes=10),
        max_lag: timedelta = timedelta(hours=24),
        sources: Sequence[str | Feeder] = (),
        max_matches: int = 100_000,
        clock: Callable[[], datetime] | None = None,
        verify_every: int = 0,
    ) -> None:
        self.ruleset = ruleset
        self.disagreement_counts: dict[str, int] = {}
        #: Events for which it differed since somebody took them, by rule and tenant.
        self.disagreed: dict[tuple[str, str], list[str]] = {}
        #: Events for which the index was compared.
        self.verified_count = 0
        self._clock = clock
        self._verify_every = verify_every
        self._evaluated_count = 0
        self._clocks = Clocks(lateness, max_lag, sources, types_feeding(ruleset))
        self.late_counts, self.ahead_counts = self._clocks.late_counts, self._clocks.ahead_counts
        self._max_matches = max_matches
        #: What each rule costs and finds, and which fields its sources never had.
        self.profiles = Profiles(ruleset.rules)
        self._matcher = Matcher(ruleset.singles, self.profiles.tallies, asked=asked_of_matches(ruleset), digest=ruleset.digest)
        self._correlations = {one.rule.id: one for one in ruleset.correlations}
        self._fingerprints = {one.rule.id: fingerprint(one) for one in ruleset.correlations}
        self._carried = carried_fields(ruleset.correlations, ruleset.baselines)
        self._feeds = feeds(ruleset.correlations, self._carried)
        self._summaries = {one.rule.id: summary_fields(one.rule.summary_fr) for one in ruleset.singles}
        self._keep, self._delays, self._reach = keeping(ruleset), delays(ruleset), reaches(ruleset.correlations)
        self.indicators = Indicators(ruleset.indicators)
        self._habits = Habits(ruleset, lateness=lateness // _MICROSECOND, limit=max_matches * _HABITS_TO_MATCHES)
        self._correlators: dict[tuple[str, str], Correlator] = {}
        self._findings = Findings(ruleset, self._carried, self._correlators)
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._waiting = frozenset(one.rule.id for one in ruleset.correlations if not one.correlation.grows)
        self._unawaited: dict[tuple[str, str], Raised] = {}
        self._gone: set[str] = set()
        self._teller = Teller(self)

    def keep_in(self, cache: Cache) -> None:
        """Keep there, for the next run, what makes the first events cheap. To be called before them; it never changes a result."""
        self._matcher.cache = cache

    def evaluate(self, events: Iterable[Event], arrived_at: datetime | None = None) -> list[Detection]:
        """Detections that these events add, in event time order. An event evaluated before adds nothing to a correlation.

        ``arrived_at`` is when the last of them was received; without it no source is ever held for silent.
        """
        detections: list[Detection] = []
        now = None if self._clock is None else self._clock() + _AHEAD
        note_time, find, verify_every, count = self._clocks.note, self._matcher.find, self._verify_every, self._evaluated_count
        listed = self.indicators.for_batch()
        tenants: set[str] = set()
        for event, heard in self._matcher.listening(events):
            tenants.add(event.tenant)
            note_time(event, now)
            count += 1
            if count < _NOTED_FIRST or count % _NOTED_EVERY == 0:
                self.profiles.note(event, self._matcher)
            if verify_every and count % verify_every == 0:
                found: tuple[View, list[Candidate]] | None = self._verified(event)
            else:
                found = find(event.fields, event.at, event.tenant, heard)
            if found is not None:
                self._take(event, *found, detections)
            if listed is not None:
                detections.extend(listed(event))
        self._evaluated_count = count
        for tenant in tenants:
            judged = {rule_id: self._closed_at(tenant, rule_id) for rule_id in self._waiting}
            self._clocks.reckon(tenant, arrived_at)
            detections.extend(self._settle(tenant, judged))
            self._forget(tenant)
        return sorted(detections, key=event_time)

    def _take(self, event: Event, view: View, found: Sequence[Candidate], detections: list[Detection]) -> None:
        """What becomes of an event that rules match."""
        for candidate in found:
            rule = candidate.rule
            candidate.tally.match(event.at)
            at, fields = microseconds(event.at), Renamed(view.exact, candidate.variant.event_names)
            if rule.alerts:
                detections.append(detection_of(candidate, event, fields, self._summaries[rule.rule.id]))
            for feed in self._feeds.get(rule.rule.id, ()):
                target = feed.target.rule.id
                judged = target in self._waiting and at <= self._closed_at(event.tenant, target)
                if self._feed(feed, event.tenant, at, event.id, fields, ()) and judged:
                    self._note_too_late(target, event.tenant, event.source)
            self._habits.note(rule.rule.id, event.tenant, at, event.id, fields)

    def _verified(self, event: Event) -> tuple[View, list[Candidate]]:
        """What every rule says, evaluated one after the other; where the index says otherwise, that is counted."""
        view = View(event.fields, event.at)
        slowly = self._matcher.match_slowly(view)
        _, quickly = self._matcher.find(event.fields, event.at, event.tenant) or (view, [])
        differing = {one.rule.rule.id for one in slowly} ^ {one.rule.rule.id for one in quickly}
        self.verified_count += 1
        for rule_id in differing:
            self.disagreement_counts[rule_id] = self.disagreement_counts.get(rule_id, 0) + 1
            self.disagreed.setdefault((rule_id, event.tenant), []).append(event.id)
        return view, slowly

    def take_hidden(self) -> dict[tuple[str, str, str], Hits]:
        """Matches hidden since the last call, by key of the filter or of what allows it, rule id and tenant; for the totals."""
        hidden = {**self._matcher.hidden, **self.indicators.hidden}
        self._matcher.hidden, self.indicators.hidden = {}, {}
        return hidden

    def flush(self) -> list[Detection]:
        """Wait for no more events: evaluate what conditions that wait had left. For a replay's end."""
        for tenant in self._clocks.tenants:
            self._clocks.confirm(tenant)
        judged = {tenant: {rule_id: self._closed_at(tenant, rule_id) for rule_id in self._waiting} for tenant in self._clocks.tenants}
        return sorted((one for tenant in self._clocks.tenants for one in self._settle(tenant, judged[tenant], ended=True)), key=event_time)

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Rules that lost state, or left out groups of a match that had too many, and how many matches each."""
        return tuple(self._alarms.values())

    def take_alarms(self) -> list[Raised]:
        """What went wrong with rules since the last call: to be kept with the detections."""
        unawaited, self._unawaited = self._unawaited, {}
        return [*self._teller.take(), *unawaited.values()]

    @property
    def out_of_force(self) -> tuple[OutOfForce, ...]:
        """Rules that a regular expression made too costly, and that judge nothing until they are put back or the engine is made anew."""
        return tuple(self._matcher.out_of_force.values())

    def put_back(self, rule_id: str) -> bool:
        """Put a rule into force again; whether it was out. Any thread may ask."""
        return self._matcher.put_back(rule_id)

    @property
    def match_count(self) -> int:
        """Matches kept for correlations, and what baselines remember."""
        return sum(one.size for one in self._correlators.values()) + self._habits.size

    def changed_state(self) -> dict[str, bytes | None]:
        """What to write since the last call: key to bytes, or None where the key is to be deleted."""
        changed: dict[str, bytes | None] = dict.fromkeys(self._gone)
        self._gone = set()
        for (rule_id, tenant), correlator in self._correlators.items():
            for key, part in correlator.changed:
                changed[self._state_key(rule_id, tenant, key, part).text()] = pack(correlator, key, part)
            correlator.changed = set()
        for tenant, newest in self._clocks.take_changed().items():
            changed[StateKey.of_time(tenant).text()] = pack_time(newest)
        if self.profiles.due(self._evaluated_count):
            changed[StateKey.of_profiles().text()] = self.profiles.export()
        changed.update(self._habits.changed_state())
        return changed

    def export_state(self) -> dict[str, bytes]:
        """The whole state, under the same keys."""
        state: dict[str, bytes] = {}
        for (rule_id, tenant), correlator in self._correlators.items():
            for key, group in correlator.groups.items():
                parts = {entry[0] // correlator.part for entry in group.entries} | {at // correlator.part for at in group.returned.values()}
                for part in parts:
                    packed = pack(correlator, key, part)
                    if packed is not None:
                        state[self._state_key(rule_id, tenant, key, part).text()] = packed
        for tenant in self._clocks.tenants:
            state[StateKey.of_time(tenant).text()] = pack_time(self._clocks.of(tenant))
        state[StateKey.of_profiles().text()] = self.profiles.export()
        return {**state, **self._habits.export_state()}

    def restore(self, state: Mapping[str, bytes]) -> int:
        """Take kept state into an engine that has seen nothing yet.

        Returns how many parts belong to rules that are no more, or have changed; those are dropped.
        """
        dropped = 0
        for text, data in state.items():
            key = StateKey.parse(text)
            if key == StateKey.of_profiles():
                self.profiles.restore(data, self._matcher)
                continue
            if key.rule_id == "":
                self._clocks.restore(key.tenant, unpack_time(data))
                continue
            if self._habits.restore(key, data):
                continue
            one = self._correlations.get(key.rule_id)
            if one is None or self._state_key(key.rule_id, key.tenant, key.group, key.part) != key:
                dropped += 1
                self._gone.add(text)
                continue
            unpack(self._correlator(one, key.tenant), key.group, key.part, data)
        for (rule_id, tenant), correlator in self._correlators.items():
            if tenant in self._clocks.tenants:
                correlator.resume(self._closed_at(tenant, rule_id))
        return dropped

    @property
    def learned(self) -> dict[str, bytes]:
        """What all baselines remember, as :meth:`export_state` has it."""
        return self._habits.export_state()

    def adopt(self, rule_id: str, tenant: str, state: Mapping[str, bytes]) -> None:
        """Let a baseline remember what another engine learned, instead of what it remembers in a tenant; to be written with the rest."""
        self._habits.adopt(rule_id, tenant, state)

    def _state_key(self, rule_id: str, tenant: str, group: Key, part: int) -> StateKey:
        return StateKey(rule_id, self._fingerprints[rule_id], tenant, group, part)

    def _forget(self, tenant: str) -> None:
        horizon = self._clocks.horizon(tenant)
        for (rule_id, owner), correlator in self._correlators.items():
            if owner != tenant:
                continue
            correlator.forget(horizon)
            self._note_lost(rule_id, tenant, correlator.shed(self._max_matches))
        for rule_id, lost in self._habits.forget(tenant, horizon):
            self._note_lost(rule_id, tenant, lost)

    def _note_lost(self, rule_id: str, tenant: str, lost: int) -> None:
        if lost:
            before = self._alarms.get((rule_id, tenant))
            self._alarms[rule_id, tenant] = Alarm(rule_id, tenant, lost + (before.lost_count if before else 0))

    def _note_unawaited(self, rule_id: str, tenant: str, count: int, problem: str) -> None:
        before = self._unawaited.get((rule_id, tenant))
        self._unawaited[rule_id, tenant] = Raised(Kind.UNAWAITED, rule_id, tenant, count + (before.count if before else 0), problem)

    def _note_too_late(self, rule_id: str, tenant: str, origin: str) -> None:
        self._note_unawaited(rule_id, tenant, 1, f"matches of «{origin}» came after their time was judged")

    def _correlator(self, one: CompiledCorrelation, tenant: str) -> Correlator:
        found = self._correlators.get((one.rule.id, tenant))
        if found is None:
            rule_id = one.rule.id
            found = Correlator(one.correlation, keep=self._keep[rule_id], has_parents=rule_id in self._feeds, reach=self._reach[rule_id])
            self._correlators[one.rule.id, tenant] = found
        return found

    def _feed(self, feed: Feed, tenant: str, at: int, event_id: str, fields: Mapping[str, Text], origin: tuple[str, ...]) -> bool:
        """Give a match to a correlation, once for each group it belongs to. A match without a group-by field belongs to none.

        Whether any of it was new to it.
        """
        keys, left_out = combined(fields, feed.group, _MAX_GROUPS)
        if not keys:
            return False
        value = measured(fields, feed.values, numbers=feed.target.correlation.type in OVER_NUMBERS)
        if value is None:
            return False
        carried = tuple([joined(fields[name]) or "" for name in feed.carried])
        correlator = self._correlator(feed.target, tenant)
        tally = self.profiles.tallies[feed.target.rule.id]
        tally.evaluated += 1
        tally.timed += 1  # its windows are settled, and timed, for all matches together
        self._note_lost(feed.target.rule.id, tenant, left_out)
        added = [correlator.add(key, (at, position, event_id, value, origin, carried)) for position in feed.positions for key in keys]
        return any(added)

    def _closed_at(self, tenant: str, rule_id: str) -> int:
        """Up to when (µs) a rule may be judged: no more events are waited for, and no more of what baselines find."""
        return self._clocks.closed_at(tenant, rule_id) - self._delays.get(rule_id, 0)

    def _settle(self, tenant: str, judged: Mapping[str, int], *, ended: bool = False) -> list[Detection]:
        """Evaluate the baselines, then the correlations, children before parents. ``ended``: no more events come at all.

        ``judged``: up to when (µs) each rule that waits was judged before; what the others tell it of earlier instants comes too late.
        """

        def closed_at(rule_id: str) -> int:
            return _FOREVER if ended else self._closed_at(tenant, rule_id)

        detections = list(self._settle_habits(tenant, judged, closed_at))
        for one in self.ruleset.correlations:
            correlator = self._correlators.get((one.rule.id, tenant))
            if correlator is None:
                continue
            tally, begun = self.profiles.tallies[one.rule.id], time.thread_time_ns()
            found, occurrences = correlator.settle(closed_at(one.rule.id), self._clocks.newest(tenant))
            tally.timed_ns += time.thread_time_ns() - begun
            for episode in found:
                tally.match(moment(episode.last))
            for occurrence in occurrences:
                for feed in self._feeds.get(one.rule.id, ()):
                    at, fields, origin = occurrence.at, self._seen_fields(one, occurrence), (one.rule.id, *occurrence.key)
                    if self._feed(feed, tenant, at, occurrence.event_id, fields, origin) and at <= judged.get(feed.target.rule.id, -1):
                        self._note_too_late(feed.target.rule.id, tenant, one.rule.title)
            if found and not ended and one.rule.id in self._waiting and (silent := self._clocks.silent(tenant, one.rule.id)):
                self._note_unawaited(one.rule.id, tenant, len(found), f"judged without what is silent: {', '.join(silent)}")
            if one.alerts:
                of_episode = self._findings.of_episode
                detections.extend(made for episode in found if (made := of_episode(one, tenant, correlator, episode)))
        return detections

    def _settle_habits(self, tenant: str, judged: Mapping[str, int], closed_at: Callable[[str], int]) -> Iterator[Detection]:
        """What baselines find; each match of it is one of the correlations that refer to them, at the time of its event."""
        habits = self._habits
        for one, found in habits.settle(tenant, closed_at):
            for feed in self._feeds.get(one.rule.id, ()):
                for sighting in found.sightings:
                    fields = habits.seen_fields(one, found, sighting)
                    new = self._feed(feed, tenant, sighting.at, sighting.event_id, fields, ())
                    if new and sighting.at <= judged.get(feed.target.rule.id, -1):
                        self._note_too_late(feed.target.rule.id, tenant, one.rule.title)
            if one.alerts:
                yield habits.detection(one, tenant, found)

    def _seen_fields(self, one: CompiledCorrelation, occurrence: Occurrence) -> Mapping[str, Text]:
        """What a parent may read of a correlation's match: its group and the fields it carries."""
        fields: dict[str, Text] = {name: value or None for name, value in zip(self._carried[one.rule.id], occurrence.carried, strict=True)}
        fields.update(zip(one.correlation.group_by, occurrence.key, strict=True))
        return fields
