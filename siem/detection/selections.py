"""The ``detection`` section of a rule: named selections and the condition, as one tree.

Source: Sigma specification 2.1.0, «Detection».
"""

import logging
from collections.abc import Mapping

from siem.detection.conditions import ConditionError, Node, all_of, any_of, parse_condition
from siem.detection.modifiers import ItemError, Placeholders, Rename, item_node

_log = logging.getLogger(__name__)


class RuleMistake(Exception):
    """A part of a rule cannot be honoured. ``path`` leads to it from the document's root."""

    def __init__(self, problem: str, *path: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path


def mistake_of(fault: Exception) -> RuleMistake:
    """What a rule is refused for: its own mistake, or a fault of ours in reading it, which is no other rule's matter."""
    if isinstance(fault, RuleMistake):
        return fault
    _log.error("a defect in reading a rule", exc_info=fault)
    return RuleMistake(f"the watch fails to read this rule, which is a fault of the watch ({type(fault).__name__}: {fault})"[:500])


def detection_tree(detection: object, placeholders: Placeholders, rename: Rename) -> Node:
    """The tree of a ``detection`` section. Raises RuleMistake."""
    if not isinstance(detection, Mapping):
        raise RuleMistake("a map of selections and a condition is expected", "detection")
    condition = detection.get("condition")
    identifiers: dict[str, Node] = {}
    for name, body in detection.items():
        if name not in ("condition", "timeframe"):
            identifiers[str(name)] = _selection(str(name), body, placeholders, rename)
    if "timeframe" in detection:
        raise RuleMistake("a timeframe in a single rule is obsolete; write a correlation rule instead", "detection", "timeframe")
    conditions = condition if isinstance(condition, list) else [condition]
    if not conditions or not all(isinstance(one, str) for one in conditions):
        raise RuleMistake("a condition (text, or list of texts) is expected", "detection", "condition")
    try:
        return any_of([parse_condition(one, identifiers) for one in conditions if isinstance(one, str)])
    except ConditionError as error:
        raise RuleMistake(str(error), "detection", "condition") from error


def _selection(name: str, body: object, placeholders: Placeholders, rename: Rename) -> Node:
    def line(key: str, value: object) -> Node:
        try:
            return item_node(key, value, placeholders, rename)
        except ItemError as error:
            raise RuleMistake(str(error), "detection", name, *([key] if key else [])) from error

    def part(body: object) -> Node:
        if isinstance(body, Mapping):
            if not body:
                raise RuleMistake("the selection is empty", "detection", name)
            return all_of([line(str(key), value) for key, value in body.items()])
        return line("", body)

    if isinstance(body, list):
        if not body:
            raise RuleMistake("the selection is empty", "detection", name)
        return any_of([part(one) for one in body])
    if body is None:
        raise RuleMistake("the selection is empty", "detection", name)
    return part(body)
