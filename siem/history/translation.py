"""A rule's condition as a condition on the event table.

What an event is compared with goes to DuckDB as parameters; the text of a condition holds names of columns and our own words alone.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated, Node
from siem.detection.filters import AddedFilter
from siem.detection.indicators import Book, CompiledIndicators
from siem.detection.indicators import Kind as IndicatorKind
from siem.detection.load import CompiledRule, Variant
from siem.detection.logsource import LogSource
from siem.detection.patterns import How
from siem.detection.predicates import Matches, Predicate, TextIs
from siem.event import FIELDS, Kind
from siem.history.bounds import ALWAYS, NEVER, Bounds, all_of, any_of, at_most, exactly, negated
from siem.history.leaves import of_contained, of_equalities, of_predicate, of_searched
from siem.store.query import Query, column, kind_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_TEXTS = frozenset({Kind.KEYWORD, Kind.TEXT, Kind.IP})
#: Comparisons of one field with several texts that are asked together.
_TOGETHER: Final = {How.EQUALS: of_equalities, How.CONTAINS: of_contained}


def of_rules(rules: Sequence[CompiledRule]) -> Bounds:
    """Events that match one rule at least."""
    return any_of([of_rule(rule) for rule in rules])


def of_indicators(rules: Sequence[CompiledIndicators]) -> Bounds:
    """Events that have a field in which rules look for indicators; what the sets list, SQL does not know."""
    return any_of([at_most(Query(f"({column(name)} IS NOT NULL)")) for name in _fields_of(rules)])


def of_listed(rules: Sequence[CompiledIndicators], book: Book, values: Callable[[str], Iterable[str]]) -> Bounds:
    """Events that have a value which the book lists; ``values`` gives all that a field has among them."""
    kinds = {name: {kind for one in rules for field, kind in one.wanted.fields if field == name} for name in _fields_of(rules)}
    return any_of([at_most(_one_of(name, _listed(book, kinds[name], values(name)))) for name in kinds])


def _fields_of(rules: Sequence[CompiledIndicators]) -> list[str]:
    return sorted({name for one in rules for name, _ in one.wanted.fields})


def _listed(book: Book, kinds: Iterable[IndicatorKind], values: Iterable[str]) -> list[str]:
    wanted = tuple(kinds)
    return [text for text in values if any(book.find(kind, text) for kind in wanted)]


def _one_of(name: str, texts: Sequence[str]) -> Query:
    if not texts:
        return NEVER
    given = (orjson.dumps(texts).decode(),)
    if kind_of(name) is Kind.KEYWORDS:
        return Query(f"list_has_any({column(name)}, from_json(?, '[\"VARCHAR\"]'))", given)
    return Query(f"(CAST({column(name)} AS VARCHAR) IN (SELECT unnest(from_json(?, '[\"VARCHAR\"]'))))", given)


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
    """A disjunction; what is asked alike of one text field is one look-up, or one search."""
    together: dict[tuple[How, str], list[str]] = {}
    searched: dict[str, list[Matches]] = {}
    parts: list[Bounds] = []
    for child in children:
        predicate = child.predicate if isinstance(child, Leaf) else None
        alike = None if predicate is None else _alike(predicate)
        if alike is not None:
            how, name, text = alike
            together.setdefault((how, name), []).append(text)
        elif isinstance(predicate, Matches) and FIELDS.get(predicate.field) in _TEXTS:
            searched.setdefault(predicate.field, []).append(predicate)
        else:
            parts.append(of_tree(child))
    found = [of_searched(column(name), together.pop((How.CONTAINS, name), ()), some) for name, some in searched.items()]
    joined = (_TOGETHER[how](column(name), texts) for (how, name), texts in together.items())
    return any_of([*joined, *found, *parts])


def _alike(predicate: Predicate) -> tuple[How, str, str] | None:
    """Of a comparison without case of a text field that is asked together with its like: how, the field, and the text."""
    if not isinstance(predicate, TextIs) or predicate.cased or FIELDS.get(predicate.field) not in _TEXTS:
        return None
    how, text = predicate.pattern.classify()
    return (how, predicate.field, text) if text and how in _TOGETHER else None
