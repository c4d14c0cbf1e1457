"""The baselines of a rule set, fed and evaluated for the engine: each rule has a state of its own in each tenant."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from siem.detection import Detection
from siem.detection.baseline.document import Baseline, BaselineType
from siem.detection.baseline.first_seen import FirstSeen
from siem.detection.baseline.own_median import OwnMedian
from siem.detection.baseline.peer_group import PeerGroup
from siem.detection.baseline.sighting import BETWEEN_VALUES, Found, Keeper, Key, Record, Sighting
from siem.detection.casing import without_case
from siem.detection.load import CompiledBaseline, Ruleset
from siem.detection.plan import carried_fields, fields_looked_at, summary_fields
from siem.detection.predicates import Text
from siem.detection.state import StateKey
from siem.detection.windows import combined

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: A match with more combinations of values than this (lists in several fields) is a mistake of the source.
_MAX_COMBINATIONS: Final = 64


@dataclass(frozen=True, slots=True)
class _Feed:
    """One baseline as its inputs see it. ``carried`` are the fields that only the summary, or a correlation that it feeds, asks for."""

    target: CompiledBaseline
    carried: tuple[str, ...]
    matched_fields: tuple[str, ...]
    fingerprint: str


class Habits:
    """Runs baselines. ``lateness`` (µs) as in the engine; ``limit`` bounds what each rule remembers in each tenant."""

    def __init__(self, ruleset: Ruleset, *, lateness: int, limit: int) -> None:
        self._lateness = lateness
        self._limit = limit
        looked_at, asked = fields_looked_at(ruleset), carried_fields(ruleset.correlations, ruleset.baselines)
        self._feeds = {one.rule.id: _feed_of(one, looked_at[one.rule.id], asked[one.rule.id]) for one in ruleset.baselines}
        self._by_input: dict[str, list[_Feed]] = {}
        for feed in self._feeds.values():
            for rule_id in feed.target.inputs:
                self._by_input.setdefault(rule_id, []).append(feed)
        self._keepers: dict[tuple[str, str], Keeper] = {}
        #: Combinations of matches that had too many, by rule and tenant, not told yet.
        self._left_out: dict[tuple[str, str], int] = {}
        #: What was adopted, and what it took the place of, to be written.
        self._rewritten: dict[str, bytes | None] = {}

    @property
    def size(self) -> int:
        """How many things all baselines remember."""
        return sum(keeper.size for keeper in self._keepers.values())

    def note(self, rule_id: str, tenant: str, at: int, event_id: str, fields: Mapping[str, Text]) -> None:
        """A rule on single events has matched at an instant (µs). A match without a field that a baseline asks for is not of its kind."""
        for feed in self._by_input.get(rule_id, ()):
            baseline = feed.target.baseline
            keys, keys_left = combined(fields, baseline.key_fields, _MAX_COMBINATIONS)
            values, values_left = combined(fields, baseline.fields, _MAX_COMBINATIONS)
            if not keys or not values:
                continue
            if keys_left or values_left:
                self._left_out[feed.target.rule.id, tenant] = self._left_out.get((feed.target.rule.id, tenant), 0) + keys_left + values_left
            sighting = Sighting(at, event_id, _values(baseline, values), tuple([(name, _joined(fields[name])) for name in feed.carried]))
            keeper = self._keeper(feed, tenant)
            for key in keys:
                keeper.add(key, sighting)

    def _keeper(self, feed: _Feed, tenant: str) -> Keeper:
        place = (feed.target.rule.id, tenant)
        found = self._keepers.get(place)
        if found is None:
            found = self._keepers[place] = _keeper_of(feed.target.baseline, self._lateness)
        return found

    def settle(self, tenant: str, closed_at: Callable[[str], int]) -> Iterator[tuple[CompiledBaseline, Found]]:
        """Evaluate; no more events of the tenant before ``closed_at`` of a rule are waited for by it."""
        for feed in self._feeds.values():
            keeper = self._keepers.get((feed.target.rule.id, tenant))
            if keeper is not None:
                for found in keeper.settle(closed_at(feed.target.rule.id)):
                    yield feed.target, found

    def detection(self, one: CompiledBaseline, tenant: str, found: Found) -> Detection:
        """What is told of something found."""
        return _detection(self._feeds[one.rule.id], tenant, found)

    def seen_fields(self, one: CompiledBaseline, found: Found, sighting: Sighting) -> Mapping[str, Text]:
        """What a correlation may read of a match: whose habit it is, what is new, and the fields it carries."""
        fields: dict[str, Text] = dict.fromkeys(self._feeds[one.rule.id].carried)
        fields.update((name, value or None) for name, value in sighting.carried)
        fields.update(_group(one.baseline, found))
        return fields

    def forget(self, tenant: str, horizon: int) -> Iterator[tuple[str, int]]:
        """Let go of what no event at or after ``horizon`` needs. Gives the rules that were full, and how many things each lost."""
        for place in [place for place in self._left_out if place[1] == tenant]:
            yield place[0], self._left_out.pop(place)
        for (rule_id, owner), keeper in self._keepers.items():
            if owner == tenant:
                keeper.forget(horizon)
                lost = keeper.shed(self._limit)
                if lost:
                    yield rule_id, lost

    def changed_state(self) -> dict[str, bytes | None]:
        """What to write since the last call, as :meth:`siem.detection.engine.Engine.changed_state`."""
        rewritten, self._rewritten = self._rewritten, {}
        return rewritten | {self._text(place, one): one.data for place, keeper in self._keepers.items() for one in keeper.changed()}

    def adopt(self, rule_id: str, tenant: str, state: Mapping[str, bytes]) -> None:
        """Remember what was exported elsewhere instead of what a rule remembers in a tenant."""
        place = (rule_id, tenant)
        before = self._keepers.pop(place, None)
        if before is not None:
            self._rewritten.update((self._text(place, one), None) for one in (*before.changed(), *before.everything()))
        for text, data in state.items():
            key = StateKey.parse(text)
            if (key.rule_id, key.tenant) == place and self.restore(key, data):
                self._rewritten[text] = data

    def export_state(self) -> dict[str, bytes]:
        """The whole state, under the same keys."""
        found = ((self._text(place, one), one.data) for place, keeper in self._keepers.items() for one in keeper.everything())
        return {text: data for text, data in found if data is not None}

    def restore(self, key: StateKey, data: bytes) -> bool:
        """Take back a record. False if it is of no baseline, or of one that says something else now."""
        feed = self._feeds.get(key.rule_id)
        if feed is None or feed.fingerprint != key.fingerprint:
            return False
        self._keeper(feed, key.tenant).restore(Record(key.group, key.part, data))
        return True

    def _text(self, place: tuple[str, str], record: Record) -> str:
        rule_id, tenant = place
        return StateKey(rule_id, self._feeds[rule_id].fingerprint, tenant, record.key, record.part).text()


def _feed_of(one: CompiledBaseline, matched_fields: tuple[str, ...], asked: tuple[str, ...]) -> _Feed:
    said = one.baseline
    told = {*said.group_by, *(said.fields if said.type is BaselineType.FIRST_SEEN else ()), *said.peers}
    shown = dict.fromkeys((one.rule.subject, *summary_fields(one.rule.summary_fr), *asked))
    fingerprint = hashlib.sha256(repr((said, one.inputs)).encode()).hexdigest()[:12]
    return _Feed(one, tuple(name for name in shown if name and name not in told), matched_fields, fingerprint)


def _keeper_of(baseline: Baseline, lateness: int) -> Keeper:
    match baseline.type:
        case BaselineType.FIRST_SEEN:
            return FirstSeen(baseline, lateness)
        case BaselineType.OWN_MEDIAN:
            return OwnMedian(baseline)
        case BaselineType.PEER_GROUP:
            return PeerGroup(baseline)


def _values(baseline: Baseline, values: Sequence[Key]) -> tuple[str, ...]:
    """What is new, as written; what is counted, without case as Sigma compares. Nothing where matches are counted."""
    if not baseline.fields:
        return ()
    texts = [BETWEEN_VALUES.join(value) for value in values]
    return tuple(texts if baseline.type is BaselineType.FIRST_SEEN else [without_case(text) for text in texts])


def _detection(feed: _Feed, tenant: str, found: Found) -> Detection:
    group = _group(feed.target.baseline, found)
    values = dict(group)
    values.update(found.sightings[-1].carried)
    values.update(found.facts)
    return Detection(
        rule_id=feed.target.rule.id,
        tenant=tenant,
        group=tuple(group),
        first_at=_EPOCH + found.sightings[0].at * _MICROSECOND,
        last_at=_EPOCH + found.sightings[-1].at * _MICROSECOND,
        event_ids=tuple(one.event_id for one in found.sightings),
        matched_fields=feed.matched_fields,
        values=tuple(values.items()),
    )


def _group(said: Baseline, found: Found) -> list[tuple[str, str]]:
    """What it is about: whose habit, and what is new."""
    group = list(zip(said.key_fields, found.key, strict=True))
    if said.type is BaselineType.FIRST_SEEN:
        group += zip(said.fields, found.value.split(BETWEEN_VALUES), strict=True)
    return group


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else ", ".join(text or ())
