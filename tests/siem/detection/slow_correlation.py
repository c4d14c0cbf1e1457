"""Correlations by definition, slowly: every window is looked at anew, from the rules as written and the set of events alone.

Knows nothing of the engine: it reads the YAML documents itself and knows no arrival, no state and no order but that of time.
What the engine says of the definition is in :mod:`siem.detection.correlate` and :mod:`siem.detection.chains`.
"""

import ast
import itertools
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

#: A detection's group, in the order of ``group-by``.
Group = tuple[str, ...]
SECONDS = {"s": 1, "m": 60, "h": 3600}
COMPARES: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}


@dataclass(frozen=True)
class Happening:
    """An event, or a match of a correlation: at ``at`` (seconds), with the events behind it."""

    at: float
    event: str
    fields: tuple[tuple[str, str], ...]
    behind: frozenset[str]

    def get(self, name: str) -> str | None:
        return dict(self.fields).get(name)


@dataclass(frozen=True)
class Member:
    """A happening in a group of a correlation, with the place of its rule in the list."""

    place: int
    happening: Happening
    value: str

    @property
    def at(self) -> float:
        return self.happening.at


@dataclass(frozen=True)
class Window:
    """A window in which a correlation held: what contributes, and the instant and the event by which a parent knows it."""

    members: frozenset[Member]
    held: tuple[tuple[float, Happening], ...]
    span: float


class Slow:
    """``documents`` by name; ``matches`` are the happenings of each rule on single events; ``newest`` is when the story ends."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]], matches: Mapping[str, Sequence[Happening]], newest: float) -> None:
        self.documents = documents
        self.matches = matches
        self.newest = newest

    def found(self, name: str) -> dict[Group, set[str]]:
        """Events behind the detections of a correlation, by group."""
        found: dict[Group, set[str]] = {}
        for group, windows in self.windows(name).items():
            events = {event for window in windows for member in window.members for event in member.happening.behind}
            if events:
                found[group] = events
        return found

    def windows(self, name: str) -> dict[Group, list[Window]]:
        section = self.documents[name]["correlation"]
        grouped: dict[Group, set[Member]] = {}
        references = references_of(section)
        for place, reference in enumerate(references):
            # Only the temporal types tell the rules apart; one event counts once for the others, whatever it matches.
            kept = place if section["type"].startswith("temporal") else 0
            if section["type"] == "temporal":
                kept = references.index(reference)
            for happening in self.happenings(reference):
                for group, value in memberships(section, reference, happening):
                    grouped.setdefault(group, set()).add(Member(kept, happening, value))
        return {group: self.look(section, sorted(members, key=in_time)) for group, members in grouped.items()}

    def happenings(self, reference: str) -> Sequence[Happening]:
        """The matches of a rule; those of a correlation carry its group and the fields of the event they are known by."""
        if reference in self.matches:
            return self.matches[reference]
        section = self.documents[reference]["correlation"]
        found: list[Happening] = []
        for group, windows in self.windows(reference).items():
            contributing = {member for window in windows for member in window.members}
            for window in windows:
                for at, known_by in window.held:
                    behind = frozenset().union(*(m.happening.behind for m in contributing if at - window.span <= m.at <= at))
                    fields = {**dict(known_by.fields), **dict(zip(section.get("group-by", []), group, strict=True))}
                    found.append(Happening(at, known_by.event, tuple(sorted(fields.items())), behind))
        return list(dict.fromkeys(found))

    def look(self, section: Mapping[str, Any], members: Sequence[Member]) -> list[Window]:
        span = span_of(section)
        condition = section.get("condition")
        if isinstance(condition, str):
            terms = terms_of(condition, references_of(section))
            return [window for term in terms for window in self.term(term, members, span, ordered=section["type"] == "temporal_ordered")]
        if section["type"] == "temporal_ordered":
            places = range(len(section["rules"]))
            fewest = len(places) if condition is None else next(count for count in range(len(places) + 1) if holds(count, condition))
            terms = [(frozenset(some), frozenset[int]()) for some in itertools.combinations(places, fewest)]
            return [window for term in terms for window in self.term(term, members, span, ordered=True)]
        found: list[Window] = []
        for at in sorted({member.at for member in members}):
            inside = [member for member in members if at - span <= member.at <= at]
            if holds(measure(section, inside), condition or {"gte": len(set(section["rules"]))}):
                held = tuple((at, member.happening) for member in inside if member.at == at)
                found.append(Window(frozenset(inside), held, span))
        return found

    def term(self, term: "Term", members: Sequence[Member], span: float, *, ordered: bool) -> list[Window]:
        """Windows of one alternative: they begin with a wanted match, or, where nothing is excluded, end with one."""
        wanted, unwanted = term
        row = [member for member in members if member.place in wanted]
        found: list[Window] = []
        for at in sorted({member.at for member in row}):
            begin, end = (at, at + span) if unwanted else (at - span, at)
            inside = [member for member in row if begin <= member.at <= end]
            against = [member for member in members if member.place in unwanted and begin <= member.at <= end]
            if against or (unwanted and end > self.newest):
                continue
            contributing = chained(inside, sorted(wanted)) if ordered else set(inside)
            if {member.place for member in contributing} != set(wanted):
                continue
            if unwanted:
                held: tuple[tuple[float, Happening], ...] = ((end, next(member.happening for member in row if member.at == at)),)
            else:
                last = [member for member in contributing if member.at == at and (not ordered or member.place == max(wanted))]
                held = tuple((at, member.happening) for member in sorted(last, key=in_time))
            found.append(Window(frozenset(contributing), held, span))
        return found


Term = tuple[frozenset[int], frozenset[int]]


def in_time(member: Member) -> tuple[float, int, str]:
    return (member.at, member.place, member.happening.event)


def span_of(section: Mapping[str, Any]) -> float:
    return int(section["timespan"][:-1]) * SECONDS[section["timespan"][-1]]


def references_of(section: Mapping[str, Any]) -> list[str]:
    if "rules" in section:
        return list(section["rules"])
    return list(dict.fromkeys(word for word in re.findall(r"\w+", section["condition"]) if word not in ("and", "or", "not")))


def memberships(section: Mapping[str, Any], reference: str, happening: Happening) -> Iterable[tuple[Group, str]]:
    aliases = section.get("aliases", {})

    def get(name: str) -> str | None:
        return happening.get(aliases.get(name, {}).get(reference, name))

    group = [get(name) for name in section.get("group-by", [])]
    condition = section.get("condition")
    field = condition.get("field", []) if isinstance(condition, dict) else []
    values = [get(name) for name in (field if isinstance(field, list) else [field])]
    if None not in group and None not in values:
        yield tuple(str(one) for one in group), "\0".join(str(one).lower() for one in values)


def holds(number: float, condition: Mapping[str, Any]) -> bool:
    return all(COMPARES[name](number, limit) for name, limit in condition.items() if name in COMPARES)


def measure(section: Mapping[str, Any], inside: Sequence[Member]) -> float:
    kind = section["type"]
    if kind == "event_count":
        return len(inside)
    if kind == "value_count":
        return len({member.value for member in inside})
    if kind == "temporal":
        return len({member.place for member in inside})
    numbers = sorted(float(member.value) for member in inside)
    if kind == "value_percentile":
        place = (len(numbers) - 1) * section["condition"]["percentile"] / 100
        below, above = int(place), min(int(place) + 1, len(numbers) - 1)
        return numbers[below] * (1 - (place - below)) + numbers[above] * (place - below)
    return {"value_sum": sum, "value_avg": mean, "value_median": median}[kind](numbers)


def chained(inside: Sequence[Member], places: Sequence[int]) -> set[Member]:
    """Members of some chain: one match for each place, in order of time, none following itself."""
    found: set[Member] = set()
    for chain in itertools.product(*([member for member in inside if member.place == place] for place in places)):
        if all(one.at <= other.at and one.happening.event != other.happening.event for one, other in itertools.pairwise(chain)):
            found |= set(chain)
    return found


def terms_of(text: str, references: Sequence[str]) -> list[Term]:
    """Alternatives of an expression, read with Python's own grammar, whose ``and``, ``or`` and ``not`` bind alike."""

    def spelled_out(found: re.Match[str]) -> str:
        names = [name for name in references if found[2] == "them" or re.fullmatch(found[2].replace("*", ".*"), name)]
        return f"({(' and ' if found[1] == 'all' else ' or ').join(names)})"

    expression = re.sub(r"(1|any|all) of ([\w*]+)", spelled_out, text)
    places = {name: place for place, name in enumerate(references)}
    return _normal(ast.parse(expression, mode="eval").body, places, positive=True)


def _normal(node: ast.expr, places: Mapping[str, int], *, positive: bool) -> list[Term]:
    if isinstance(node, ast.Name):
        alone = frozenset({places[node.id]})
        return [(alone, frozenset())] if positive else [(frozenset(), alone)]
    if isinstance(node, ast.UnaryOp):
        return _normal(node.operand, places, positive=not positive)
    assert isinstance(node, ast.BoolOp)
    parts = [_normal(value, places, positive=positive) for value in node.values]
    if isinstance(node.op, ast.Or) is positive:
        return [term for part in parts for term in part]
    products = itertools.product(*parts)
    both = [(frozenset().union(*(w for w, _ in row)), frozenset().union(*(u for _, u in row))) for row in products]
    return [(wanted, unwanted) for wanted, unwanted in both if not wanted & unwanted]
