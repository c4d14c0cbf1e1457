import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema

from siem.detection import Rule
from siem.detection.load import load_rules
from siem.detection.navigator import coverage, seen

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 11, 22, 3, 14, tzinfo=UTC)
#: The layer format 4.5 as its specification describes it, as far as we write it.
SCHEMA = {
    "type": "object",
    "required": ["name", "versions", "domain"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "versions": {
            "type": "object",
            "required": ["layer"],
            "properties": {"layer": {"const": "4.5"}, "navigator": {"type": "string"}, "attack": {"type": "string"}},
            "additionalProperties": False,
        },
        "domain": {"enum": ["enterprise-attack", "mobile-attack", "ics-attack"]},
        "description": {"type": "string"},
        "sorting": {"enum": [0, 1, 2, 3]},
        "hideDisabled": {"type": "boolean"},
        "techniques": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["techniqueID"],
                "additionalProperties": False,
                "properties": {
                    "techniqueID": {"type": "string", "pattern": r"^T\d{4}(\.\d{3})?$"},
                    "tactic": {"type": "string"},
                    "score": {"type": "number"},
                    "comment": {"type": "string"},
                    "enabled": {"type": "boolean"},
                    "showSubtechniques": {"type": "boolean"},
                },
            },
        },
        "gradient": {
            "type": "object",
            "required": ["colors", "minValue", "maxValue"],
            "properties": {
                "colors": {"type": "array", "minItems": 2, "items": {"type": "string", "pattern": "^#[0-9a-f]{6}([0-9a-f]{2})?$"}},
                "minValue": {"type": "number"},
                "maxValue": {"type": "number"},
            },
        },
        "legendItems": {"type": "array"},
        "metadata": {"type": "array"},
    },
}


def cells(layer: dict[str, object]) -> dict[str, dict[str, object]]:
    jsonschema.validate(json.loads(json.dumps(layer)), SCHEMA)
    techniques = layer["techniques"]
    assert isinstance(techniques, list)
    return {cell["techniqueID"]: cell for cell in techniques}


def ours() -> list[Rule]:
    return list(load_rules(ROOT / "rules").rules.values())


def test_each_technique_scores_the_rules_that_look_for_it_and_names_them_with_their_authors() -> None:
    rules = ours()
    found = cells(coverage(rules, AT))
    assert set(found) == {technique for rule in rules for technique in rule.techniques}
    for technique, cell in found.items():
        named = [rule for rule in rules if technique in rule.techniques]
        assert cell["score"] == len(named)
        assert all(rule.title in str(cell["comment"]) and rule.author in str(cell["comment"]) for rule in named)


def test_what_was_seen_scores_alerts_and_leaves_out_what_was_not() -> None:
    first, second = (replace(rule, techniques=("T1621",)) for rule in ours()[:2])
    quiet = replace(first, id="quiet", techniques=("T1078",))
    found = cells(seen([first, second, quiet], {first.id: (3, AT), second.id: (4, AT)}, AT))
    assert set(found) == {"T1621"} and found["T1621"]["score"] == 7
    assert "2026-11-22 03:14 UTC" in str(found["T1621"]["comment"]) and second.author in str(found["T1621"]["comment"])


def test_a_layer_of_nothing_is_a_layer() -> None:
    assert cells(coverage([], AT)) == {} and cells(seen([], {}, AT)) == {}
