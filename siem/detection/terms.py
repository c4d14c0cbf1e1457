"""Which rules a temporal correlation asks for, as alternatives: ``rule_a and not rule_b``, ``(a and b) or c``, ``1 of leak_*``.

The specification 2.1.0 leaves the meaning open; it is settled as pySigma's parser and its SQLite backend have it. The expression becomes
a list of alternatives, each a set of rules that must match and a set that must not. An alternative that asks for no rule to match is
refused: of a time in which nothing happens there are endlessly many.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from siem.detection.conditions import AllOf, AnyOf, ConditionError, Leaf, Negated, Node, parse_condition
from siem.detection.predicates import Exists

#: An expression with more alternatives is refused.
MAX_TERMS: Final = 64
_WORD: Final = re.compile(r"[^\s()]+")
_KEYWORDS: Final = frozenset({"and", "or", "not"})


@dataclass(frozen=True, slots=True)
class Term:
    """One alternative, as places in the list of rules, in its order: each rule of ``wanted`` matches, none of ``unwanted`` does."""

    wanted: tuple[int, ...]
    unwanted: tuple[int, ...] = ()


def read_terms(text: str, references: Sequence[str]) -> tuple[Term, ...]:
    """The alternatives of an expression over the rules of a list. Raises ConditionError."""
    # That a rule matches in the window reads like a field that exists: one grammar serves both.
    identifiers: dict[str, Node] = {reference: Leaf(Exists(reference, True)) for reference in references}
    found = dict.fromkeys(_alternatives(parse_condition(text, identifiers), negative=False))
    named = {name for wanted, unwanted in found for name in wanted | unwanted}
    idle = [reference for reference in references if reference not in named]
    if idle:
        raise ConditionError(f"«{idle[0]}» is in the list of rules, but nothing depends on it")
    if any(not wanted for wanted, _ in found):
        raise ConditionError("each alternative must ask for at least one rule that matches: that nothing happens is no event")
    places = {reference: place for place, reference in enumerate(references)}
    return tuple(
        Term(tuple(sorted(places[name] for name in wanted)), tuple(sorted(places[name] for name in unwanted))) for wanted, unwanted in found
    )


def at_least(count: int, rule_count: int) -> tuple[Term, ...]:
    """Any so many of the rules. Raises ConditionError where there are too many ways to choose them."""
    found = tuple(Term(places) for places in itertools.islice(itertools.combinations(range(rule_count), count), MAX_TERMS + 1))
    if len(found) > MAX_TERMS:
        raise ConditionError(f"there are more than {MAX_TERMS} ways to choose {count} of {rule_count} rules")
    return found


def rules_named(text: str) -> tuple[str, ...]:
    """The rules that an expression names one by one, in the order they first appear."""
    return tuple(dict.fromkeys(word for word in _WORD.findall(text) if word.lower() not in _KEYWORDS))


_Alternative = tuple[frozenset[str], frozenset[str]]


def _alternatives(node: Node, *, negative: bool) -> list[_Alternative]:
    """The disjunctive normal form, contradictions left out."""
    match node:
        case Leaf(Exists(name, _)):
            alone = frozenset({name})
            return [(frozenset(), alone) if negative else (alone, frozenset())]
        case Negated(child):
            return _alternatives(child, negative=not negative)
        case AllOf(children) | AnyOf(children):
            parts = [_alternatives(child, negative=negative) for child in children]
            return _product(parts) if isinstance(node, AllOf) is not negative else _sum(parts)
        case _:
            raise TypeError(node)


def _sum(parts: Sequence[list[_Alternative]]) -> list[_Alternative]:
    return _bounded(one for part in parts for one in part)


def _product(parts: Sequence[list[_Alternative]]) -> list[_Alternative]:
    found: list[_Alternative] = [(frozenset(), frozenset())]
    for part in parts:
        found = _bounded((wanted | more, unwanted | fewer) for wanted, unwanted in found for more, fewer in part)
    return found


def _bounded(alternatives: Iterator[_Alternative]) -> list[_Alternative]:
    found: dict[_Alternative, None] = {}
    for wanted, unwanted in alternatives:
        if not wanted & unwanted:
            found[wanted, unwanted] = None
        if len(found) > MAX_TERMS:
            raise ConditionError(f"the condition has more than {MAX_TERMS} alternatives")
    return list(found)
