"""The ``correlation`` section of a rule, read into a plain value.

Source: Sigma specification 2.1.0, «Correlation Rules».
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from siem.detection.conditions import ConditionError
from siem.detection.predicates import Compare
from siem.detection.selections import RuleMistake
from siem.detection.terms import Term, at_least, read_terms, rules_named
from siem.detection.values import is_measurable


class CorrelationType(Enum):
    """What is looked at over the window."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"


#: Types that measure numbers rather than count.
OVER_NUMBERS: Final = frozenset(
    {CorrelationType.VALUE_SUM, CorrelationType.VALUE_AVG, CorrelationType.VALUE_PERCENTILE, CorrelationType.VALUE_MEDIAN}
)
_TEMPORAL: Final = frozenset({CorrelationType.TEMPORAL, CorrelationType.TEMPORAL_ORDERED})
_KEYS: Final = frozenset({"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"})
_MICROSECONDS: Final[Mapping[str, int]] = {
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
    "M": 2_629_746_000_000,
    "y": 31_556_952_000_000,
}


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation as written; ``references`` are names or ids, still to be resolved.

    ``timespan`` is in microseconds. ``aliases`` maps an alias to reference → field. ``limits`` must all hold.
    ``terms``, where there are any, say what must match instead: for an order, and for a condition that names rules.
    """

    type: CorrelationType
    references: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: int
    limits: tuple[tuple[Compare, float], ...]
    fields: tuple[str, ...] = ()
    percentile: float = 50.0
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    generate: bool = False
    terms: tuple[Term, ...] = ()

    def holds(self, measure: float) -> bool:
        """Whether the window's measure meets every limit."""
        return all(compare.holds(measure, limit) for compare, limit in self.limits)

    @property
    def grows(self) -> bool:
        """Whether one more event can never undo a match: such a rule answers at once, the others wait for late events."""
        if self.terms:
            return not any(term.unwanted for term in self.terms)
        return self.type not in OVER_NUMBERS and all(compare in (Compare.GT, Compare.GTE) for compare, _ in self.limits)

    def field_of(self, reference: str, name: str) -> str:
        """The name that a field has in one of the rules."""
        return self.aliases.get(name, {}).get(reference, name)


def read_correlation(section: object, *, generate: object = None, detection: object = None) -> Correlation:
    """Read a ``correlation`` section. Raises RuleMistake.

    ``generate`` is what stands beside it, as in the specification's schema; a ``detection`` must not.
    """
    if detection is not None:
        raise RuleMistake("a document is a correlation or a rule on single events, not both: write two", "detection")
    if not isinstance(section, Mapping):
        raise RuleMistake("a map is expected", "correlation")
    unknown = [str(key) for key in section if key not in _KEYS]
    if unknown:
        raise RuleMistake(f"unknown key «{unknown[0]}»", "correlation", unknown[0])
    kind = _type(section.get("type"))
    _texts(section.get("rules"), "rules")
    references = references_of(section)
    if not references:
        raise RuleMistake("at least one rule is expected", "correlation", "rules")
    if kind is CorrelationType.TEMPORAL_ORDERED and len(references) < 2:
        raise RuleMistake("an order needs at least two rules", "correlation", "rules")
    limits, fields, percentile, terms = _condition(kind, section.get("condition"), references)
    _refuse_impossible(kind, limits, len(set(references)))
    return Correlation(
        type=kind,
        references=references,
        group_by=_texts(section.get("group-by"), "group-by"),
        timespan=_timespan(section.get("timespan")),
        limits=limits,
        fields=fields,
        percentile=percentile,
        aliases=_aliases(section.get("aliases"), references),
        generate=_generate(section, generate),
        terms=terms,
    )


def references_of(section: Mapping[object, object]) -> tuple[str, ...]:
    """Names or ids of the rules that a section refers to, faulty or not; those its condition names, where it lists none."""
    rules, condition = section.get("rules"), section.get("condition")
    if rules is None and isinstance(condition, str):
        return rules_named(condition)
    return tuple(one for one in (rules if isinstance(rules, list) else [rules]) if isinstance(one, str))


def _generate(section: Mapping[object, object], beside: object) -> bool:
    within = section.get("generate")
    for value, path in ((within, ("correlation", "generate")), (beside, ("generate",))):
        if value is not None and not isinstance(value, bool):
            raise RuleMistake("true or false is expected", *path)
    return within is True or (within is None and beside is True)


def _type(value: object) -> CorrelationType:
    try:
        return CorrelationType(value)
    except ValueError as error:
        raise RuleMistake(f"one of {', '.join(kind.value for kind in CorrelationType)} is expected", "correlation", "type") from error


def _texts(value: object, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    values: Sequence[object] = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) and one for one in values):
        raise RuleMistake("a text or a list of texts is expected", "correlation", key)
    return tuple(str(one) for one in values)


def _timespan(value: object) -> int:
    found = re.fullmatch(r"(\d{1,6})([smhdwMy])", value) if isinstance(value, str) else None
    if found is None or int(found[1]) == 0:
        raise RuleMistake("a number and a unit (s, m, h, d, w, M, y) are expected, such as 15m", "correlation", "timespan")
    return int(found[1]) * _MICROSECONDS[found[2]]


def _aliases(value: object, references: tuple[str, ...]) -> Mapping[str, Mapping[str, str]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RuleMistake("a map of aliases is expected", "correlation", "aliases")
    for alias, fields in value.items():
        if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields.values()):
            raise RuleMistake("each rule's field is expected", "correlation", "aliases", str(alias))
        strangers = [str(reference) for reference in fields if reference not in references]
        if strangers:
            raise RuleMistake(f"«{strangers[0]}» is not one of the rules", "correlation", "aliases", str(alias))
    return {str(alias): dict(fields) for alias, fields in value.items()}


_Limits = tuple[tuple[Compare, float], ...]
_PATH: Final = ("correlation", "condition")


def _condition(
    kind: CorrelationType, value: object, references: tuple[str, ...]
) -> tuple[_Limits, tuple[str, ...], float, tuple[Term, ...]]:
    """Limits, fields, percentile and alternatives."""
    if kind in _TEMPORAL:
        if isinstance(value, str):
            return (), (), 50.0, _named(value, references)
        limits = _limits(value) if value is not None else ((Compare.GTE, float(len(set(references)))),)
        _fields(kind, value.get("field") if isinstance(value, Mapping) else None)
        if kind is CorrelationType.TEMPORAL:
            return limits, (), 50.0, ()
        return limits, (), 50.0, _in_order(limits if value is not None else (), len(references))
    limits = _limits(value)
    assert isinstance(value, Mapping)
    return limits, _fields(kind, value.get("field")), _percentile(kind, value), ()


def _limits(value: object) -> _Limits:
    if not isinstance(value, Mapping):
        raise RuleMistake("a map such as {gte: 10} is expected", *_PATH)
    limits = tuple(_limit(str(key), limit) for key, limit in value.items() if key not in ("field", "percentile"))
    if not limits:
        raise RuleMistake("at least one comparison (gt, gte, lt, lte, eq, neq) is expected", *_PATH)
    return limits


def _named(value: str, references: tuple[str, ...]) -> tuple[Term, ...]:
    """A condition that names rules."""
    twice = [one for place, one in enumerate(references) if one in references[:place]]
    if twice:
        raise RuleMistake(f"«{twice[0]}» is listed twice; a condition could not tell them apart", "correlation", "rules")
    try:
        return read_terms(value, references)
    except ConditionError as error:
        raise RuleMistake(str(error).replace("selection of this rule", "rule of the list"), *_PATH) from error


def _in_order(limits: _Limits, rule_count: int) -> tuple[Term, ...]:
    """An order asks for all rules, or for at least so many of them."""
    fewest = max(
        (math.floor(limit) + (compare is Compare.GT or limit > math.floor(limit)) for compare, limit in limits), default=rule_count
    )
    if any(compare not in (Compare.GT, Compare.GTE) and (compare, limit) != (Compare.EQ, rule_count) for compare, limit in limits):
        raise RuleMistake("an order can be asked of at least so many rules (gt, gte), not of at most or exactly so many", *_PATH)
    if not 2 <= fewest <= rule_count:
        raise RuleMistake(f"an order needs two of the {rule_count} rules, up to all of them", *_PATH)
    try:
        return at_least(fewest, rule_count)
    except ConditionError as error:
        raise RuleMistake(str(error), *_PATH) from error


def _limit(key: str, limit: object) -> tuple[Compare, float]:
    path = (*_PATH, key)
    if key not in {compare.value for compare in Compare}:
        raise RuleMistake(f"unknown comparison «{key}»", *path)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not is_measurable(limit):
        raise RuleMistake("a finite number is expected", *path)
    return Compare(key), float(limit)


def _refuse_impossible(kind: CorrelationType, limits: _Limits, rule_count: int) -> None:
    """Raises RuleMistake where no window can ever meet the limits. What is counted is whole; of the rules, there is one at least."""
    near = {limit for _, limit in limits}
    tried: Iterable[float]
    if kind in _TEMPORAL:
        tried = range(1, rule_count + 1)
    elif kind not in OVER_NUMBERS:
        least = 1.0 if kind is CorrelationType.EVENT_COUNT else 0.0
        tried = {least, *(max(least, math.floor(limit) + step) for limit in near for step in (-1, 0, 1))}
    else:
        tried = near | {math.nextafter(limit, way) for limit in near for way in (-math.inf, math.inf)}
    if limits and not any(all(compare.holds(one, limit) for compare, limit in limits) for one in tried):
        what = f"no number of {rule_count} rules" if kind in _TEMPORAL else "no number"
        raise RuleMistake(f"{what} meets this condition: it would never match", *_PATH)


def _fields(kind: CorrelationType, value: object) -> tuple[str, ...]:
    path = (*_PATH, "field")
    fields = _texts(value, "condition")
    counts_values = kind not in _TEMPORAL and kind is not CorrelationType.EVENT_COUNT
    if counts_values and not fields:
        raise RuleMistake(f"{kind.value} needs a field", *path)
    if fields and not counts_values:
        raise RuleMistake(f"{kind.value} takes no field", *path)
    if kind in OVER_NUMBERS and len(fields) != 1:
        raise RuleMistake(f"{kind.value} takes one field", *path)
    return fields


def _percentile(kind: CorrelationType, condition: Mapping[object, object]) -> float:
    path = (*_PATH, "percentile")
    percentile = condition.get("percentile", 50)
    if isinstance(percentile, bool) or not isinstance(percentile, int | float) or not 0 <= percentile <= 100:
        raise RuleMistake("a number from 0 to 100 is expected", *path)
    if kind is CorrelationType.VALUE_PERCENTILE and "percentile" not in condition:
        raise RuleMistake("value_percentile needs a percentile", *path)
    return float(percentile)
