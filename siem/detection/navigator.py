"""What rules look for, and what they found, as a layer of the ATT&CK Navigator.

A lit cell does not mean that the technique is covered: a layer says which rules look for it, how many they are, and who wrote them.

Source: ATT&CK Navigator, layer format 4.5.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from siem.detection import Rule
from siem.detection.credit import Credit

LAYER_VERSION: Final = "4.5"
#: From none to many: white to our accent.
_COLOURS: Final = ["#ffffffff", "#9ed2d0ff", "#0a6b69ff"]


def coverage(rules: Iterable[Rule], at: datetime) -> dict[str, object]:
    """One cell for each technique that rules name; its score is how many do."""
    cells = {technique: (len(named), _named(named)) for technique, named in _by_technique(rules).items()}
    return _layer("Veilleur: coverage", f"Rules in force on {at:%Y-%m-%d}. The score is the number of rules.", cells)


def seen(rules: Iterable[Rule], alerts: Mapping[str, tuple[int, datetime]], at: datetime) -> dict[str, object]:
    """One cell for each technique of rules that raised alerts. ``alerts`` maps a rule's id to how many, and the instant of the last."""
    cells: dict[str, tuple[int, str]] = {}
    for technique, named in _by_technique(rules).items():
        fired = [rule for rule in named if rule.id in alerts]
        if fired:
            lines = [f"{Credit.of(rule)}: {alerts[rule.id][0]}, last {alerts[rule.id][1]:%Y-%m-%d %H:%M} UTC" for rule in fired]
            cells[technique] = (sum(alerts[rule.id][0] for rule in fired), "\n".join(lines))
    return _layer("Veilleur: seen", f"Alerts up to {at:%Y-%m-%d %H:%M} UTC. The score is the number of alerts.", cells)


def _by_technique(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in sorted(rules, key=lambda one: (one.title, one.id)):
        for technique in rule.techniques:
            found.setdefault(technique, []).append(rule)
    return dict(sorted(found.items()))


def _named(rules: Iterable[Rule]) -> str:
    """Who looks for it."""
    return "\n".join(f"{Credit.of(rule)}, {rule.level}" for rule in rules)


def _layer(name: str, description: str, cells: Mapping[str, tuple[int, str]]) -> dict[str, object]:
    return {
        "name": name,
        "versions": {"navigator": "5.1.0", "layer": LAYER_VERSION},
        "domain": "enterprise-attack",
        "description": description,
        "sorting": 3,  # by score, the highest first
        "hideDisabled": False,
        "techniques": [
            {"techniqueID": technique, "score": score, "comment": comment, "enabled": True, "showSubtechniques": "." in technique}
            for technique, (score, comment) in cells.items()
        ],
        "gradient": {"colors": _COLOURS, "minValue": 0, "maxValue": max((score for score, _ in cells.values()), default=1)},
        "legendItems": [],
        "metadata": [],
    }
