"""Which single-event rules match an event.

1. **Route**: the log source's fields (``event.dataset``, or ``Channel`` and ``EventID``) choose the rules that read this kind of event;
   what a rule asks of these fields is settled here, once for all events of the kind.
2. **Gate**: each rule has a few predicates of which one holds whenever the rule does; a rule whose gate stays closed is not looked at.
3. **Memo**: which gates a value of a field opens is remembered, as log values repeat; a new value is scanned once.
4. The few rules left are evaluated in full; filters are looked at only where the rule matched.

Gates start from a guess and are chosen anew from what a route's first events measure. They never change a result, only its cost.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from siem.detection.conditions import AllOf, Node, compile_tree, predicates, settled
from siem.detection.filters import Filter, Hits
from siem.detection.gates import best_gate, guessed_cost, measured_cost
from siem.detection.load import CompiledRule, Variant
from siem.detection.predicates import ANYWHERE, Predicate, Test, View, text_of
from siem.detection.profile import TIMED_EVERY, Tally
from siem.detection.scan import Scanner, about_one_value

#: Distinct combinations of routing values remembered; a source that varies them without end only costs time.
_MAX_ROUTES: Final = 4096
#: Characters of remembered values, over all routes; beyond it the memos start anew.
_MAX_REMEMBERED: Final = 48_000_000
#: What a remembered value costs besides its characters.
_ENTRY_COST: Final = 120
#: A longer value is not remembered: it hardly ever comes again.
_MAX_VALUE: Final = 4096
#: After how many events of a route its gates are chosen anew.
_MEASURE_AT: Final = (256, 8192)
_SAMPLE_EVERY: Final = 32
#: Misses between two looks at whether remembering pays.
_MISSES: Final = 2048
#: Stands between values put together.
_BETWEEN: Final = "\x00"
_IN_WHOLE_NUMBERS: Final = frozenset("-0123456789")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One rule as it reads one family of log sources. ``tally`` counts its evaluations."""

    rule: CompiledRule
    variant: Variant
    test: Test
    filters: tuple[tuple[Filter, Test], ...]
    tally: Tally = field(compare=False)

    def reads(self, values: Mapping[str, str]) -> bool:
        """Whether events with these routing values (in lower case) are of its log sources."""
        return any(all(values[name] in wanted for name, wanted in source.select.items()) for source in self.variant.sources)

    def hidden_by(self, view: View) -> Filter | None:
        """The first filter that hides this match of the rule."""
        return next((one for one, test in self.filters if one.holds_at(view.at) and not test(view)), None)


class _Budget:
    """Bounds what all memos hold together."""

    __slots__ = ("generation", "spent")

    def __init__(self) -> None:
        self.spent = 0
        self.generation = 0

    def spend(self, size: int) -> None:
        self.spent += size
        if self.spent > _MAX_REMEMBERED:
            self.spent = 0
            self.generation += 1


class _FieldGate:
    """The gates of a route on one field: which rules a value lets through."""

    __slots__ = ("_budget", "_generation", "_lookups_before", "_misses", "_opens", "_scanner", "field", "lookups", "memo", "remembers")

    def __init__(self, field: str, gates: Mapping[Predicate, Sequence[int]], budget: _Budget) -> None:
        self.field = field
        self.memo: dict[str, tuple[int, ...]] = {}
        self.remembers = True
        self.lookups = 0
        self._scanner = Scanner(list(gates))
        self._opens = [tuple(rules) for rules in gates.values()]
        self._budget = budget
        self._generation = budget.generation
        self._misses = 0
        self._lookups_before = 0

    def opened_by(self, value: str) -> tuple[int, ...]:
        """Rules that a value not remembered lets through."""
        found = self._scanner.scan(value, value.lower())
        opens = self._opens
        opened = opens[found[0]] if len(found) == 1 else tuple({rule for place in found for rule in opens[place]}) if found else ()
        if self.remembers and len(value) <= _MAX_VALUE:
            self._remember(value, opened)
        return opened

    def _remember(self, value: str, opened: tuple[int, ...]) -> None:
        budget = self._budget
        budget.spend(len(value) + _ENTRY_COST)
        if self._generation != budget.generation:
            self._generation = budget.generation
            self.memo.clear()
        self.memo[value] = opened
        self._misses += 1
        if self._misses == _MISSES:
            # A field whose values hardly ever come again (identifiers, instants) is scanned each time.
            if self.lookups - self._lookups_before < _MISSES * 10 // 9:
                self.remembers = False
                self.memo.clear()
            self._lookups_before = self.lookups
            self._misses = 0


class _KeywordGate:
    """The gates of a route on no field in particular: one scan of all values put together."""

    __slots__ = ("_opens", "_scanner", "_skipped")

    def __init__(self, gates: Mapping[Predicate, Sequence[int]]) -> None:
        self._scanner = Scanner(list(gates))
        self._opens = list(gates.values())
        # Half of an event's values are often whole numbers: they are put in only if a keyword could be in one.
        in_numbers = any(_IN_WHOLE_NUMBERS.issuperset(literal) for literal in self._scanner.literals)
        self._skipped: type = type(None) if in_numbers else int

    def opened_by(self, fields: Mapping[str, object]) -> list[int]:
        """Rules that may match; a text found across two values only costs an evaluation."""
        skipped = self._skipped
        values = [value if type(value) is str else _loosely(value) for value in fields.values() if type(value) is not skipped]
        return [rule for place in self._scanner.may_hold(_BETWEEN.join(values).lower()) for rule in self._opens[place]]


class _Route:
    """The rules that read one kind of event, behind their gates. ``trees`` are their conditions, less what the route settles."""

    __slots__ = ("_budget", "candidates", "gates", "keywords", "sample", "seen", "trees", "ungated")

    def __init__(self, candidates: tuple[Candidate, ...], trees: tuple[Node, ...], budget: _Budget) -> None:
        self.candidates = candidates
        self.trees = trees
        self._budget = budget
        self.seen = 0
        self.sample: list[View] = []
        self.gates: tuple[_FieldGate, ...] = ()
        self.keywords: _KeywordGate | None = None
        self.ungated: tuple[int, ...] = ()
        self._choose(guessed_cost)

    def _choose(self, cost: Callable[[Predicate], float]) -> None:
        gates = [best_gate(tree, cost) for tree in self.trees]
        by_field: dict[str, dict[Predicate, list[int]]] = {}
        for place, gate in enumerate(gates):
            for predicate in gate.predicates if gate is not None else ():
                by_field.setdefault(predicate.field, {}).setdefault(predicate, []).append(place)
        self.ungated = tuple(place for place, gate in enumerate(gates) if gate is None)
        keywords = by_field.pop(ANYWHERE, None)
        self.keywords = _KeywordGate(keywords) if keywords else None
        self.gates = tuple(_FieldGate(field, found, self._budget) for field, found in by_field.items())

    def observe(self, view: View) -> None:
        """Sample events, and choose the gates anew when enough were seen."""
        self.seen += 1
        seen = self.seen
        if seen <= _MEASURE_AT[0] or seen % _SAMPLE_EVERY == 0:
            self.sample.append(view)
        if seen in _MEASURE_AT:
            self._choose(measured_cost(_shares(self.trees, self.sample)))
            self.sample = []

    def opened(self, view: View) -> list[int]:
        """Rules to evaluate, in the order they were loaded."""
        opened = list(self.ungated)
        fields = view.fields
        for gate in self.gates:
            value = fields.get(gate.field)
            if value is None:
                continue
            gate.lookups += 1
            if type(value) is str:
                known = gate.memo.get(value)
                if known is None:
                    known = gate.opened_by(value)
                if known:
                    opened.extend(known)
            else:
                for text in _texts(value):
                    known = gate.memo.get(text)
                    opened.extend(gate.opened_by(text) if known is None else known)
        if self.keywords is not None:
            opened.extend(self.keywords.opened_by(fields))
        return sorted(set(opened)) if len(opened) > 1 else opened


class Matcher:
    """Finds the rules that match an event. Not for several threads at once."""

    def __init__(self, rules: Sequence[CompiledRule], tallies: Mapping[str, Tally] | None = None) -> None:
        counted = {rule.rule.id: Tally() for rule in rules} if tallies is None else tallies
        self._candidates = tuple(_candidate(rule, variant, counted[rule.rule.id]) for rule in rules for variant in rule.variants)
        names = {name for one in self._candidates for source in one.variant.sources for name in source.select}
        self._routing: tuple[str, ...] = tuple(sorted(names))
        self._routes: dict[tuple[object, ...], _Route] = {}
        self._same: dict[tuple[tuple[int, Node], ...], _Route] = {}
        self._budget = _Budget()
        #: Matches that filters hid, by key of the filter and id of the rule, since they were last taken.
        self.hidden: dict[tuple[str, str], Hits] = {}

    def match(self, view: View) -> Iterator[Candidate]:
        """Rules that match, each once, in the order they were loaded."""
        route = self._route(view.fields)
        if route.seen < _MEASURE_AT[-1]:
            route.observe(view)
        last: CompiledRule | None = None
        candidates = route.candidates
        for place in route.opened(view):
            candidate = candidates[place]
            tally = candidate.tally
            tally.evaluated += 1
            held = _timed(candidate, view) if tally.evaluated % TIMED_EVERY == 1 else candidate.test(view)
            if held and candidate.rule is not last:
                hiding = candidate.hidden_by(view) if candidate.filters else None
                if hiding is not None:
                    self.hidden.setdefault((hiding.key, candidate.rule.rule.id), Hits()).add(view.at)
                    continue
                last = candidate.rule
                yield candidate

    def kind_of(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """What kind of event it is: its routing values, as texts in lower case."""
        return tuple([text_of(fields.get(name, "")).lower() for name in self._routing])

    def named_by_readers(self, kind: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Rules that read a kind of event and that it can match, each with the fields it names."""
        fields = {name: value for name, value in zip(self._routing, kind, strict=True) if value}
        for candidate in self._route(fields).candidates:
            yield candidate.rule.rule.id, candidate.variant.fields

    def readers(self, fields: Mapping[str, object]) -> list[CompiledRule]:
        """Rules whose log sources an event is of, whether they match or not."""
        return [candidate.rule for candidate in self._reading(fields)]

    def _reading(self, fields: Mapping[str, object]) -> Iterator[Candidate]:
        values = {name: text_of(fields.get(name, "")).lower() for name in self._routing}
        return (candidate for candidate in self._candidates if candidate.reads(values))

    def match_slowly(self, view: View) -> Iterator[Candidate]:
        """The same, evaluating every rule: what :meth:`match` is compared with."""
        last: CompiledRule | None = None
        for candidate in self._reading(view.fields):
            if candidate.rule is not last and candidate.test(view) and candidate.hidden_by(view) is None:
                last = candidate.rule
                yield candidate

    def _route(self, fields: Mapping[str, object]) -> _Route:
        key = tuple([fields.get(name) for name in self._routing])
        try:
            found = self._routes.get(key)
        except TypeError:  # a list where one value is expected
            key = tuple([tuple(map(text_of, part)) if isinstance(part, list) else part for part in key])
            found = self._routes.get(key)
        if found is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
                self._same.clear()
            found = self._routes[key] = self._new_route(key)
        return found

    def _new_route(self, key: Sequence[object]) -> _Route:
        """Keys that lead to the same rules share a route."""
        values = {name: text_of("" if part is None else part).lower() for name, part in zip(self._routing, key, strict=True)}
        view = View({name: part for name, part in zip(self._routing, key, strict=True) if part is not None})
        kept: list[tuple[int, Node]] = []
        for place, one in enumerate(self._candidates):
            if one.reads(values):
                tree = settled(one.variant.tree, frozenset(self._routing), view)
                if tree is not False:
                    kept.append((place, AllOf(()) if tree is True else tree))
        same = tuple(kept)
        if same not in self._same:
            self._same[same] = _Route(tuple(self._candidates[place] for place, _ in kept), tuple(tree for _, tree in kept), self._budget)
        return self._same[same]


def _candidate(rule: CompiledRule, variant: Variant, tally: Tally) -> Candidate:
    """What filters leave out is looked at only where the rule itself matches: it costs nothing else, and each hit can be counted."""
    filters = tuple((added.filter, compile_tree(added.tree)) for added in variant.filters)
    return Candidate(rule, variant, compile_tree(variant.tree), filters, tally)


def _timed(candidate: Candidate, view: View) -> bool:
    """Evaluate a rule and note what it cost."""
    begun = time.thread_time_ns()
    held = candidate.test(view)
    candidate.tally.timed += 1
    candidate.tally.timed_ns += time.thread_time_ns() - begun
    return held


def _loosely(value: object) -> str:
    """A text that holds the value's, made fast."""
    if isinstance(value, float | list | tuple):
        return _BETWEEN.join(_texts(value))
    return str(value)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(text_of(item) for item in value if item is not None)
    return (text_of(value),)


def _shares(trees: Sequence[Node], sample: Sequence[View]) -> dict[Predicate, float]:
    """On what part of the sample each predicate holds."""
    by_field: dict[str, dict[Predicate, int]] = {}
    for tree in trees:
        for predicate in predicates(tree):
            if about_one_value(predicate):
                by_field.setdefault(predicate.field, {})[predicate] = 0
    for name, counts in by_field.items():
        scanner, listed = Scanner(list(counts)), list(counts)
        known: dict[str, list[int]] = {}
        for view in sample:
            held: set[int] = set()
            for text in view.everything(cased=True) if name == ANYWHERE else _texts(view.fields.get(name)) if name in view.fields else ():
                if text not in known:
                    known[text] = scanner.scan(text, text.lower())
                held.update(known[text])
            for place in held:
                counts[listed[place]] += 1
    return {predicate: count / len(sample) for counts in by_field.values() for predicate, count in counts.items()}
