"""Correlations over history: SQL counts, the engine sees the matches of those groups alone that can reach the threshold.

Time is cut into buckets as long as the timespan. A window, both ends included, lies in two buckets in a row: where a group has fewer
matches in two such buckets than the condition asks for, none of its windows there can hold, and their matches change nothing. Whatever
SQL cannot tell makes its groups larger, and leaves more to the engine:

- a field of the group that events may have under several names, or that may hold a list, does not part groups here;
- values are counted with their case, where the engine counts them without;
- what a number below zero takes from a sum is not taken off here.

Nothing is left out of a window that reaches the threshold: an upper limit beside it (``eq``, ``lt``) is judged as it would have been.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from siem.detection.correlations import Correlation, CorrelationType
from siem.detection.load import CompiledCorrelation, CompiledRule, Ruleset
from siem.detection.predicates import Compare
from siem.event import FIELDS, Kind
from siem.history.bounds import Bounds, all_of, any_of, at_most
from siem.history.translation import of_rules
from siem.store.events import Search, where
from siem.store.query import Query, column

_LOWER: Final = frozenset({Compare.GT, Compare.GTE, Compare.EQ})
#: Kinds of columns that hold one value, and the same value for each text that the engine groups by.
_SINGLE: Final = frozenset({Kind.KEYWORD, Kind.TEXT, Kind.IP, Kind.INTEGER, Kind.BOOLEAN})
_TEXTS: Final = frozenset({Kind.KEYWORD, Kind.TEXT, Kind.IP})
#: The engine keeps so many characters of a longer text, and a digest that another text might spell out.
_SURELY_KEPT: Final = 924
#: Sums of the engine are of floating-point numbers.
_ROUNDED: Final = 1e-9
_MICROSECOND: Final = timedelta(microseconds=1)


class Measure(Enum):
    """What a window is measured by here."""

    COUNT = "count"
    DISTINCT = "distinct"
    SUM = "sum"


_MEASURES: Final[Mapping[CorrelationType, Measure]] = {
    CorrelationType.EVENT_COUNT: Measure.COUNT,
    CorrelationType.VALUE_COUNT: Measure.DISTINCT,
    CorrelationType.VALUE_SUM: Measure.SUM,
}


@dataclass(frozen=True, slots=True)
class Groups:
    """The matches of one correlation: those that feed it, and what a window of its groups has to reach.

    ``key`` and ``value`` are SQL over the event table: what parts groups, and what is counted or summed; ``span`` is in microseconds.
    """

    feeding: Query
    measure: Measure
    least: float
    span: int
    key: str
    value: str

    def within(self, search: Search) -> Query:
        """Matches of the search's stretch of time, of groups that can reach the threshold around them; one condition on the event table."""
        reach = timedelta(microseconds=2 * self.span)
        around = replace(search, query=self.feeding, from_at=moved(search.from_at, -reach), to_at=moved(search.to_at, reach))
        condition, parameters = where(around)
        bucket = f'epoch_us("at") // {self.span}'
        near, near_is, near_least = self._near()
        reached, least = self._reached(self.least)
        matches = f"SELECT hash({self.key}) AS g, {bucket} AS b, {self.value} AS v FROM events WHERE {condition}"
        # A window is named after the first of its two buckets.
        pairs = f"SELECT g, v, unnest([b - 1, b]) AS w FROM matches WHERE {near_is}"
        windows = f"SELECT g, w FROM ({pairs}) GROUP BY g, w HAVING {reached}"
        picked = (
            f"WITH matches AS MATERIALIZED ({matches}), near AS ({near}), windows AS ({windows}) SELECT g, unnest([w, w + 1]) FROM windows"
        )
        chosen = f"(hash({self.key}), {bucket}) IN ({picked})"
        given = (*self.feeding.parameters, *parameters, *near_least, *least)
        return Query(f"({self.feeding.condition} AND {chosen})", given)

    def _near(self) -> tuple[str, str, tuple[float, ...]]:
        """What one grouping leaves of the matches: of two buckets that reach the threshold together, one has half of it alone.

        Of the least thresholds that says nothing: there, groups that never reach it at all are left out.
        """
        if self.measure is Measure.SUM or self.least > 2:
            half = self.least / 2 if self.measure is Measure.SUM else math.ceil(self.least / 2)
            having, given = ("sum(greatest(v, 0)) >= ?", (half,)) if self.measure is Measure.SUM else ("count(*) >= ?", (half,))
            buckets = f"SELECT g, unnest([b - 1, b, b + 1]) FROM (SELECT g, b FROM matches GROUP BY g, b HAVING {having})"
            return buckets, "(g, b) IN (FROM near)", given
        reached, least = self._reached(self.least)
        return f"SELECT g FROM matches GROUP BY g HAVING {reached}", "g IN (FROM near)", least

    def _reached(self, least: float) -> tuple[str, tuple[float, ...]]:
        match self.measure:
            case Measure.DISTINCT if least == 2:
                return "min(v) <> max(v)", ()
            case Measure.DISTINCT:
                return "count(DISTINCT v) >= ?", (least,)
            case Measure.COUNT:
                return "count(*) >= ?", (least,)
            case Measure.SUM:
                return "sum(greatest(v, 0)) >= ?", (least,)


def moved(at: datetime | None, by: timedelta) -> datetime | None:
    """An instant moved; where the calendar ends, that side is open."""
    try:
        return None if at is None else at + by
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What the engine needs of the events that match rules on single events: some of the groups of correlations, and all of ``others``."""

    groups: tuple[Groups, ...]
    others: Bounds

    def within(self, search: Search) -> Query:
        """These events of the search's stretch of time: one condition on the event table."""
        return any_of([*(at_most(one.within(search)) for one in self.groups), self.others]).most


def narrowing_of(ruleset: Ruleset) -> Narrowing | None:
    """What groups tell of a rule set; None where they tell nothing."""
    singles = {one.rule.id: one for one in ruleset.singles}
    narrowed: list[tuple[CompiledCorrelation, Groups]] = []
    whole = {one.rule.id for one in ruleset.singles if one.alerts}
    whole.update(child for habit in ruleset.baselines for child in habit.inputs)
    for one in ruleset.correlations:
        found = _groups_of(one, singles)
        if found is None:
            whole.update(one.inputs)
        else:
            narrowed.append((one, found))
    groups = tuple(found for one, found in narrowed if not whole.issuperset(one.inputs))
    if not groups:
        return None
    return Narrowing(groups, of_rules([one for one in ruleset.singles if one.rule.id in whole]))


def _groups_of(one: CompiledCorrelation, singles: Mapping[str, CompiledRule]) -> Groups | None:
    said = one.correlation
    measure = _MEASURES.get(said.type)
    if measure is None or said.terms or not singles.keys() >= set(one.inputs):
        return None
    feeders = {reference: singles[child] for reference, child in zip(said.references, one.inputs, strict=True)}
    parting = [name for field in said.group_by if (name := _name_of(said, feeders, field)) is not None and FIELDS.get(name) in _SINGLE]
    values = [_name_of(said, feeders, field) for field in said.fields]
    counted = [name for name in values if name is not None and FIELDS.get(name) in _SINGLE]
    if len(counted) < len(values):
        measure, counted = Measure.COUNT if measure is Measure.DISTINCT else measure, []  # a match has one value at most
    if measure is Measure.SUM and [FIELDS[name] for name in counted] != [Kind.INTEGER]:
        return None
    # An event counts once for each rule, and for each kind of source of a rule, that it matches.
    times = 1 if measure is Measure.DISTINCT else sum(len(single.variants) for single in feeders.values())
    least = _least(said) / times * (1 - _ROUNDED)
    if measure is not Measure.SUM:
        least = math.ceil(least)
    if least <= (0 if measure is Measure.SUM else 1):
        return None
    needed = [at_most(Query(f"({column(name)} IS NOT NULL)")) for name in dict.fromkeys([*parting, *counted])]
    feeding = all_of([of_rules(list(feeders.values())), *needed]).most
    value = ", ".join(map(column, counted)) if len(counted) < 2 else f"row({', '.join(map(column, counted))})"
    return Groups(feeding, measure, least, said.timespan, ", ".join(map(_parting, parting)) or "0", value or "0")


def _least(said: Correlation) -> float:
    """The smallest measure that meets the lower limits (of a count, a whole number); 0 where there is none."""
    lower = [(compare, limit) for compare, limit in said.limits if compare in _LOWER]
    if said.type is CorrelationType.VALUE_SUM:
        return max((limit for _, limit in lower), default=0)
    return max((math.floor(limit) + 1 if compare is Compare.GT else math.ceil(limit) for compare, limit in lower), default=0)


def _name_of(said: Correlation, feeders: Mapping[str, CompiledRule], field: str) -> str | None:
    """The one name under which all events that feed a correlation have a field; None where there are several."""
    names = {
        name for reference, one in feeders.items() for kind in one.variants for name in kind.event_names(said.field_of(reference, field))
    }
    return names.pop() if len(names) == 1 else None


def _parting(name: str) -> str:
    target = column(name)
    if FIELDS[name] not in _TEXTS:
        return target
    return f"CASE WHEN strlen({target}) > {_SURELY_KEPT} THEN left({target}, {_SURELY_KEPT}) ELSE {target} END"
