from pathlib import Path

import pytest

from siem.detection import Limit
from siem.detection.folders import OWN, RuleFolder
from siem.detection.load import Ruleset, load_rules
from tests.siem.detection.test_load import RULE

ID = "00000000-0000-4000-8000-000000000001"
SAID_NOTHING = RULE.replace("  repeat: 2h\n", "").replace("00000001", "00000002").replace("title: A rule", "title: Another\nname: another")
MANY = """\
title: Many
id: 00000000-0000-4000-8000-000000000003
correlation: {type: event_count, rules: [another], group-by: [user.id], timespan: 5m, condition: {gte: 3}}
"""


def _loaded(folder: Path, text: str, where: str = OWN) -> Ruleset:
    rules, own = folder / "rules", folder / where
    for made in (rules, own):
        made.mkdir(exist_ok=True)
    for name, rule in (("a", RULE), ("b", SAID_NOTHING), ("c", MANY)):
        (rules / f"{name}.yml").write_text(rule, "utf-8")
    (own / "alerting.yml").write_text(text, "utf-8")
    return load_rules(rules, RuleFolder(own, "own"))


def test_what_is_said_for_all_holds_for_rules_that_say_nothing(tmp_path: Path) -> None:
    loaded = _loaded(tmp_path, "alerting: {default: {repeat: 6h, again: 1d}}")
    assert loaded.errors == ()
    assert {rule.path: (rule.repeat_seconds, rule.again_seconds) for rule in loaded.rules.values()} == {
        "a.yml": (7200, 86_400),
        "b.yml": (21_600, 86_400),
        "c.yml": (21_600, 86_400),
    }


def test_filters_are_no_rules_that_alert(tmp_path: Path) -> None:
    text = f"""\
alerting: {{default: {{repeat: 6h}}}}
---
title: Not at night
id: 00000000-0000-4000-8000-000000000009
logsource: {{product: veilleur, service: idp}}
filter: {{rules: [{ID}], night: {{source.ip: 192.0.2.1}}, condition: not night}}
veilleur: {{owner: Équipe, reason: sauvegarde, expires: 2027-01-31}}
"""
    loaded = _loaded(tmp_path, text)
    assert loaded.errors == ()
    assert [one.owner for one in loaded.filters] == ["Équipe"]
    misplaced = _loaded(tmp_path, text.replace("default:", "00000000-0000-4000-8000-000000000009:"))
    assert ["no rule has the name or id" in error.problem for error in misplaced.errors] == [True]


def test_what_is_said_of_one_rule_by_id_or_name_stands_above_its_own_word(tmp_path: Path) -> None:
    text = f"alerting:\n  {ID}: {{repeat: 1d, group-by: [source.ip]}}\n  another: {{limit: {{alerts: 2, within: 1m, silence: 1h}}}}\n"
    loaded = _loaded(tmp_path, text)
    assert loaded.errors == ()
    assert (loaded.rules[ID].repeat_seconds, loaded.rules[ID].group_by) == (86_400, ("source.ip",))
    other = loaded.rules[ID[:-1] + "2"]
    assert (other.repeat_seconds, other.limit) == (3600, Limit(2, 60, 3600, ()))
    assert [one.rule.repeat_seconds for one in loaded.singles if one.rule.id == ID] == [86_400], "the engine's rule is the same"


@pytest.mark.parametrize(
    ("text", "line", "field", "problem"),
    [
        ("alerting:\n  nobody: {repeat: 1d}", 2, "alerting.nobody", "no rule has the name or id"),
        (f"alerting:\n  {ID}: {{repeat: soon}}", 2, f"alerting.{ID}.repeat", "such as 1h"),
        (f"alerting:\n  {ID}: {{titre: x}}", 2, f"alerting.{ID}.titre", "unknown key"),
        (f"alerting:\n  {ID}: 3", 2, f"alerting.{ID}", "a map such as"),
        (
            f"alerting:\n  {ID}: {{limit: {{alerts: 1, within: 1m, silence: 1m, by: [user.id]}}}}",
            2,
            f"alerting.{ID}.limit.by",
            "not a field",
        ),
        ("alerting:\n  default: {limit: none}", 2, "alerting.default.limit", "unknown key"),
        ("alerting:\n  00000000-0000-4000-8000-000000000003: {group-by: [source.ip]}", 2, None, "its own group-by"),
        (f"alerting:\n  {ID}: {{repeat: 1d}}\n---\nalerting:\n  {ID}: {{repeat: 2d}}", 5, f"alerting.{ID}", "twice"),
        ("alerting: [a]", 1, "alerting", "a map from ids"),
    ],
)
def test_what_cannot_be_honoured_is_named_and_the_rules_go_on(
    tmp_path: Path, text: str, line: int, field: str | None, problem: str
) -> None:
    loaded = _loaded(tmp_path, text)
    (error,) = loaded.errors
    assert (error.line, problem in error.problem) == (line, True)
    assert field is None or error.field == field
    assert len(loaded.rules) == 3


def test_only_the_operator_says_how_rules_alert(tmp_path: Path) -> None:
    loaded = _loaded(tmp_path, f"alerting: {{{ID}: {{repeat: 30d}}}}", where="pulled")
    assert "own folder alone" in loaded.errors[0].problem
    assert loaded.rules[ID].repeat_seconds == 7200
