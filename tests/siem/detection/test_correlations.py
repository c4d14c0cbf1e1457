import re

import pytest

from siem.detection.correlations import CorrelationType, read_correlation
from siem.detection.predicates import Compare
from siem.detection.selections import RuleMistake

BASE: dict[str, object] = {
    "type": "event_count",
    "rules": ["a"],
    "group-by": ["user.id"],
    "timespan": "90m",
    "condition": {"gt": 100, "lte": 200},
}


def test_reads_a_range_and_a_timespan() -> None:
    read = read_correlation(BASE)
    assert read.limits == ((Compare.GT, 100.0), (Compare.LTE, 200.0))
    assert read.timespan == 90 * 60 * 1_000_000
    assert [read.holds(count) for count in (100, 101, 200, 201)] == [False, True, True, False]
    assert not read.grows


def test_a_temporal_rule_wants_every_rule_unless_told_otherwise() -> None:
    read = read_correlation({**BASE, "type": "temporal", "rules": ["a", "b", "c"], "condition": None})
    assert read.limits == ((Compare.GTE, 3.0),)
    assert read.grows


def test_reads_aliases_and_several_fields() -> None:
    aliases = {"who": {"a": "user.id", "b": "health.actor.id"}}
    condition = {"field": ["source.ip", "user.id"], "gte": 2}
    read = read_correlation({**BASE, "type": "value_count", "rules": ["a", "b"], "aliases": aliases, "condition": condition})
    assert read.fields == ("source.ip", "user.id")
    assert read.aliases == aliases


@pytest.mark.parametrize("kind", CorrelationType)
def test_knows_every_type(kind: CorrelationType) -> None:
    condition: dict[str, object] = {"gte": 2}
    if kind.value.startswith("value_"):
        condition["field"] = "user.id"
    if kind is CorrelationType.VALUE_PERCENTILE:
        condition["percentile"] = 95
    section = {
        **BASE,
        "type": kind.value,
        "rules": ["a", "b"],
        "condition": None if kind is CorrelationType.TEMPORAL_ORDERED else condition,
    }
    assert read_correlation(section).type is kind


@pytest.mark.parametrize(
    ("change", "path", "problem"),
    [
        ({"type": "count"}, "type", "one of event_count"),
        ({"rules": []}, "rules", "at least one rule"),
        ({"rules": [3]}, "rules", "a text"),
        ({"timespan": "0m"}, "timespan", "such as 15m"),
        ({"timespan": "15 minutes"}, "timespan", "such as 15m"),
        ({"timespan": 900}, "timespan", "such as 15m"),
        ({"condition": None}, "condition", "a map such as"),
        ({"condition": {}}, "condition", "at least one comparison"),
        ({"condition": {"above": 3}}, "condition.above", "unknown comparison"),
        ({"condition": {"gte": "three"}}, "condition.gte", "a number is expected"),
        ({"condition": {"gte": True}}, "condition.gte", "a number is expected"),
        ({"condition": {"gte": 1, "field": "user.id"}}, "condition.field", "takes no field"),
        ({"type": "value_count"}, "condition.field", "needs a field"),
        ({"type": "value_sum", "condition": {"gte": 1, "field": ["a", "b"]}}, "condition.field", "takes one field"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "a"}}, "condition.percentile", "needs a percentile"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "a", "percentile": 101}}, "condition.percentile", "from 0 to 100"),
        ({"type": "temporal_ordered", "condition": None}, "rules", "at least two"),
        ({"type": "temporal_ordered", "rules": ["a", "b"]}, "condition", "takes no condition"),
        ({"generate": "yes"}, "generate", "true or false"),
        ({"aliases": {"who": {"z": "user.id"}}}, "aliases.who", "«z» is not one of the rules"),
        ({"aliases": ["who"]}, "aliases", "a map"),
        ({"window": "sliding"}, "window", "unknown key"),
    ],
)
def test_names_what_is_wrong(change: dict[str, object], path: str, problem: str) -> None:
    with pytest.raises(RuleMistake, match=re.escape(problem)) as caught:
        read_correlation({**BASE, **change})
    assert ".".join(caught.value.path) == f"correlation.{path}"
