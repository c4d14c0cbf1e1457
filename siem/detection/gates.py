"""The gate of a rule: a few predicates of which at least one holds whenever the rule matches.

Only the rules whose gate is open for an event are evaluated in full. Any predicates that imply the rule would do; the best ones are
those that are rarest on real events, which is measured, not guessed from the length of a text.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated, Node
from siem.detection.patterns import How
from siem.detection.predicates import Matches, Predicate, TextIs
from siem.detection.scan import about_one_value


@dataclass(frozen=True, slots=True)
class Gate:
    """``cost`` estimates on what part of the events it opens."""

    predicates: frozenset[Predicate]
    cost: float


def best_gate(node: Node, cost: Callable[[Predicate], float]) -> Gate | None:
    """The gate of a condition that opens least often, or None where a condition can hold without any predicate holding."""
    match node:
        case Leaf(predicate):
            return Gate(frozenset({predicate}), cost(predicate)) if about_one_value(predicate) else None
        case Negated():
            return None
        case AllOf(children):
            gates = [gate for child in children if (gate := best_gate(child, cost)) is not None]
            return min(gates, key=lambda gate: (gate.cost, len(gate.predicates)), default=None)
        case AnyOf(children):
            predicates: set[Predicate] = set()
            total = 0.0
            for child in children:
                gate = best_gate(child, cost)
                if gate is None:
                    return None
                predicates |= gate.predicates
                total += gate.cost
            return Gate(frozenset(predicates), total)


def guessed_cost(predicate: Predicate) -> float:
    """A first guess, before anything was measured: long texts are rarer, equalities rarest."""
    if not isinstance(predicate, TextIs):
        return 0.2
    how, _ = predicate.pattern.classify()
    length = sum(map(len, predicate.pattern.literals()))
    floor = {How.EQUALS: 0.01, How.ENDS: 0.02, How.STARTS: 0.03, How.CONTAINS: 0.02, How.GLOB: 0.03}[how]
    return floor + 0.5 * math.exp(-length / 4)


def measured_cost(shares: Mapping[Predicate, float]) -> Callable[[Predicate], float]:
    """Costs from the share of sampled events on which each predicate held (missing: on none), the guess deciding between equals.

    Regular expressions are guessed: they are not measured.
    """

    def cost(predicate: Predicate) -> float:
        if isinstance(predicate, Matches):
            return guessed_cost(predicate)
        return shares.get(predicate, 0.0) + guessed_cost(predicate) / 100

    return cost
