import re

import pytest

from siem.detection.correlations import CorrelationType, read_correlation
from siem.detection.predicates import Compare
from siem.detection.selections import RuleMistake
from siem.detection.terms import Term

BASE: dict[str, object] = {
    "type": "event_count",
    "rules": ["a"],
    "group-by": ["user.id"],
    "timespan": "90m",
    "condition": {"gt": 100, "lte": 200},
}


@pytest.mark.trap("a range of two comparisons")
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


@pytest.mark.trap("several fields")
def test_reads_aliases_and_several_fields() -> None:
    aliases = {"who": {"a": "user.id", "b": "health.actor.id"}}
    condition = {"field": ["source.ip", "user.id"], "gte": 2}
    read = read_correlation({**BASE, "type": "value_count", "rules": ["a", "b"], "aliases": aliases, "condition": condition})
    assert read.fields == ("source.ip", "user.id")
    assert read.aliases == aliases


@pytest.mark.parametrize("kind", CorrelationType)
@pytest.mark.trap("every type of correlation")
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
        ({"condition": {"gte": "three"}}, "condition.gte", "a finite number is expected"),
        ({"condition": {"gte": 10**400}}, "condition.gte", "a finite number is expected"),
        ({"condition": {"lte": float("inf")}}, "condition.lte", "a finite number is expected"),
        ({"condition": {"lt": 1}}, "condition", "would never match"),
        ({"condition": {"gt": 10, "lt": 11}}, "condition", "would never match"),
        ({"condition": {"eq": 2.5}}, "condition", "would never match"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": {"gte": 3}}, "condition", "no number of 2 rules"),
        ({"type": "temporal", "rules": ["a", "b", "a"], "condition": {"lt": 1}}, "condition", "no number of 2 rules"),
        ({"condition": {"gte": True}}, "condition.gte", "a finite number is expected"),
        ({"condition": {"gte": 1, "field": "user.id"}}, "condition.field", "takes no field"),
        ({"type": "value_count"}, "condition.field", "needs a field"),
        ({"type": "value_sum", "condition": {"gte": 1, "field": ["a", "b"]}}, "condition.field", "takes one field"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "a"}}, "condition.percentile", "needs a percentile"),
        ({"type": "value_percentile", "condition": {"gte": 1, "field": "a", "percentile": 101}}, "condition.percentile", "from 0 to 100"),
        ({"type": "temporal_ordered", "condition": None}, "rules", "at least two"),
        ({"type": "temporal_ordered", "rules": ["a", "b"]}, "condition", "not of at most"),
        ({"type": "temporal_ordered", "rules": ["a", "b"], "condition": {"gte": 1}}, "condition", "two of the 2 rules"),
        ({"type": "temporal_ordered", "rules": ["a", "b"], "condition": {"gte": 3}}, "condition", "two of the 2 rules"),
        ({"type": "temporal_ordered", "rules": list("abcdefghi"), "condition": {"gte": 4}}, "condition", "more than 64 ways"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": "a and c"}, "condition", "«c» is not a rule of the list"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": "a"}, "condition", "«b» is in the list of rules, but nothing"),
        ({"type": "temporal", "rules": ["a", "b"], "condition": "a or not b"}, "condition", "at least one rule that matches"),
        ({"type": "temporal", "rules": ["a", "b", "a"], "condition": "a and b"}, "rules", "listed twice"),
        ({"condition": "a"}, "condition", "a map such as"),
        ({"generate": "yes"}, "generate", "true or false"),
        ({"aliases": {"who": {"z": "user.id"}}}, "aliases.who", "«z» is not one of the rules"),
        ({"aliases": ["who"]}, "aliases", "a map"),
        ({"window": "sliding"}, "window", "unknown key"),
    ],
)
@pytest.mark.trap("an order asked of at most so many")
def test_names_what_is_wrong(change: dict[str, object], path: str, problem: str) -> None:
    with pytest.raises(RuleMistake, match=re.escape(problem)) as caught:
        read_correlation({**BASE, **change})
    assert ".".join(caught.value.path) == f"correlation.{path}"


def test_an_order_may_be_asked_of_some_of_the_rules() -> None:
    section = {**BASE, "type": "temporal_ordered", "rules": ["a", "b", "c"]}
    assert read_correlation({**section, "condition": {"gt": 1}}).terms == (Term((0, 1)), Term((0, 2)), Term((1, 2)))
    assert read_correlation({**section, "condition": {"eq": 3}}).terms == (Term((0, 1, 2)),)
    assert read_correlation({**section, "condition": None}).terms == (Term((0, 1, 2)),)


def test_a_condition_that_names_rules_needs_no_list_of_them() -> None:
    section = {key: value for key, value in BASE.items() if key != "rules"} | {"type": "temporal", "condition": "b and not a"}
    read = read_correlation(section)
    assert read.references == ("b", "a")
    assert read.terms == (Term((0,), (1,)),)
    assert not read.grows


@pytest.mark.trap("generate")
def test_generate_stands_in_the_section_or_beside_it() -> None:
    assert read_correlation(BASE, generate=True).generate
    assert read_correlation({**BASE, "generate": True}).generate
    assert not read_correlation({**BASE, "generate": False}, generate=True).generate
    with pytest.raises(RuleMistake) as caught:
        read_correlation(BASE, generate="yes")
    assert caught.value.path == ("generate",)
