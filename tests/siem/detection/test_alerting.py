from pathlib import Path

import pytest

from siem.detection import Limit
from siem.detection.engine import Engine
from siem.detection.load import load_rules
from tests.siem.detection.test_filters import LAST_DAY, RULE, events

ALERTING = "veilleur: {subject: user.id, group-by: [source.ip, event.action], repeat: 0s, again: 1d, %s}\n"
WISH = "limit: {alerts: 2, within: 1m, silence: 15m, by: [source.ip]}"


def written(folder: Path, text: str, rule: str = RULE) -> Path:
    (folder / "rule.yml").write_text(rule + text, encoding="utf-8")
    return folder


def test_a_rule_says_how_its_matches_become_alerts(tmp_path: Path) -> None:
    loaded = load_rules(written(tmp_path, ALERTING % WISH))
    (rule,) = loaded.rules.values()
    assert (rule.group_by, rule.repeat_seconds, rule.again_seconds) == (("source.ip", "event.action"), 0, 86_400)
    assert rule.limit == Limit(2, 60, 900, ("source.ip",))
    (found,) = Engine(loaded).evaluate(events(("192.0.2.1", LAST_DAY)))
    assert found.group == (("source.ip", "192.0.2.1"), ("event.action", "login.failed"))


def test_what_a_rule_does_not_say_is_the_watchs(tmp_path: Path) -> None:
    (rule,) = load_rules(written(tmp_path, "")).rules.values()
    assert (rule.group_by, rule.repeat_seconds, rule.again_seconds, rule.limit) == (("user.id",), 3600, 0, None)
    (rule,) = load_rules(written(tmp_path, "veilleur: {limit: none}\n")).rules.values()
    assert rule.limit == Limit(0, 0, 0)


@pytest.mark.parametrize(
    ("said", "field", "problem"),
    [
        ("limit: often", "veilleur.limit", "a map such as"),
        ("limit: {alerts: 2, within: 1m}", "veilleur.limit.silence", "such as 1h"),
        ("limit: {alerts: 0, within: 1m, silence: 1m}", "veilleur.limit.alerts", "a number from 1"),
        ("limit: {alerts: true, within: 1m, silence: 1m}", "veilleur.limit.alerts", "a number from 1"),
        ("limit: {alerts: 1, within: 0s, silence: 1m}", "veilleur.limit", "at least a second"),
        ("limit: {alerts: 1, within: 1m, silence: 1m, by: [user.id]}", "veilleur.limit.by", "not a field of the group"),
        ("limit: {alerts: 1, within: 1m, silence: 1m, of: x}", "veilleur.limit.of", "unknown key"),
        ("group-by: []", "veilleur.group-by", "a list of different fields"),
        ("group-by: [source.ip, source.ip]", "veilleur.group-by", "a list of different fields"),
        ("again: soon", "veilleur.again", "such as 1h"),
    ],
)
def test_what_cannot_be_honoured_is_named(tmp_path: Path, said: str, field: str, problem: str) -> None:
    grouped = said if said.startswith("group-by") else f"group-by: [source.ip], {said}"
    (error,) = load_rules(written(tmp_path, f"veilleur: {{{grouped}}}\n")).errors
    assert error.field == field and problem in error.problem


def test_a_correlation_has_its_own_group_and_may_be_limited_by_a_part_of_it(tmp_path: Path) -> None:
    correlation = """\
---
title: Many failures
id: 00000000-0000-4000-8000-000000000002
correlation: {type: event_count, rules: [failed], group-by: [source.ip, user.id], timespan: 1h, condition: {gte: 3}}
veilleur: {%s}
"""
    loaded = load_rules(written(tmp_path, correlation % WISH))
    assert loaded.errors == () and loaded.rules["00000000-0000-4000-8000-000000000002"].limit == Limit(2, 60, 900, ("source.ip",))
    (error,) = load_rules(written(tmp_path, correlation % "group-by: [user.id]")).errors
    assert error.field == "veilleur.group-by" and "its own group-by" in error.problem
