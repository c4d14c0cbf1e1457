"""Sigma filters: a condition that is added to rules from outside, so that tuning survives an update of the rules.

A filter's condition is taken together with the rule's: ``(rule) and (filter)``, so that a filter that leaves something out says ``not``.

Source: Sigma specification 2.1.0, «Sigma Filters»; pySigma for how the two conditions are taken together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from siem.detection.conditions import Node
from siem.detection.modifiers import Placeholders
from siem.detection.selections import RuleMistake, detection_tree

_LOGSOURCE_KEYS = ("product", "category", "service")


@dataclass(frozen=True, slots=True)
class Filter:
    """``rules`` are names or ids; ``every`` stands for all rules of the log source."""

    rules: frozenset[str]
    every: bool
    logsource: Mapping[str, str]
    detection: Mapping[str, object]

    def applies_to(self, body: Mapping[str, object]) -> bool:
        """Whether it is added to a rule, given as its document."""
        logsource = body.get("logsource")
        said = logsource if isinstance(logsource, Mapping) else {}
        if any(str(said.get(key, "")).lower() != value for key, value in self.logsource.items()):
            return False
        return self.every or body.get("id") in self.rules or body.get("name") in self.rules

    def tree(self, placeholders: Placeholders, rename: Callable[[str], str]) -> Node:
        """Its condition, over the field names of a rule's log source. Raises RuleMistake."""
        try:
            return detection_tree(self.detection, placeholders, rename)
        except RuleMistake as mistake:
            raise RuleMistake(mistake.problem, "filter", *mistake.path[1:]) from mistake


def read_filter(body: Mapping[str, object]) -> Filter:
    """Read a filter's document. Raises RuleMistake."""
    section = body.get("filter")
    if not isinstance(section, Mapping):
        raise RuleMistake("a map with rules, selections and a condition is expected", "filter")
    rules = section.get("rules")
    references = rules if isinstance(rules, list) else [rules]
    if not references or not all(isinstance(one, str) and one for one in references):
        raise RuleMistake("names or ids of rules, or «any», are expected", "filter", "rules")
    logsource = body.get("logsource")
    if not isinstance(logsource, Mapping) or not any(logsource.get(key) for key in _LOGSOURCE_KEYS):
        raise RuleMistake("a map with product, category or service is expected", "logsource")
    every = references == ["any"]
    result = Filter(
        rules=frozenset() if every else frozenset(str(one) for one in references),
        every=every,
        logsource={key: str(logsource[key]).lower() for key in _LOGSOURCE_KEYS if logsource.get(key)},
        detection={key: value for key, value in section.items() if key != "rules"},
    )
    # Faults that do not depend on a rule's log source are found here, once.
    result.tree({}, lambda name: name)
    return result
