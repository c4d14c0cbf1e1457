"""A question about history is read, refused or answered as documents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from siem.detection.load import load_rules
from siem.errors import DataError
from siem.history.questions import History, Question
from siem.settings import ROOT
from tests.siem.history.night import BEGIN
from tests.siem.history.world import Shelf

EXPORTS = """
title: Any export
id: 11111111-2222-4333-8444-5555555555{}
name: any_export
status: test
level: low
author: Veilleur
logsource: {{product: fhir, service: audit_event}}
detection: {{selection: {{event.action: record.exported}}, condition: selection}}
veilleur: {{subject: user.id}}
"""
TWO_EXPORTS = """
title: Two exports
id: 11111111-2222-4333-8444-555555555599
level: low
correlation: {type: event_count, rules: [fhir_record_exported], group-by: [user.id], timespan: 1h, condition: {gte: 2}}
"""


@pytest.fixture(scope="module")
def history(shelf: Shelf) -> tuple[History, str]:
    row: Mapping[str, Any] = {"event.dataset": "fhir.audit_event", "event.action": "record.exported", "user.id": "P-1"}
    tenant, _ = shelf.put([row, {**row, "event.action": "record.read"}, row])
    return History(shelf.store, lambda documents: load_rules(ROOT / "rules", instead=documents)), tenant


def answered(history: tuple[History, str], kind: str, rule: str, text: str | None = None) -> list[Mapping[str, Any]]:
    question = Question(kind, rule, text, BEGIN.replace(hour=0), None, history[1])
    assert Question.parse(orjson.loads(orjson.dumps(question.message()))) == question
    # Whatever is answered can be sent as it is.
    return [orjson.loads(orjson.dumps(message)) for message in history[0].answer(question.message())]


def test_a_rule_in_force_is_hunted_by_name(history: tuple[History, str]) -> None:
    first, *between, last = answered(history, "hunt", "fhir_record_exported")
    assert first["plan"]["rule"] == "Patient records exported" and first["plan"]["event_count"] == 3 and first["plan"]["how"] == "sql"
    assert [set(message) for message in between if "detection" in message] == [{"detection"}] * 2
    assert sum(message["progress"]["looked_count"] for message in between if "progress" in message) == 3
    assert last["done"]["detection_count"] == 2 and last["done"]["complete"]


def test_a_rule_that_is_not_in_force_is_brought_along(history: tuple[History, str]) -> None:
    assert answered(history, "backtest", "new.yml", EXPORTS.format("01"))[-1]["backtest"]["detection_count"] == 2
    # One that refers to rules in force, and a changed one that takes the place of the one in force.
    assert answered(history, "hunt", "two.yml", TWO_EXPORTS)[-1]["done"]["detection_count"] == 1
    changed = (ROOT / "rules" / "access" / "fhir_record_sweep.yml").read_text().replace("gte: 40", "gte: 1")
    assert answered(history, "hunt", "sweep.yml", changed.replace("record.read", "record.exported"))[-1]["done"]["rule_title"].startswith(
        "Sweep"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title: [", "two.yml:2: not YAML"),
        (TWO_EXPORTS.replace("fhir_record_exported", "nobody"), "no rule has the name or id «nobody»"),
        (EXPORTS.format("01") + "---" + EXPORTS.format("02").replace("any_export", "other"), "found Any export, Any export"),
        ("title: A\nlogsource: {product: fhir}\nfilter: {rules: any, a: {user.id: x}, condition: not a}", "one rule that raises alerts"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_honoured_is_refused_with_its_line(history: tuple[History, str], text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        answered(history, "hunt", "two.yml", text)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"kind": "drop"}, "kind"),
        ({"kind": "hunt", "rule": "x", "sql": "1=1"}, "sql"),
        ({"kind": "hunt", "rule": "x", "from_at": "yesterday"}, "from_at"),
        ({"kind": "hunt", "rule": "x", "to_at": "2026-01-01T00:00:00"}, "to_at"),
    ],
)
def test_a_question_that_is_none_is_refused(message: Mapping[str, object], field: str) -> None:
    with pytest.raises(DataError) as refused:
        Question.parse(message)
    assert refused.value.field == field


def test_a_tenant_that_is_not_there_has_no_events(history: tuple[History, str]) -> None:
    question = Question("hunt", "fhir_record_exported", tenant="' OR TRUE --")
    first, last = history[0].answer(question.message())
    assert (first["plan"]["event_count"], last["done"]["looked_count"]) == (0, 0)  # type: ignore[index]


def test_the_text_of_a_rule_may_be_as_long_as_a_file(history: tuple[History, str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="larger than"):
        answered(history, "hunt", "x.yml", "# " + "x" * 1_000_001)
