"""How rules are wired to correlations: worked out once for a rule set.

A parent correlation groups by its own fields, also where its child groups by others: the child therefore carries, with each
match, the fields that its parents and its own summary need. So does a baseline that feeds one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.baseline.document import BaselineType
from siem.detection.conditions import predicates
from siem.detection.correlations import Correlation, CorrelationType
from siem.detection.heading import placeholders_of
from siem.detection.load import CompiledBaseline, CompiledCorrelation, Ruleset
from siem.detection.predicates import ANYWHERE, TIMESTAMP

#: Names of a summary that the detection gives, not the event.
OF_DETECTION: Final = frozenset(
    {"count", "usual", "limit", "since", "peers", "value", "indicator", "feed", "licence", "set", "confidence", "tlp"}
    | {"valid_from", "valid_until"}
)
_POSITION_MATTERS: Final = frozenset({CorrelationType.TEMPORAL, CorrelationType.TEMPORAL_ORDERED})


@dataclass(frozen=True, slots=True)
class Feed:
    """How a rule feeds a correlation. Group and value fields are already translated by the aliases for this rule."""

    target: CompiledCorrelation
    positions: tuple[int, ...]
    group: tuple[str, ...]
    values: tuple[str, ...]
    carried: tuple[str, ...]


def summary_fields(rule_summary: str) -> tuple[str, ...]:
    """The event's fields that a summary shows."""
    return tuple(name for name in dict.fromkeys(placeholders_of(rule_summary)) if name not in OF_DETECTION)


def carried_fields(correlations: Sequence[CompiledCorrelation], baselines: Sequence[CompiledBaseline] = ()) -> dict[str, tuple[str, ...]]:
    """For each correlation, the fields its matches carry besides its group; for each baseline, those that correlations ask of it."""
    needed: dict[str, dict[str, None]] = {one.rule.id: {} for one in correlations}
    needed.update((compared.rule.id, {}) for compared in baselines)
    carried: dict[str, tuple[str, ...]] = {}
    for one in reversed(correlations):
        own = needed[one.rule.id]
        if one.rule.subject:
            own[one.rule.subject] = None
        own.update(dict.fromkeys(summary_fields(one.rule.summary_fr)))
        carried[one.rule.id] = tuple(name for name in own if name not in one.correlation.group_by)
        for reference, child in zip(one.correlation.references, one.inputs, strict=True):
            if child in needed:
                asked = _translated(one.correlation, reference, (*one.correlation.group_by, *one.correlation.fields))
                needed[child].update(dict.fromkeys((*asked, *carried[one.rule.id])))
    return carried | {compared.rule.id: tuple(needed[compared.rule.id]) for compared in baselines}


def delays(ruleset: Ruleset) -> dict[str, int]:
    """For each correlation, how long (µs) after no more events are waited for its matches may still come.

    What a baseline measures over a span can make the first match of the span part of what it finds when the span is over.
    """
    late = {one.rule.id: 0 if one.baseline.type is BaselineType.FIRST_SEEN else one.baseline.per for one in ruleset.baselines}
    for one in ruleset.correlations:  # children before parents
        late[one.rule.id] = max((late.get(child, 0) for child in one.inputs), default=0)
    return {one.rule.id: late[one.rule.id] for one in ruleset.correlations}


def feeds(correlations: Sequence[CompiledCorrelation], carried: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Feed, ...]]:
    """For each rule, the correlations it feeds."""
    found: dict[str, list[Feed]] = {}
    for one in correlations:
        references: dict[str, str] = {}
        positions: dict[str, list[int]] = {}
        for place, (reference, child) in enumerate(zip(one.correlation.references, one.inputs, strict=True)):
            references.setdefault(child, reference)
            positions.setdefault(child, []).append(place)
        for child, reference in references.items():
            found.setdefault(child, []).append(
                Feed(
                    one,
                    _positions(one.correlation, positions[child]),
                    _translated(one.correlation, reference, one.correlation.group_by),
                    _translated(one.correlation, reference, one.correlation.fields),
                    carried[one.rule.id],
                )
            )
    return {child: tuple(row) for child, row in found.items()}


def keeping(ruleset: Ruleset) -> dict[str, int]:
    """For each correlation, how long (µs) its matches are needed: its own timespan and those of its parents, after what may still come."""
    longest = delays(ruleset)
    correlations = ruleset.correlations
    for one in reversed(correlations):
        own = longest[one.rule.id] + one.correlation.timespan
        longest[one.rule.id] = own
        for child in one.inputs:
            longest[child] = max(longest.get(child, 0), own)
    return {one.rule.id: longest[one.rule.id] for one in correlations}


def types_feeding(ruleset: Ruleset) -> dict[str, frozenset[str]]:
    """For each rule, the types of sources whose events it, or a rule behind it, can match; none: those of any."""
    found = {one.rule.id: _any_or_all([source.types for variant in one.variants for source in variant.sources]) for one in ruleset.singles}
    inputs = [(one.rule.id, one.inputs) for one in ruleset.baselines] + [(one.rule.id, one.inputs) for one in ruleset.correlations]
    for rule_id, children in inputs:  # children before parents
        found[rule_id] = _any_or_all([found.get(child, frozenset()) for child in children])
    return found


def _any_or_all(parts: Sequence[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*parts) if all(parts) else frozenset()


def asked_of_matches(ruleset: Ruleset) -> dict[str, dict[str, tuple[str, ...]]]:
    """For each rule on single events, the fields that correlations and baselines group by or measure in its matches, by their ids.

    Names are those that the rule on single events gives them. A match without such a field counts for nothing there.
    """
    asked: dict[str, dict[str, dict[str, None]]] = {}
    for one in reversed(ruleset.correlations):  # parents before children
        own = (*one.correlation.group_by, *one.correlation.fields)
        above = asked.get(one.rule.id, {})
        for reference, child in zip(one.correlation.references, one.inputs, strict=True):
            of_child = asked.setdefault(child, {})
            of_child.setdefault(one.rule.id, {}).update(dict.fromkeys(_translated(one.correlation, reference, own)))
            # What a parent asks of a correlation is its group, or a field of the events behind it.
            for asker, names in above.items():
                of_child.setdefault(asker, {}).update({name: None for name in names if name not in one.correlation.group_by})
    for compared in ruleset.baselines:
        for child in compared.inputs:
            names = dict.fromkeys((*compared.baseline.key_fields, *compared.baseline.fields))
            of_child = asked.setdefault(child, {})
            of_child.setdefault(compared.rule.id, {}).update(names)
            for asker, wanted in asked.get(compared.rule.id, {}).items():
                of_child.setdefault(asker, {}).update(wanted)
    return {one.rule.id: {asker: tuple(names) for asker, names in asked.get(one.rule.id, {}).items()} for one in ruleset.singles}


def reaches(correlations: Sequence[CompiledCorrelation]) -> dict[str, int]:
    """For each correlation, how far (µs) before a match of a child correlation the events lie that are behind it."""
    found: dict[str, int] = {}
    spans = {one.rule.id: one.correlation.timespan for one in correlations}
    for one in correlations:  # children before parents
        found[one.rule.id] = max((spans[child] + found[child] for child in one.inputs if child in spans), default=0)
    return found


def fields_looked_at(ruleset: Ruleset) -> dict[str, tuple[str, ...]]:
    """For each correlation, every field of an event that it or a rule behind it reads, under the names that events have."""
    asked = asked_of_matches(ruleset)
    read: dict[str, tuple[str, ...]] = {}
    of_askers: dict[str, dict[str, None]] = {}
    for single in ruleset.singles:
        read[single.rule.id] = tuple(dict.fromkeys(name for variant in single.variants for name in variant.fields))
        for asker, wanted in asked[single.rule.id].items():
            reals = (real for name in wanted for variant in single.variants for real in variant.event_names(name))
            of_askers.setdefault(asker, {}).update(dict.fromkeys(reals))
    over = [(one.rule.id, one.inputs) for one in ruleset.baselines] + [(one.rule.id, one.inputs) for one in ruleset.correlations]
    for rule_id, inputs in over:  # children before parents
        names = of_askers.get(rule_id, {})
        for child in inputs:
            names.update(dict.fromkeys(read[child]))
        read[rule_id] = tuple(names)
    return read


def fields_of_events(ruleset: Ruleset) -> frozenset[str] | None:
    """Every field of an event that these rules can read, under the names that events have; None where keywords read all of them."""
    variants = [variant for one in ruleset.singles for variant in one.variants]
    trees = [tree for variant in variants for tree in (variant.tree, *(added.tree for added in variant.filters))]
    if any(predicate.field == ANYWHERE for tree in trees for predicate in predicates(tree)):
        return None
    return fields_named(ruleset)


def fields_named(ruleset: Ruleset) -> frozenset[str]:
    """Every field of an event that these rules name, whether they choose, select, group, count or tell by it, as events call it."""
    spoken = _spoken(ruleset)
    read = {name for one in ruleset.indicators for name, _ in one.wanted.fields}
    for variant in (variant for one in ruleset.singles for variant in one.variants):
        read.update(variant.fields)
        read.update(name for source in variant.sources for name in source.select)
        read.update(one for name in spoken for one in variant.event_names(name))
    return frozenset(read - {TIMESTAMP})


def _spoken(ruleset: Ruleset) -> set[str]:
    """Fields that rules name outside of their conditions."""
    spoken: set[str] = set()
    for rule in ruleset.rules.values():
        spoken.update((rule.subject, *rule.group_by, *summary_fields(rule.summary_fr)))
    for one in ruleset.correlations:
        said = one.correlation
        spoken.update((*said.group_by, *said.fields, *(name for names in said.aliases.values() for name in names.values())))
    for habit in ruleset.baselines:
        spoken.update((*habit.baseline.key_fields, *habit.baseline.fields))
    return spoken


def _translated(correlation: Correlation, reference: str, names: Sequence[str]) -> tuple[str, ...]:
    """Fields under the names they have in a rule."""
    return tuple(correlation.field_of(reference, name) for name in names)


def _positions(correlation: Correlation, places: list[int]) -> tuple[int, ...]:
    """Only the temporal types tell rules apart; the others count an event that matches two rules once."""
    if correlation.type is CorrelationType.TEMPORAL_ORDERED:
        return tuple(places)
    return (places[0],) if correlation.type in _POSITION_MATTERS else (0,)
