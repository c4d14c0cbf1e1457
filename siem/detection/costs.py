"""What makes a rule costly, told to its author before any event pays for it."""

from collections.abc import Iterator

from siem.detection.conditions import predicates
from siem.detection.gates import best_gate, guessed_cost
from siem.detection.load import CompiledRule
from siem.detection.predicates import Matches
from siem.detection.regex import is_linear


def costs_of(rule: CompiledRule) -> Iterator[str]:
    """Why the rule is costly, once each; nothing for one that is not."""
    found: dict[str, None] = {}
    for variant in rule.variants:
        if best_gate(variant.tree, guessed_cost) is None:
            found["no comparison must hold for it to match, so it is evaluated for every event of its log source; add one that selects"] = (
                None
            )
        for predicate in predicates(variant.tree):
            if isinstance(predicate, Matches) and not is_linear(predicate.expression, predicate.flags):
                found[
                    f"the regular expression {predicate.expression} needs an engine that goes back (look-around, back-references): "
                    "it is costly, and only the first characters of a long text are looked at"
                ] = None
    yield from found
