"""Which single-event rules match an event.

1. **Route**: the log source's fields (``event.dataset``, or ``Channel`` and ``EventID``) choose the rules that read this kind of event;
   what a rule asks of these fields is settled here, once for all events of the kind.
2. **Gate**: each rule has a few predicates of which one holds whenever the rule does; a rule whose gate stays closed is not looked at.
3. **Memo**: which gates a value of a field opens is remembered, as log values repeat; a new value is scanned once.
4. The few rules left are evaluated in full; filters are looked at only where the rule matched.

A rule that a regular expression of it makes too costly is taken out of force, and said to be (:class:`OutOfForce`): its answer is not
known, which is neither a match nor none.
"""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from siem.detection.cache import Cache
from siem.detection.casing import without_case
from siem.detection.conditions import AllOf, Node, compile_tree, predicates, settled
from siem.detection.encoding import decoded, encoded
from siem.detection.filters import Filter, Hits
from siem.detection.gates import Gate, best_gate, guessed_cost
from siem.detection.keywords import KeywordLiterals
from siem.detection.load import CompiledRule, Variant
from siem.detection.logsource import LogSource
from siem.detection.memo import Memory
from siem.detection.predicates import ANYWHERE, Predicate, Test, View, fields_of, text_of
from siem.detection.profile import TIMED_EVERY, Tally
from siem.detection.regex import OutOfTime
from siem.detection.routes import Route, Shares
from siem.detection.scan import Literals, about_one_value, is_equality, needed_literal
from siem.event import Event

_log = logging.getLogger(__name__)

#: Distinct combinations of routing values remembered; a source that varies them without end only costs time.
_MAX_ROUTES: Final = 4096
#: Keywords are looked for in so many events at once: enough to share the work, few enough to stay near the processor.
_TOGETHER: Final = 16
#: Beyond it, floats and integers that are equal have different texts.
_EXACT: Final = 2**53


@dataclass(slots=True)
class OutOfForce:
    """A rule taken out of force: it has not judged ``event_count`` events that its gates let through. ``at``: instant of the first."""

    rule_id: str
    problem: str
    at: datetime | None
    event_count: int = 0


class Candidate:
    """One rule as it reads one family of log sources. ``tally`` counts its evaluations; ``test`` is compiled when first asked."""

    __slots__ = ("_filters", "_guess", "_settles", "rule", "tally", "test", "variant")

    def __init__(self, rule: CompiledRule, variant: Variant, tally: Tally) -> None:
        self.rule = rule
        self.variant = variant
        self.tally = tally
        self.test: Test = self._first_test
        self._filters: tuple[tuple[Filter, Test], ...] | None = None
        self._guess: Gate | bool | None = False
        self._settles: bool | None = None

    def _first_test(self, view: View) -> bool:
        self.test = compile_tree(self.variant.tree)
        return self.test(view)

    def renew(self) -> None:
        """Begin anew, with the time of its regular expressions unspent."""
        self.test = self._first_test

    def hidden_by(self, view: View) -> Filter | None:
        """The first filter that hides this match of the rule.

        What filters leave out is looked at only where the rule itself matches: it costs nothing else, and each hit can be counted.
        """
        if self._filters is None:
            self._filters = tuple((added.filter, compile_tree(added.tree)) for added in self.variant.filters)
        for one, test in self._filters:
            try:
                if one.holds_at(view.at) and not test(view):
                    return one
            except OutOfTime as overrun:  # nobody knows: what is not sure to be hidden is shown
                _log.error("filter %s cannot be asked: %s", one.key, overrun)
        return None

    def guess(self, condition: Node) -> Gate | None:
        """The gate of its condition, or of what a route leaves of it, before anything was measured."""
        if condition is not self.variant.tree:
            return best_gate(condition, guessed_cost)
        if isinstance(self._guess, bool):
            self._guess = best_gate(condition, guessed_cost)
        return self._guess

    def settled(self, routing: frozenset[str], view: View) -> Node | bool:
        """What is left of its condition for events with the routing values of ``view``, or its truth."""
        if self._settles is None:
            self._settles = any(not routing.isdisjoint(fields_of(predicate)) for predicate in predicates(self.variant.tree))
        try:
            return settled(self.variant.tree, routing, view) if self._settles else self.variant.tree
        except OutOfTime:
            return self.variant.tree


class Matcher:
    """Finds the rules that match an event. Not for several threads at once.

    :attr:`cache` keeps what was measured, under ``digest``, which names the rule set; nothing is kept without either.
    ``asked`` is what :func:`siem.detection.plan.asked_of_matches` says of the rules.
    """

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        tallies: Mapping[str, Tally] | None = None,
        *,
        asked: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        digest: str = "",
    ) -> None:
        self._asked = asked or {}
        counted = {rule.rule.id: Tally() for rule in rules} if tallies is None else tallies
        self._candidates = tuple(Candidate(rule, variant, counted[rule.rule.id]) for rule in rules for variant in rule.variants)
        self._families: dict[tuple[int, ...], tuple[tuple[LogSource, ...], list[int]]] = {}
        for place, one in enumerate(self._candidates):
            sources = one.variant.sources
            self._families.setdefault(tuple(map(id, sources)), (sources, []))[1].append(place)
        names = {name for sources, _ in self._families.values() for source in sources for name in source.select}
        self._routing: tuple[str, ...] = tuple(sorted(names))
        self._routing_set = frozenset(names)
        self._routes: dict[tuple[object, ...], Route | dict[tuple[type, ...], Route]] = {}
        self._same: dict[tuple[tuple[int, Node | None], ...], Route] = {}
        self._wanted: dict[str, dict[str, None]] | None = None
        self._literals: dict[str, Literals] = {}
        self._keywords: KeywordLiterals | None = None
        self.memory = Memory()
        self.cache: Cache | None = None
        self._digest = digest
        #: Matches that filters hid, by key of the filter, id of the rule and tenant, since they were last taken.
        self.hidden: dict[tuple[str, str, str], Hits] = {}
        #: Rules taken out of force since the start, or since they were put back.
        self.out_of_force: dict[str, OutOfForce] = {}

    def listening(self, events: Iterable[Event]) -> Iterator[tuple[Event, Sequence[int] | None]]:
        """Each event, with the keywords that it or its neighbours hold: they are looked for in several at once, as most hold none."""
        coming, literals = iter(events), self.keywords()
        while several := list(islice(coming, _TOGETHER)):
            heard = literals.heard_in([event.fields for event in several])
            for event in several:
                yield event, heard

    def find(
        self, fields: Mapping[str, object], at: datetime | None, tenant: str = "", heard: Sequence[int] | None = None
    ) -> tuple[View, list[Candidate]] | None:
        """Rules that match, each once, in the order they were loaded, with the event as they saw it; None where there is none.

        What filters hide is counted for the ``tenant``. ``heard`` is what :meth:`listening` gives with the event.
        """
        route = self._route(fields)
        opened = route.opened(fields, heard)
        if not opened:
            return None
        view = View(fields, at)
        candidates, places = self._candidates, route.places
        found: list[Candidate] = []
        for place in opened:
            candidate = candidates[places[place]]
            tally = candidate.tally
            tally.evaluated += 1
            if (not found or candidate.rule is not found[-1].rule) and self._holds(
                candidate, view, timed=tally.evaluated % TIMED_EVERY == 1
            ):
                hiding = candidate.hidden_by(view) if candidate.variant.filters else None
                if hiding is None:
                    found.append(candidate)
                else:
                    self.hidden.setdefault((hiding.key, candidate.rule.rule.id, tenant), Hits()).add(at)
        return (view, found) if found else None

    def match(self, view: View) -> list[Candidate]:
        """The same, without the view."""
        found = self.find(view.fields, view.at)
        return [] if found is None else found[1]

    def match_slowly(self, view: View) -> list[Candidate]:
        """The same, evaluating every rule: what :meth:`match` is compared with."""
        found: list[Candidate] = []
        for candidate in self._reading(view.fields):
            if (not found or candidate.rule is not found[-1].rule) and self._holds(candidate, view) and candidate.hidden_by(view) is None:
                found.append(candidate)
        return found

    def _holds(self, candidate: Candidate, view: View, *, timed: bool = False) -> bool:
        """Evaluate a rule's condition; False also where it is out of force, which is counted."""
        if self.out_of_force and candidate.rule.rule.id in self.out_of_force:
            self.out_of_force[candidate.rule.rule.id].event_count += 1
            return False
        begun = time.thread_time_ns() if timed else 0
        try:
            return candidate.test(view)
        except OutOfTime as overrun:
            rule = candidate.rule.rule
            self.out_of_force[rule.id] = OutOfForce(rule.id, str(overrun), view.at, 1)
            _log.error(
                "rule %s (%s, %s) is out of force until it is put back or the watch starts anew: %s",
                rule.id,
                rule.title,
                rule.path,
                overrun,
            )
            return False
        finally:
            if timed:
                candidate.tally.timed += 1
                candidate.tally.timed_ns += time.thread_time_ns() - begun

    def put_back(self, rule_id: str) -> bool:
        """Put a rule into force again, with its time anew; whether it was out."""
        for candidate in self._candidates:
            if candidate.rule.rule.id == rule_id:
                candidate.renew()
        return self.out_of_force.pop(rule_id, None) is not None

    def kind_of(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """What kind of event it is: its routing values, as texts in lower case."""
        return tuple([without_case(text_of(fields.get(name, ""))) for name in self._routing])

    def named_by_readers(self, kind: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Rules that a kind of event can match, and those that count such matches, with each field they name: where it may stand."""
        fields = {name: value for name, value in zip(self._routing, kind, strict=True) if value}
        for place in self._route(fields).places:
            rule_id, variant = self._candidates[place].rule.rule.id, self._candidates[place].variant
            for reader, names in ((rule_id, variant.named), *self._asked.get(rule_id, {}).items()):
                for name in names:
                    yield reader, variant.event_names(name)

    def readers(self, fields: Mapping[str, object]) -> list[CompiledRule]:
        """Rules whose log sources an event is of, whether they match or not."""
        return [candidate.rule for candidate in self._reading(fields)]

    def _reading(self, fields: Mapping[str, object]) -> Iterator[Candidate]:
        values = {name: without_case(text_of(fields.get(name, ""))) for name in self._routing}
        return (self._candidates[place] for place in self._places(values))

    def _places(self, values: Mapping[str, str]) -> list[int]:
        """The rules that read events with these routing values (in lower case)."""
        found: list[int] = []
        for sources, places in self._families.values():
            if any(all(values[name] in wanted for name, wanted in source.select.items()) for source in sources):
                found.extend(places)
        return sorted(found)

    def _route(self, fields: Mapping[str, object]) -> Route:
        key = tuple(map(fields.get, self._routing))
        try:
            found = self._routes.get(key)
        except TypeError:  # a list where one value is expected
            key = tuple([tuple(part) if isinstance(part, list) else part for part in key])
            found = self._routes.get(key)
        if type(found) is Route:
            return found
        types = tuple(map(type, key))
        if isinstance(found, dict) and types in found:
            return found[types]
        return self._new_route(key, types)

    def _new_route(self, key: tuple[object, ...], types: tuple[type, ...]) -> Route:
        """Keys that lead to the same rules share a route."""
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
            self._same.clear()
        parts = {name: list(part) if isinstance(part, tuple) else part for name, part in zip(self._routing, key, strict=True)}
        values = {name: without_case(text_of("" if part is None else part)) for name, part in parts.items()}
        view = View({name: part for name, part in parts.items() if part is not None})
        kept: list[tuple[int, Node]] = []
        for place in self._places(values):
            tree = self._candidates[place].settled(self._routing_set, view)
            if tree is not False:
                kept.append((place, AllOf(()) if tree is True else tree))
        # A condition that the route leaves as it is goes by its place: comparing whole trees costs.
        same = tuple((place, None if tree is self._candidates[place].variant.tree else tree) for place, tree in kept)
        route = self._same.get(same)
        if route is None:
            name = self._name_of(tuple(values.values()))
            route = self._same[same] = Route(
                name, tuple(place for place, _ in kept), tuple(tree for _, tree in kept), self, self._kept(name)
            )
        if any(map(_has_doubles, key)):
            alike = self._routes.setdefault(key, {})
            if isinstance(alike, dict):
                alike[types] = route
        else:
            self._routes[key] = route
        return route

    def literals(self, field: str) -> Literals:
        """Everything that any rule looks for in a field. Made for a field when first asked."""
        found = self._literals.get(field)
        if found is None:
            found = self._literals[field] = Literals(self._wanted_in(field), self.cache)
        return found

    def keywords(self) -> KeywordLiterals:
        """Everything that any rule looks for in a whole event."""
        if self._keywords is None:
            self._keywords = KeywordLiterals(self._wanted_in(ANYWHERE), self.cache)
        return self._keywords

    def _wanted_in(self, field: str) -> Iterable[str]:
        if self._wanted is None:
            self._wanted = self._wanted_literals()
        return self._wanted.get(field, ())

    def _wanted_literals(self) -> dict[str, dict[str, None]]:
        wanted: dict[str, dict[str, None]] = {}
        seen: set[int] = set()
        for candidate in self._candidates:
            for predicate in predicates(candidate.variant.tree):
                if id(predicate) not in seen:
                    seen.add(id(predicate))
                    looked_up = is_equality(predicate) and predicate.field != ANYWHERE
                    if about_one_value(predicate) and not looked_up and (literal := needed_literal(predicate)):
                        wanted.setdefault(predicate.field, {})[literal] = None
        return wanted

    def guess(self, place: int, condition: Node) -> Gate | None:
        """The gate of a rule's condition before anything was measured."""
        return self._candidates[place].guess(condition)

    def measured(self, route: Route, shares: Shares) -> None:
        """Keep what a route measured for the next start."""
        if self.cache is not None and self._digest:
            self.cache.write(route.name, encoded(tuple(shares.items())))

    def _name_of(self, kind: tuple[str, ...]) -> str:
        return f"shares-{hashlib.sha256(repr((self._digest, kind)).encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"

    def _kept(self, name: str) -> Shares | None:
        kept = self.cache.read(name) if self.cache is not None and self._digest else None
        if kept is None:
            return None
        try:
            shares: dict[Predicate, float] = dict(decoded(kept))
        except (ValueError, TypeError, LookupError, ArithmeticError):
            return None
        return shares


def _has_doubles(part: object) -> bool:
    """Whether something else may be equal to a routing value and yet have another text: True and 1, large floats and integers."""
    return isinstance(part, int | float) and (-2 < part < 2 or not -_EXACT < part < _EXACT)
