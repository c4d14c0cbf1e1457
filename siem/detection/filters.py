"""Sigma filters: a condition that is added to rules from outside, so that tuning survives an update of the rules.

A filter's condition is taken together with the rule's: ``(rule) and (filter)``, so that a filter that leaves something out says ``not``.
Beside Sigma's keys a filter says who answers for it and until when, in our own section ``veilleur``: ``owner``, ``reason`` and
``expires`` (the last day, in UTC, whose events it hides), and the ``zone`` of its own time modifiers. Each match that it hides is counted;
past its last day it hides nothing.

Source: Sigma specification 2.1.0, «Sigma Filters»; pySigma for how the two conditions are taken together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypedDict

from siem.detection.conditions import Node
from siem.detection.modifiers import Placeholders, Rename
from siem.detection.predicates import UTC_ZONE
from siem.detection.selections import RuleMistake, detection_tree
from siem.detection.zones import in_zone, zone_of

_LOGSOURCE_KEYS: Final = ("product", "category", "service")
_OUR_KEYS: Final = ("owner", "reason", "expires", "zone")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Filter:
    """``rules`` are names or ids; ``every`` stands for all rules of the log source.

    ``owner`` answers for it, ``reason`` says why it is right, from ``expires_at`` on it hides nothing; empty and None where the file
    does not say. ``own``: it lies in the operator's folder.
    """

    rules: frozenset[str]
    every: bool
    logsource: Mapping[str, str]
    detection: Mapping[str, object]
    id: str = ""
    title: str = ""
    owner: str = ""
    reason: str = ""
    expires_at: datetime | None = None
    path: str = ""
    own: bool = False
    zone: str = UTC_ZONE

    @property
    def key(self) -> str:
        """What its hits are counted under: its id, or its file where it has none."""
        return self.id or self.path

    @property
    def last_day(self) -> date | None:
        """The last day whose events it hides."""
        return None if self.expires_at is None else (self.expires_at - _DAY).date()

    def holds_at(self, at: datetime | None) -> bool:
        """Whether it still hides events of that instant."""
        return self.expires_at is None or at is None or at < self.expires_at

    def applies_to(self, body: Mapping[str, object]) -> bool:
        """Whether it is added to a rule, given as its document."""
        logsource = body.get("logsource")
        said = logsource if isinstance(logsource, Mapping) else {}
        if any(str(said.get(key, "")).lower() != value for key, value in self.logsource.items()):
            return False
        return self.every or body.get("id") in self.rules or body.get("name") in self.rules

    def tree(self, placeholders: Placeholders, rename: Rename) -> Node:
        """Its condition, over the field names of a rule's log source. Raises RuleMistake."""
        try:
            return in_zone(detection_tree(self.detection, placeholders, rename), self.zone)
        except RuleMistake as mistake:
            raise RuleMistake(mistake.problem, "filter", *mistake.path[1:]) from mistake


def read_filter(body: Mapping[str, object], placeholders: Placeholders) -> Filter:
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
    every = [str(one).lower() for one in references] == ["any"]
    result = Filter(
        rules=frozenset() if every else frozenset(str(one) for one in references),
        every=every,
        logsource={key: str(logsource[key]).lower() for key in _LOGSOURCE_KEYS if logsource.get(key)},
        detection={key: value for key, value in section.items() if key != "rules"},
        id=_said(body, "id"),
        title=_said(body, "title"),
        **_of_ours(body.get("veilleur")),
    )
    # Faults that do not depend on a rule's log source are found here, once.
    result.tree(placeholders, lambda name: (name,))
    return result


@dataclass(frozen=True, slots=True)
class AddedFilter:
    """A filter as it is added to a rule: its condition over the field names of the rule's log source."""

    filter: Filter
    tree: Node


@dataclass(slots=True)
class Hits:
    """How many matches a filter hid of a rule, and when the last of them happened."""

    count: int = 0
    last_at: datetime | None = None

    def add(self, at: datetime | None) -> None:
        """One more."""
        self.count += 1
        if at is not None and (self.last_at is None or at > self.last_at):
            self.last_at = at


def _said(body: Mapping[str, object], key: str, *above: str) -> str:
    value = body.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise RuleMistake(f"a text is expected, found {value!r}", *above, key)
    return value.strip()


class _Ours(TypedDict):
    owner: str
    reason: str
    expires_at: datetime | None
    zone: str


def _of_ours(section: object) -> _Ours:
    if section is None:
        section = {}
    if not isinstance(section, Mapping):
        raise RuleMistake("a map with owner, reason and expires is expected", "veilleur")
    unknown = [str(key) for key in section if key not in _OUR_KEYS]
    if unknown:
        raise RuleMistake(f"unknown key «{unknown[0]}»; owner, reason, expires and zone are expected", "veilleur", unknown[0])
    day = _said(section, "expires", "veilleur")
    owner, reason = (_said(section, key, "veilleur") for key in ("owner", "reason"))
    return {"owner": owner, "reason": reason, "expires_at": _end_of(day), "zone": zone_of(section)}


def _end_of(day: str) -> datetime | None:
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC) + _DAY
    except (ValueError, OverflowError) as error:
        raise RuleMistake("a day such as 2027-01-31 is expected", "veilleur", "expires") from error
