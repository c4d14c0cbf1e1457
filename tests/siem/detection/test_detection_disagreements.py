"""Each disagreement with another implementation, played on both sides, so that the table of them is never hearsay."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from siem.detection.correlations import read_correlation
from siem.detection.load import load_rules
from siem.detection.selections import RuleMistake
from siem.event import Event
from tests.architecture.test_docs import GENERATOR
from tests.siem.detection.disagreements import NAMES
from tests.siem.detection.test_correlate import SINGLES, correlation, made, ruleset
from tests.siem.detection.test_correlate_oracle import by_sql as correlated_by_sql
from tests.siem.detection.test_match_oracle_random import by_engine, by_sql

pytest.importorskip("sigma.backends.sqlite", reason="the package pysigma-backend-sqlite is not installed")

#: A rule that filters below are added to.
RULE: dict[str, Any] = {
    "title": "Failed",
    "id": "00000000-0000-4000-8000-000000000001",
    "name": "failed",
    "logsource": {"product": "veilleur"},
    "detection": {"selection": {"event.action": "login.failed"}, "condition": "selection"},
}


def section(line: str, value: object) -> dict[str, Any]:
    return {"selection": {line: value}, "condition": "selection"}


def filtered(rules: object, condition: str) -> dict[str, Any]:
    return {
        "title": "Probe",
        "logsource": {"product": "veilleur"},
        "filter": {"rules": rules, "selection": {"user.id|startswith": "adm_"}, "condition": condition},
    }


def queries(*documents: dict[str, Any]) -> list[str]:
    from sigma.backends.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection

    found: list[str] = sqliteBackend().convert(SigmaCollection.from_yaml(yaml.safe_dump_all(documents)))
    return found


def correlated(folder: Path, body: str, events: list[Event]) -> tuple[bool, bool]:
    """Whether something is found there, and here."""
    from siem.detection.engine import Engine

    (folder / "one").mkdir(exist_ok=True)
    text = correlation(body)
    engine = Engine(ruleset(folder / "one", text))
    parent = yaml.safe_load(text)["id"]
    here = [one for one in [*engine.evaluate(events), *engine.flush()] if one.rule_id == parent]
    return bool(correlated_by_sql("---".join([SINGLES, text]), events)), bool(here)


@pytest.mark.disagreement("utf16le")
def test_utf16le_is_unknown_there_and_read_here() -> None:
    with pytest.raises(Exception, match="utf16le"):
        by_sql(section("f|utf16le|base64", "cmd"), [{"f": "YwBtAGQA"}])
    assert by_engine(section("f|utf16le|base64", "cmd"), [{"f": "YwBtAGQA"}]) == {0}


@pytest.mark.disagreement("the mark of utf16")
def test_utf16_begins_with_another_mark_there() -> None:
    rows = [{"f": "//5jAG0AZAA="}, {"f": "77u/YwBtAGQA"}]
    assert by_engine(section("f|utf16|base64", "cmd"), rows) == {0}
    assert by_sql(section("f|utf16|base64", "cmd"), rows) == {1}


@pytest.mark.disagreement("encodings beyond ASCII")
@pytest.mark.parametrize("modifier", ["wide", "utf16be"])
def test_letters_beyond_ascii_are_not_encoded_there(modifier: str) -> None:
    encoded = {"wide": "6QA=", "utf16be": "AOk="}[modifier]
    with pytest.raises(Exception, match="(?i)ascii|only allowed"):
        by_sql(section(f"f|{modifier}|base64", "é"), [{"f": encoded}])
    assert by_engine(section(f"f|{modifier}|base64", "é"), [{"f": encoded}]) == {0}


@pytest.mark.disagreement("a rule listed twice in an order")
def test_a_rule_listed_twice_in_an_order_is_asked_for_twice_here_alone(tmp_path: Path) -> None:
    twice = "type: temporal_ordered\nrules: [a, a, b]\ngroup-by: [user.id]\ntimespan: 60s"
    once, both = (
        [(second, what, "P-1", "192.0.2.1", 0) for second, what in rows] for rows in ([(0, "a"), (9, "b")], [(0, "a"), (5, "a"), (9, "b")])
    )
    assert correlated(tmp_path, twice, made(once)) == (True, False)
    assert correlated(tmp_path, twice, made(both)) == (True, True)


@pytest.mark.disagreement("a filter on a correlation")
def test_a_filter_on_a_correlation_is_passed_over_there_and_named_here(tmp_path: Path) -> None:
    many = {
        "title": "Many",
        "name": "many",
        "correlation": {"type": "event_count", "rules": ["failed"], "group-by": ["user.id"], "timespan": "5m", "condition": {"gte": 2}},
    }
    assert queries(RULE, many, filtered(["many"], "not selection")) == queries(RULE, many)
    (tmp_path / "rules.yml").write_text(yaml.safe_dump_all([RULE, many, filtered(["many"], "not selection")]), "utf-8")
    (error,) = load_rules(tmp_path).errors
    assert "«many» is no rule on single events" in error.problem


@pytest.mark.disagreement("a filter of no rules")
def test_a_filter_of_no_rules_is_of_all_there_and_refused_here(tmp_path: Path) -> None:
    assert "adm" in queries(RULE, filtered([], "not selection"))[0]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump_all([RULE, filtered([], "not selection")]), "utf-8")
    assert [error.field for error in load_rules(tmp_path).errors] == ["filter.rules"]


@pytest.mark.disagreement("weeks")
def test_weeks_are_those_of_iso_here(tmp_path: Path) -> None:
    rows = [{"t": "2026-01-01 00:00:00"}]
    assert (by_engine(section("t|week", 1), rows), by_sql(section("t|week", 1), rows)) == ({0}, set())
    assert by_sql(section("t|week", 0), rows) == {0}
    with pytest.raises(RuleMistake, match="from 1 to 53"):
        by_engine(section("t|week", 0), rows)


@pytest.mark.disagreement("case beyond ASCII")
def test_letters_beyond_ascii_have_a_case_there() -> None:
    rows = [{"f": "É"}, {"f": "é"}]
    assert by_engine(section("f", "é"), rows) == {0, 1}
    assert by_sql(section("f", "é"), rows) == {1}


@pytest.mark.disagreement("null that is there")
def test_a_null_that_is_there_exists_here_alone() -> None:
    rows = [{"f": None}, {}, {"f": "x"}]
    assert by_engine(section("f|exists", True), rows) == {0, 2}
    assert by_sql(section("f|exists", True), rows) == {2}


@pytest.mark.disagreement("order at one instant")
def test_matches_of_one_instant_are_in_order_here_alone(tmp_path: Path) -> None:
    ordered = "type: temporal_ordered\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s"
    assert correlated(tmp_path, ordered, made([(5, "a", "P-1", "192.0.2.1", 0), (5, "b", "P-1", "192.0.2.1", 0)])) == (False, True)


@pytest.mark.disagreement("case of groups")
def test_groups_that_differ_in_case_are_one_there(tmp_path: Path) -> None:
    counted = "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2}"
    assert correlated(tmp_path, counted, made([(1, "a", "P-1", "192.0.2.1", 0), (2, "a", "p-1", "192.0.2.1", 0)])) == (True, False)


@pytest.mark.disagreement("a condition of exclusions alone")
def test_a_condition_of_exclusions_alone_fires_there_and_is_refused_here() -> None:
    text = correlation("type: temporal\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: not a").replace("[a, b]", "[a]")
    events = made([(second, what, "P-1", "192.0.2.1", 0) for second, what in ((1, "z"), (2, "b"), (300, "a"))])
    assert correlated_by_sql("---".join([SINGLES, text]), events) == {("P-1",): {"e000", "e001"}}
    with pytest.raises(RuleMistake):
        read_correlation(yaml.safe_load(text)["correlation"])


@pytest.mark.disagreement("the sample of a filter")
def test_the_sample_of_a_filter_keeps_what_it_speaks_of_here_and_in_pysigma(tmp_path: Path) -> None:
    assert "NOT" not in queries(RULE, filtered("any", "selection"))[0] and " AND " in queries(RULE, filtered("any", "selection"))[0]
    from siem.detection.engine import Engine

    (tmp_path / "rules.yml").write_text(yaml.safe_dump_all([RULE, filtered("any", "selection")]), "utf-8")
    engine = Engine(load_rules(tmp_path))
    failed = {"event.dataset": "idp.audit", "event.action": "login.failed"}
    events = [
        made([(0, "z", user, "192.0.2.1", 0)])[0]._replace(id=user, fields={**failed, "user.id": user}) for user in ("adm_x", "marie")
    ]
    assert [one.event_ids for one in engine.evaluate(events)] == [("adm_x",)]


@pytest.mark.disagreement("the list of types")
@pytest.mark.parametrize("kind", ["value_sum", "value_avg", "value_percentile", "value_median"])
def test_types_that_the_list_leaves_out_are_read(kind: str) -> None:
    condition = {"field": "n", "gte": 1, **({"percentile": 90} if kind == "value_percentile" else {})}
    assert read_correlation({"type": kind, "rules": ["a"], "timespan": "5m", "condition": condition}).type.value == kind


def test_every_disagreement_has_a_test_that_names_it() -> None:
    assert {name for name, _, _ in GENERATOR._marked("disagreement")} == NAMES
