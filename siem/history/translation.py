"""A rule's condition as a condition on the event table.

What an event is compared with goes to DuckDB as parameters; the text of a condition holds names of columns and our own words alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated, Node
from siem.detection.filters import AddedFilter
from siem.detection.load import CompiledRule, Variant
from siem.detection.logsource import LogSource
from siem.detection.patterns import How
from siem.detection.predicates import Predicate, TextIs
from siem.event import FIELDS, Kind
from siem.history.leaves import ALWAYS, Bounds, all_of, any_of, at_most, exactly, negated, of_equalities, of_predicate
from siem.store.query import Query, column, kind_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TEXTS = frozenset({Kind.KEYWORD, Kind.TEXT, Kind.IP})


def of_rules(rules: Sequence[CompiledRule]) -> Bounds:
    """Events that match one rule at least."""
    return any_of([of_rule(rule) for rule in rules])


def of_rule(rule: CompiledRule) -> Bounds:
    """Events that match a rule on single events."""
    return any_of([_of_variant(variant) for variant in rule.variants])


def _of_variant(variant: Variant) -> Bounds:
    routed = any_of([_of_source(source) for source in variant.sources])
    return all_of([routed, of_tree(variant.tree), *(_of_filter(added) for added in variant.filters)])


def _of_filter(added: AddedFilter) -> Bounds:
    """Events that a filter leaves: those of its condition, and all from its expiry on."""
    expires_at = added.filter.expires_at
    if expires_at is None:
        return of_tree(added.tree)
    after = Query('("at" >= make_timestamp(?))', ((expires_at - _EPOCH) // _MICROSECOND,))
    return any_of([of_tree(added.tree), exactly(after)])


def _of_source(source: LogSource) -> Bounds:
    """Events that a log source gives, as the engine routes them: an absent routing field reads as an empty text."""
    return all_of([_routed(name, sorted(wanted)) for name, wanted in source.select.items()])


def _routed(name: str, wanted: Sequence[str]) -> Bounds:
    kind = kind_of(name)
    if kind in _TEXTS:
        target = column(name)
    elif kind is Kind.INTEGER:
        target = f"CAST({column(name)} AS VARCHAR)"
    elif name not in FIELDS:
        return _routed_by_other(name, wanted)
    else:
        return at_most(ALWAYS)
    among = of_equalities(target, wanted)
    return any_of([among, exactly(Query(f"({target} IS NULL)"))]) if "" in wanted else among


def _routed_by_other(name: str, wanted: Sequence[str]) -> Bounds:
    """A routing field without a column. A list, which the engine reads as one text, is none of ours."""
    whole = column(name)  # refuses what cannot be a name
    if any(text.startswith("[") for text in wanted):
        return at_most(ALWAYS)
    quoted = name.replace("'", "''")
    among = of_equalities(f"map_extract_value(other, '{quoted}')", wanted)
    return any_of([among, exactly(Query(f"({whole} IS NULL)"))]) if "" in wanted else among


def of_tree(node: Node) -> Bounds:
    """Events on which a condition holds."""
    match node:
        case Leaf(predicate):
            return of_predicate(predicate)
        case Negated(child):
            return negated(of_tree(child))
        case AllOf(children):
            return all_of([of_tree(child) for child in children])
        case AnyOf(children):
            return _of_row(children)


def _of_row(children: Sequence[Node]) -> Bounds:
    """A disjunction; equalities about one text field are one look-up."""
    together: dict[str, list[str]] = {}
    parts: list[Bounds] = []
    for child in children:
        if isinstance(child, Leaf) and _is_plain(child.predicate):
            together.setdefault(child.predicate.field, []).append(child.predicate.pattern.classify()[1])  # type: ignore[union-attr]
        else:
            parts.append(of_tree(child))
    return any_of([*(of_equalities(column(name), texts) for name, texts in together.items()), *parts])


def _is_plain(predicate: Predicate) -> bool:
    """Whether it is an equality without case about a text field."""
    return (
        isinstance(predicate, TextIs)
        and not predicate.cased
        and predicate.field in FIELDS
        and FIELDS[predicate.field] in _TEXTS
        and predicate.pattern.classify()[0] is How.EQUALS
    )
