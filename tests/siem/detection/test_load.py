from pathlib import Path
from time import process_time

import pytest

from siem.detection.heading import id_from
from siem.detection.load import Ruleset, load_rules

RULE = """\
title: A rule
id: 00000000-0000-4000-8000-000000000001
author: Veilleur
license: Apache-2.0
date: 2026-11-22
tags:
  - attack.initial-access
  - attack.t1110.003
logsource:
  product: veilleur
  service: idp
detection:
  selection:
    event.action|startswith: login.
  condition: selection
level: high
veilleur:
  titre: Une règle
  resume: "{user.id} s’est connecté."
  subject: user.id
  repeat: 2h
"""


def load(folder: Path, **files: str) -> Ruleset:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return load_rules(folder)


def test_a_rule_keeps_what_the_rest_of_the_watch_needs(tmp_path: Path) -> None:
    loaded = load(tmp_path, good=RULE)
    assert loaded.errors == ()
    (rule,) = loaded.rules.values()
    assert (rule.title, rule.title_fr, rule.author, rule.licence) == ("A rule", "Une règle", "Veilleur", "Apache-2.0")
    assert (rule.level, rule.techniques, rule.subject, rule.repeat_seconds) == ("high", ("T1110.003",), "user.id", 7200)
    assert (rule.path, rule.source_text, rule.correlation) == ("good.yml", RULE, False)
    assert loaded.alerting == {rule.id}


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("level: high", "level: hot", 16, "level", "one of informational"),
        ("condition: selection", "condition: selektion", 15, "detection.condition", "«selektion» is not a selection"),
        (
            "event.action|startswith: login.",
            "event.action|begins: login.",
            14,
            "detection.selection.event.action|begins",
            "unknown modifier",
        ),
        ("event.action|startswith: login.", "event.akshun: login.", 14, "detection.selection.event.akshun", "no field «event.akshun»"),
        ("product: veilleur", "product: vms", 9, "logsource", "no source gives product vms"),
        ("repeat: 2h", "repeat: often", 21, "veilleur.repeat", "such as 1h"),
        ("titre: Une règle", "titel: Une règle", 18, "veilleur.titel", "unknown key"),
        ("title: A rule", "title: ''", 1, "title", "a title is expected"),
        ("title: A rule", "title: [A]", 1, "title", "a text is expected"),
        ("detection:", "detektion:", 1, "detection", "a detection or a correlation"),
        ("selection:\n", "selection: {}\n  other:\n", 13, "detection.selection", "the selection is empty"),
        ("  condition:", "  timeframe: 5m\n  condition:", 15, "detection.timeframe", "obsolete"),
        ("level: high", "level: high\nlevel: low", 17, "", "written twice"),
        ("level: high", "level: [high", 17, "", "not YAML"),
    ],
)
def test_a_broken_rule_is_named_by_file_line_and_field_and_spares_the_others(
    old: str, new: str, line: int, field: str, problem: str, tmp_path: Path
) -> None:
    assert old in RULE
    other = RULE.replace("000000000001", "000000000002").replace("A rule", "Another")
    loaded = load(tmp_path, broken=RULE.replace(old, new), good=other)
    (error,) = loaded.errors
    assert (error.path, error.line, error.field) == ("broken.yml", line, field)
    assert problem in error.problem
    assert [rule.title for rule in loaded.rules.values()] == ["Another"]


def test_an_id_is_used_once(tmp_path: Path) -> None:
    loaded = load(tmp_path, a=RULE, b=RULE)
    assert [(error.path, error.field) for error in loaded.errors] == [("b.yml", "id")]


def test_dates_and_versions_stay_texts(tmp_path: Path) -> None:
    loaded = load(tmp_path, good=RULE.replace("event.action|startswith: login.", "event.reason: 2026-11-22"))
    assert loaded.errors == ()


CORRELATION = """\
title: Many
id: 00000000-0000-4000-8000-0000000000aa
name: many
correlation:
  type: event_count
  rules: [{rule}]
  group-by: [user.id]
  timespan: 5m
  condition: {{gte: 3}}
"""


def test_a_rule_that_feeds_a_correlation_stays_quiet_even_where_the_correlation_is_broken(tmp_path: Path) -> None:
    named = RULE.replace("title: A rule", "title: A rule\nname: login")
    loaded = load(tmp_path, base=named, many=CORRELATION.format(rule="login"))
    assert loaded.errors == ()
    assert loaded.alerting == {"00000000-0000-4000-8000-0000000000aa"}
    broken = load(tmp_path, many=CORRELATION.format(rule="login").replace("5m", "five"))
    assert [(error.path, error.line, error.field) for error in broken.errors] == [("many.yml", 8, "correlation.timespan")]
    assert broken.alerting == set()
    generating = load(tmp_path, many=CORRELATION.format(rule="login").replace("  type", "  generate: true\n  type"))
    assert len(generating.alerting) == 2


def test_a_reference_may_be_an_id_and_must_lead_somewhere(tmp_path: Path) -> None:
    assert load(tmp_path, base=RULE, many=CORRELATION.format(rule="00000000-0000-4000-8000-000000000001")).errors == ()
    loaded = load(tmp_path, many=CORRELATION.format(rule="nowhere"))
    assert [(error.line, error.field, error.problem) for error in loaded.errors] == [
        (6, "correlation.rules", "no rule has the name or id «nowhere»")
    ]


def test_correlations_that_go_in_circles_are_refused(tmp_path: Path) -> None:
    other = CORRELATION.format(rule="many").replace("0000000000aa", "0000000000bb").replace("name: many", "name: more")
    loaded = load(tmp_path, a=CORRELATION.format(rule="more"), b=other)
    assert len(loaded.errors) == 2
    assert loaded.rules == {}


def test_correlations_stand_after_what_they_refer_to(tmp_path: Path) -> None:
    named = RULE.replace("title: A rule", "title: A rule\nname: login")
    parent = (
        CORRELATION.format(rule="many").replace("0000000000aa", "0000000000bb").replace("name: many", "name: more").replace("Many", "More")
    )
    loaded = load(tmp_path, a_parent=parent, b_child=CORRELATION.format(rule="login"), c_base=named)
    assert loaded.errors == ()
    assert [one.name for one in loaded.correlations] == ["many", "more"]


def test_a_part_of_a_rule_set_holds_what_feeds_it_and_nothing_else(tmp_path: Path) -> None:
    def correlation(number: int, name: str, feeding: str) -> str:
        return (
            f"title: C{number}\nid: 00000000-0000-4000-8000-00000000000{number}\nname: {name}\n"
            f"correlation: {{type: event_count, rules: [{feeding}], timespan: 1h, group-by: [user.id], condition: {{gte: 2}}}}\n"
        )

    first = RULE.replace("title: A rule", "title: A rule\nname: first")
    loaded = load(
        tmp_path, a=first, b=correlation(2, "middle", "first"), c=correlation(3, "top", "middle"), d=correlation(4, "aside", "first")
    )
    assert loaded.errors == ()
    part = loaded.only(["00000000-0000-4000-8000-000000000003"])
    assert [rule_id[-1] for rule_id in part.rules] == ["1", "2", "3"]
    assert [one.rule.id[-1] for one in part.singles] == ["1"] and part.alerting == {"00000000-0000-4000-8000-000000000003"}


def test_a_rule_without_an_id_keeps_one_for_as_long_as_its_name(tmp_path: Path) -> None:
    nameless = RULE.replace("id: 00000000-0000-4000-8000-000000000001\n", "")
    (found,) = load(tmp_path, good=nameless).rules
    (again,) = load(tmp_path, good=nameless.replace("level: high", "level: low")).rules
    (named,) = load(tmp_path, good=nameless.replace("title: A rule", "title: A rule\nname: login")).rules
    assert found == again == id_from("", "A rule")
    assert named == id_from("login", "A rule")


@pytest.mark.parametrize(
    ("group_by", "problem"),
    [
        ("user.idd", "the rule «login» has no field «user.idd»; is «user.id» meant?"),
        ("who]\n  aliases: {who: {login: user.idd}}\n  generate: false #", "«user.idd», which «who» stands for; is «user.id» meant?"),
    ],
)
def test_a_correlation_by_a_field_that_the_rule_never_has_is_refused(group_by: str, problem: str, tmp_path: Path) -> None:
    named = RULE.replace("title: A rule", "title: A rule\nname: login")
    text = CORRELATION.format(rule="login").replace("[user.id]", f"[{group_by}]".replace("#]", "#"))
    (error,) = load(tmp_path, base=named, many=text).errors
    assert (error.path, error.line, error.field) == ("many.yml", 7, "correlation.group-by")
    assert problem in error.problem


def test_a_hundred_broken_files_are_named_each_and_spare_the_rest(tmp_path: Path) -> None:
    broken = [
        "[" * 400_000,
        "- " * 400_000,
        "a: &a [b, b]\n" + "".join(f"a{n}: &a{n} [*a{'' if n == 1 else n - 1}, *a{'' if n == 1 else n - 1}]\n" for n in range(1, 60)),
        "title: x\n---\n" * 5000,
        RULE.replace("login.", "'%who%'").replace("startswith", "expand"),
        RULE.replace("startswith: login.", "re: (a+)+(?=b)"),
        RULE.replace("condition: selection", "condition: " + " or ".join(["1 of them"] * 60_000)),
        RULE.replace("condition: selection", "condition: " + "(" * 100_000),
        RULE.replace("condition: selection", "condition: " + "not " * 100_000 + "selection"),
        "x" * 999_999,
        "\0",
        "a: !!python/object/apply:os.system [id]",
    ]
    for number in range(100):
        (tmp_path / f"broken{number:03}.yml").write_text(broken[number % len(broken)].replace("000000000001", f"{number + 10:012}"))
    (tmp_path / "z_good.yml").write_text(RULE)
    begun = process_time()
    loaded = load_rules(tmp_path)
    assert process_time() - begun < 60
    assert {error.path for error in loaded.errors} == {f"broken{number:03}.yml" for number in range(100)}
    assert all(error.problem for error in loaded.errors)
    assert [rule.path for rule in loaded.rules.values()] == ["z_good.yml"]


def test_a_file_that_ends_in_yaml_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text(RULE, encoding="utf-8")
    assert [str(error) for error in load(tmp_path).errors] == ["rule.yaml: the file is not read: files of rules end in .yml"]
