"""The schemas accept what the specification shows and what SigmaHQ publishes, and name what is not meant."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from siem.detection.documents import RuleYaml
from siem.detection.schema import KINDS, kind_of, problems_of, schema
from tests.examples import thinned
from tests.siem.sigmahq import real_data, unpacked

RULE: dict[str, Any] = {
    "title": "A rule",
    "id": "00000000-0000-4000-8000-000000000001",
    "logsource": {"product": "windows", "definition": "auditing is on"},
    "detection": {
        "selection": {"EventID": [1, 2], "Image|endswith": r"\x.exe", "Empty": "", "Absent": None, "There|exists": True},
        "keywords": ["a", 2],
        "all_keywords": {"|all": ["a", "b"]},
        "maps": [{"a": 1}, {"b": "2"}],
        "condition": ["1 of maps", "selection and keywords"],
    },
}
CORRELATION: dict[str, Any] = {
    "title": "Many",
    "correlation": {
        "type": "event_count",
        "rules": ["a_rule"],
        "group-by": ["user.id"],
        "timespan": "90m",
        "condition": {"gt": 100, "lte": 200},
    },
}
FILTER: dict[str, Any] = {
    "title": "Not the probe",
    "logsource": {"category": "webserver"},
    "filter": {"rules": "any", "probe": {"source.ip": "192.0.2.1"}, "condition": "not probe"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_are_schemas(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize(("body", "kind"), [(RULE, "rule"), (CORRELATION, "correlation"), (FILTER, "filter"), ({"veilleur": {}}, None)])
def test_a_document_is_held_to_the_schema_of_its_kind(body: dict[str, Any], kind: str | None) -> None:
    assert kind_of(body) == kind
    assert list(problems_of(body)) == []


@pytest.mark.parametrize(
    "section",
    [
        {"type": "temporal", "rules": ["a", "b"], "group-by": ["x"], "timespan": "5m"},
        {"type": "temporal", "timespan": "5m", "condition": "a and not b"},
        {"type": "temporal_ordered", "rules": ["a", "b", "c"], "timespan": "1h", "condition": {"gte": 2}},
        {"type": "value_count", "rules": "a", "group-by": "x", "timespan": "1d", "condition": {"field": ["y", "z"], "gte": 2}},
        {"type": "value_percentile", "rules": ["a"], "timespan": "1d", "condition": {"field": "y", "gte": 2, "percentile": 95}},
        {"type": "value_avg", "rules": ["a"], "timespan": "1d", "condition": {"field": "y", "gt": 2.5}, "aliases": {"who": {"a": "u"}}},
    ],
)
def test_every_shape_of_a_correlation_is_accepted(section: dict[str, Any]) -> None:
    assert list(problems_of({"title": "x", "correlation": section})) == []


@pytest.mark.parametrize(
    ("body", "path", "problem"),
    [
        ({**RULE, "id": "one"}, "id", "does not match"),
        ({**RULE, "date": "22/11/2026"}, "date", "does not match"),
        ({**RULE, "level": "severe"}, "level", "is not one of"),
        ({**RULE, "tags": ["attack t1078"]}, "tags", "does not match"),
        ({**RULE, "references": "https://example.org"}, "references", "is not of type 'array'"),
        ({**RULE, "related": [{"id": RULE["id"], "type": "child"}]}, "related.type", "is not one of"),
        ({**RULE, "falsepositive": ["x"]}, "falsepositive", "is «falsepositives» meant?"),
        ({**RULE, "logsource": {"definition": "x"}}, "logsource", "is a required property"),
        ({**RULE, "logsource": {"product": "Windows"}}, "logsource.product", "does not match"),
        ({**RULE, "detection": {"selection": {"a": 1}, "other": {"a": 1}}}, "detection", "'condition' is a required property"),
        ({**RULE, "detection": {"selection": {"a": [None]}, "condition": "x"}}, "detection.selection.a", "None"),
        ({**RULE, "detection": {"selection": {}, "condition": "selection"}}, "detection.selection", "{}"),
        ({"title": "x", "correlation": {**CORRELATION["correlation"], "condition": "a"}}, "correlation.condition", "not of type 'object'"),
        ({"title": "x", "correlation": {**CORRELATION["correlation"], "timespan": "5 m"}}, "correlation.timespan", "does not match"),
        ({"title": "x", "correlation": {**CORRELATION["correlation"], "window": "x"}}, "correlation", "Additional properties"),
        (
            {"title": "x", "correlation": {"type": "value_sum", "rules": ["a"], "timespan": "5m", "condition": {"gt": 1}}},
            "correlation.condition",
            "'field'",
        ),
        ({"title": "x", "correlation": {"type": "temporal", "timespan": "5m"}}, "correlation", "is a required property"),
        ({**FILTER, "filter": {"rules": [], "a": {"b": 1}, "condition": "a"}}, "filter.rules", "[]"),
    ],
)
def test_what_is_not_meant_is_named(body: dict[str, Any], path: str, problem: str) -> None:
    found = {".".join(mistake.path): mistake.problem for mistake in problems_of(body)}
    assert problem in found[path]


@real_data
def test_the_rules_of_sigmahq_are_accepted() -> None:
    """Every fourth of them in the suite, each of them at night."""
    files = sorted((unpacked() / "rules").rglob("*.yml"))
    assert len(files) == 3141
    for file in thinned(files, 4):
        for body in yaml.load_all(file.read_bytes(), Loader=RuleYaml):
            assert list(problems_of(body)) == [], file.name
