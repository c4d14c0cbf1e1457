"""In which zone the time modifiers of a rule or filter (``minute`` … ``year``) are judged: in UTC, or in the ``zone`` it names.

``veilleur: {zone: Europe/Paris}`` stands in the rule, or beside it where the operator says how rules alert (:mod:`.overrides`). An instant
that states its own zone is judged in this one; one that states none is taken as it is. Where clocks go back an hour comes twice, and where
they go forward one does not come at all: rules about nights find what people on the spot call a night.
"""

import re
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated, Node
from siem.detection.modifiers import Placeholders, Rename
from siem.detection.predicates import UTC_ZONE, TimePartIs
from siem.detection.selections import RuleMistake, detection_tree

KEY: Final = "zone"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
#: Names of the zone of the machine: the same rule would say something else on another.
_OF_THE_MACHINE: Final = frozenset({"localtime", "posixrules", "Factory"})


def zone_of(section: object) -> str:
    """The zone that a ``veilleur`` section names, UTC where it names none. Raises RuleMistake."""
    name = section.get(KEY) if isinstance(section, Mapping) else None
    if name is None:
        return UTC_ZONE
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _OF_THE_MACHINE:
        raise RuleMistake("the name of a zone such as Europe/Paris is expected", "veilleur", KEY)
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RuleMistake(f"no zone is called «{name}»; a name such as Europe/Paris is expected", "veilleur", KEY) from error
    return name


def in_zone(node: Node, zone: str) -> Node:
    """The tree with its time modifiers in that zone."""
    if zone == UTC_ZONE:
        return node
    match node:
        case Leaf(TimePartIs(field, part, compare, number)):
            return Leaf(TimePartIs(field, part, compare, number, zone))
        case Negated(child):
            return Negated(in_zone(child, zone))
        case AllOf(children):
            return AllOf(tuple(in_zone(child, zone) for child in children))
        case AnyOf(children):
            return AnyOf(tuple(in_zone(child, zone) for child in children))
        case _:
            return node


def rule_tree(body: Mapping[str, object], placeholders: Placeholders, rename: Rename) -> Node:
    """The tree of a rule's detection, in its zone. Raises RuleMistake."""
    return in_zone(detection_tree(body["detection"], placeholders, rename), zone_of(body.get("veilleur")))
