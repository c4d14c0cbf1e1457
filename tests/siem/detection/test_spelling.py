"""Correlations for engines that are not ours: one name for each field, and a copy for each place where it may stand."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from siem.detection.documents import Document, read_documents
from siem.detection.folders import RuleFolder
from siem.detection.logsource import LogSource
from siem.detection.spelling import spelled_out
from siem.errors import DataError

ONE_PLACE = LogSource("front", "", "", {}, {"who": ("user.id",), "from": ("source.ip",)})
TWO_PLACES = LogSource("host", "", "", {}, {"who": ("user.name", "user.id"), "from": ("source.ip",), "what": ("a.b", "c.d")})
SOURCES = {"front": ONE_PLACE, "host": TWO_PLACES}


def rule(name: str, product: str) -> str:
    return f"title: {name}\nname: {name}\nlogsource: {{product: {product}}}\ndetection: {{s: {{k: 1}}, condition: s}}\n"


def correlation(body: str, name: str = "many") -> str:
    return f"title: Many\nname: {name}\ncorrelation: {{timespan: 5m, {body}}}\n"


def source_of(document: Document) -> LogSource | None:
    said = document.body.get("logsource")
    return SOURCES[str(said["product"])] if isinstance(said, Mapping) else None


def spelled(folder: Path, *texts: str) -> list[dict[str, object]]:
    (folder / "rules.yml").write_text("---\n".join(texts), "utf-8")
    documents, errors = read_documents(folder / "rules.yml", RuleFolder(folder))
    assert errors == []
    return [body for body, _ in spelled_out(documents, source_of)]


def test_fields_of_one_place_are_renamed_and_the_rules_left_as_they_are(tmp_path: Path) -> None:
    counted = correlation("type: value_count, rules: [a], group-by: [who], condition: {field: from, gte: 2}, generate: true")
    alone, many = spelled(tmp_path, rule("a", "front"), counted)
    assert alone == yaml.safe_load(rule("a", "front"))
    assert many["correlation"] == {
        "timespan": "5m",
        "type": "value_count",
        "rules": ["a"],
        "group-by": ["user.id"],
        "condition": {"field": "source.ip", "gte": 2},
        "generate": True,
    }


def test_a_field_of_several_places_makes_a_copy_for_each_over_rules_that_ask_for_it_there(tmp_path: Path) -> None:
    counted = correlation("type: event_count, rules: [a], group-by: [who, from], condition: {gte: 2}")
    bodies = spelled(tmp_path, rule("a", "host"), counted)
    sections = [body["correlation"] for body in bodies if "correlation" in body]
    assert [one["group-by"] for one in sections] == [["user.name", "source.ip"], ["user.id", "source.ip"]]
    detections = {body["name"]: body["detection"] for body in bodies if "detection" in body}
    asked = {one["rules"][0]: detections[one["rules"][0]] for one in sections}
    assert [set(one["veilleur_there"]) for one in asked.values()] == [{"user.name|exists"}, {"user.id|exists"}]
    assert {one["condition"] for one in asked.values()} == {"((s)) and veilleur_there"}
    # The rule itself is no query of its own: it only feeds correlations.
    assert len(bodies) == 4 and "a" not in detections
    assert {body["title"] for body in bodies if "correlation" in body} == {"Many (user.name)", "Many (user.id)"}


def test_every_combination_of_places_is_written_out_up_to_a_limit_that_is_told(tmp_path: Path) -> None:
    two = correlation("type: value_count, rules: [a], group-by: [who], condition: {field: what, gte: 2}")
    bodies = spelled(tmp_path, rule("a", "host"), two)
    assert len([one for one in bodies if "correlation" in one]) == 4
    many = LogSource("host", "", "", {}, {name: (f"{name}.x", f"{name}.y") for name in "abcdef"})
    SOURCES["wide"] = many
    wide = correlation("type: event_count, rules: [a], group-by: [a, b, c, d, e, f], condition: {gte: 2}")
    with pytest.raises(DataError, match=r"rules\.yml:.*too many places.*a, b, c, d, e, f"):
        spelled(tmp_path, rule("a", "wide"), wide)


def test_a_rule_that_alerts_too_stays_a_query_of_its_own(tmp_path: Path) -> None:
    counted = correlation("type: event_count, rules: [a], group-by: [who], condition: {gte: 2}, generate: true")
    bodies = spelled(tmp_path, rule("a", "host"), counted)
    assert [one["name"] for one in bodies if "detection" in one] == ["a_1", "a_2", "a"]
    assert not any("generate" in one["correlation"] for one in bodies if "correlation" in one)


def test_rules_that_have_other_names_for_a_field_are_told_apart_by_an_alias(tmp_path: Path) -> None:
    both = correlation("type: temporal, group-by: [who], condition: a and not b")
    bodies = spelled(tmp_path, rule("a", "front"), rule("b", "host"), both)
    first, second = (one["correlation"] for one in bodies if "correlation" in one)
    assert first["group-by"] == ["who"]
    assert (first["aliases"], first["condition"]) == ({"who": {"a_1": "user.id", "b_1": "user.name"}}, "a_1 and not b_1")
    # Where both have the same name for it, no alias is needed.
    assert second["group-by"] == ["user.id"] and "aliases" not in second


def test_aliases_are_renamed_for_the_rule_that_they_are_of(tmp_path: Path) -> None:
    aliased = correlation("type: temporal, rules: [a, b], group-by: [x], aliases: {x: {a: who, b: from}}")
    *_, both = spelled(tmp_path, rule("a", "front"), rule("b", "front"), aliased)
    assert both["correlation"]["aliases"] == {"x": {"a": "user.id", "b": "source.ip"}}


def test_a_correlation_of_correlations_is_copied_with_all_that_it_is_over(tmp_path: Path) -> None:
    child = correlation("type: event_count, rules: [a], group-by: [who], condition: {gte: 2}", "child")
    parent = correlation("type: event_count, rules: [child], group-by: [who], condition: {gte: 3}", "parent")
    bodies = spelled(tmp_path, rule("a", "host"), child, parent)
    sections = {one["name"]: one["correlation"] for one in bodies if "correlation" in one}
    assert sorted(sections) == ["child_1", "child_2", "parent_1", "parent_2"]
    assert sections["parent_2"]["rules"] == ["child_2"] and sections["parent_2"]["group-by"] == sections["child_2"]["group-by"]


def test_a_document_that_is_over_itself_or_over_nobody_is_left_for_others_to_refuse(tmp_path: Path) -> None:
    over = correlation("type: event_count, rules: [many], group-by: [who], condition: {gte: 2}")
    nobody = correlation("type: event_count, rules: [nobody], group-by: [who], condition: {gte: 2}", "other")
    bodies = spelled(tmp_path, over, nobody)
    assert [one["name"] for one in bodies] == ["many", "other"]
    assert bodies[1]["correlation"]["group-by"] == ["who"]
