"""The rules that read one kind of event, behind their gates.

Gates start from a guess and are chosen anew from what the first events measure, or at once from what an earlier run measured and kept.
They never change a result, only its cost.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from siem.detection.cache import Cache
from siem.detection.casing import without_case
from siem.detection.conditions import Node, predicates
from siem.detection.gates import Gate, best_gate, measured_cost
from siem.detection.keywords import KeywordLiterals, Keywords
from siem.detection.memo import MAX_VALUE, Memo, Memory, Value
from siem.detection.predicates import ANYWHERE, Matches, Predicate, text_of
from siem.detection.scan import Literals, Scanner, about_one_value

#: On what part of a kind of events each predicate held; those that never did are missing.
Shares = Mapping[Predicate, float]
#: After how many events of a route its gates are chosen anew.
_MEASURE_AT: Final = (256, 8192)
#: Up to the last of them, after the first every so many events are sampled; later ones only for whether remembering pays.
_SAMPLE_EVERY: Final = 32
#: After so many sampled look-ups, a field whose values came again less often than one time in so many is not remembered.
_LOOKUPS: Final = 256
_COMES_AGAIN: Final = 20
#: After so many scans, a smaller machine pays for its making.
_OWN_MACHINE_AFTER: Final = 5_000


class Index(Protocol):
    """What the routes of a matcher share."""

    memory: Memory
    cache: Cache | None

    def literals(self, field: str) -> Literals:
        """Everything that any rule looks for in a field."""
        ...

    def keywords(self) -> KeywordLiterals:
        """Everything that any rule looks for in a whole event."""
        ...

    def guess(self, place: int, condition: Node) -> Gate | None:
        """The gate of a rule's condition before anything was measured."""
        ...

    def measured(self, route: "Route", shares: Shares) -> None:
        """To be kept for the next start."""
        ...


class FieldGate(Memo):
    """The gates of a route on one field: which rules a value lets through."""

    __slots__ = ("_index", "_rules", "_scanner", "_scans_left", "field", "looked", "missed", "opens", "remembers")

    def __init__(self, field: str, opens: Mapping[Predicate, tuple[int, ...]], index: Index) -> None:
        super().__init__(index.memory)
        self.field = field
        self.opens = opens
        self._index = index
        self.remembers = True
        self.looked = self.missed = 0
        self._scanner = Scanner(list(opens), index.literals(field))
        self._scans_left = _OWN_MACHINE_AFTER
        self._rules = tuple(opens.values())

    def opened_by(self, value: Value) -> tuple[int, ...]:
        """Rules that a value not among the young ones lets through."""
        known = self.recall(value) if self.old else None
        if known is not None:
            return known
        self._scans_left -= 1
        if not self._scans_left:
            # One machine for all routes serves at first; a field whose values are always new earns one for its own gates.
            self._scanner = Scanner(list(self.opens), cache=self._index.cache)
        text = value if type(value) is str else str(value)
        found = self._scanner.scan(text, without_case(text))
        rules = self._rules
        opened = () if not found else rules[found[0]] if len(found) == 1 else tuple({rule for place in found for rule in rules[place]})
        if self.remembers and len(text) <= MAX_VALUE:
            self.keep(value, opened)
        return opened

    def sample(self, value: object) -> None:
        """See whether remembering pays: a field whose values hardly ever come again (identifiers, instants) is scanned each time."""
        if type(value) is not str or not self.remembers:
            return
        self.looked += 1
        self.missed += value not in self.young
        if self.looked == _LOOKUPS:
            if (self.looked - self.missed) * _COMES_AGAIN < self.looked:
                self.remembers = False
                self.forget()
            self.looked = self.missed = 0


class Route:
    """The rules at ``places``; ``conditions`` are theirs, less what the route settles. ``name`` is what its measures are kept under."""

    __slots__ = ("_conditions", "_countdown", "_gates", "_index", "_keywords", "_sample", "_ungated", "name", "places", "seen")

    def __init__(self, name: str, places: tuple[int, ...], conditions: tuple[Node, ...], index: Index, shares: Shares | None) -> None:
        self.name = name
        self.places = places
        self._conditions = conditions
        self._index = index
        self._sample: list[Mapping[str, object]] = []
        #: Events seen, as far as it is counted: the first ones, then the sampled ones for those between as well.
        self.seen = 0 if shares is None else _MEASURE_AT[0]
        self._countdown = 1
        self._gates: tuple[tuple[str, FieldGate], ...] = ()
        self._keywords: Keywords | None = None
        self._ungated: tuple[int, ...] = ()
        self._choose(shares)

    def opened(self, fields: Mapping[str, object], heard: Sequence[int] | None = None) -> Sequence[int]:
        """Which of :attr:`places` to evaluate, in order. ``heard`` as :meth:`.keywords.Keywords.opened_by` takes it."""
        self._countdown -= 1
        if not self._countdown:
            self._observe(fields)
        opened: list[int] = []
        get = fields.get
        for field, gate in self._gates:
            value = get(field)
            if value is None:
                continue
            if type(value) is str or type(value) is int:
                known = gate.young.get(value)
                if known is None:
                    known = gate.opened_by(value)
                if known:
                    opened.extend(known)
            else:
                for text in texts_of(value):
                    known = gate.young.get(text)
                    opened.extend(gate.opened_by(text) if known is None else known)
        if self._keywords is not None:
            opened.extend(self._keywords.opened_by(fields, heard))
        opened.extend(self._ungated)
        return sorted(set(opened)) if len(opened) > 1 else opened

    def _observe(self, fields: Mapping[str, object]) -> None:
        """Sample an event, and choose the gates anew when enough were seen."""
        first, last = _MEASURE_AT
        self.seen += 1 if self.seen < first else _SAMPLE_EVERY
        self._countdown = 1 if self.seen < first else _SAMPLE_EVERY
        if self.seen <= last:
            self._sample.append(fields)
        if self.seen > first:
            for field, gate in self._gates:
                gate.sample(fields.get(field))
        if self.seen in _MEASURE_AT:
            shares = shares_of(self._conditions, self._sample, self._index)
            self._sample = []
            self._choose(shares)
            self._index.measured(self, shares)

    def _choose(self, shares: Shares | None) -> None:
        if shares is None:
            gates = [self._index.guess(place, condition) for place, condition in zip(self.places, self._conditions, strict=True)]
        else:
            cost = measured_cost(shares)
            gates = [best_gate(condition, cost) for condition in self._conditions]
        by_field: dict[str, dict[Predicate, tuple[int, ...]]] = {}
        for place, gate in enumerate(gates):
            for predicate in gate.predicates if gate is not None else ():
                opens = by_field.setdefault(predicate.field, {})
                opens[predicate] = (*opens.get(predicate, ()), place)
        self._ungated = tuple(place for place, gate in enumerate(gates) if gate is None)
        keywords = by_field.pop(ANYWHERE, {})
        before = dict(self._gates)
        self._gates = tuple((field, self._gate(field, opens, before.get(field))) for field, opens in by_field.items())
        self._keywords = Keywords(keywords, self._index.keywords()) if keywords else None

    def _gate(self, field: str, opens: Mapping[Predicate, tuple[int, ...]], before: FieldGate | None) -> FieldGate:
        return before if before is not None and before.opens == opens else FieldGate(field, opens, self._index)


def shares_of(conditions: Sequence[Node], sample: Sequence[Mapping[str, object]], index: Index) -> Shares:
    """On what part of the sample each predicate of the conditions holds, those that never do left out.

    Regular expressions are not measured: making their machines costs more than knowing their shares saves.
    """
    by_field: dict[str, dict[Predicate, None]] = {}
    for condition in conditions:
        for predicate in predicates(condition):
            if about_one_value(predicate) and not isinstance(predicate, Matches):
                by_field.setdefault(predicate.field, {})[predicate] = None
    held: Counter[Predicate] = Counter()
    for field, found in by_field.items():
        listed = list(found)
        if field == ANYWHERE:
            keywords = Keywords({predicate: (place,) for place, predicate in enumerate(listed)}, index.keywords())
            for fields in sample:
                held.update(listed[place] for place in keywords.opened_by(fields))
            continue
        scanner = Scanner(listed, index.literals(field))
        values = Counter(text for fields in sample if fields.get(field) is not None for text in texts_of(fields[field]))
        for text, count in values.items():
            for place in scanner.scan(text, without_case(text)):
                held[listed[place]] += count
    return {predicate: min(1.0, count / len(sample)) for predicate, count in held.items()}


def texts_of(value: object) -> tuple[str, ...]:
    """The texts of a field's value: one, or those of a list."""
    if isinstance(value, list | tuple):
        return tuple(text_of(item) for item in value if item is not None)
    return (text_of(value),)
