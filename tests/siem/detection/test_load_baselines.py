"""Documents of baselines in a folder of rules: how they are wired, and what is refused with file, line and reason."""

from pathlib import Path

import pytest

from siem.detection.load import Ruleset, load_rules

BASE = """\
title: Read
id: 00000000-0000-4000-8000-000000000001
name: read
logsource: {product: fhir}
detection:
  selection: {event.action: record.read}
  condition: selection
---
title: Many reads
id: 00000000-0000-4000-8000-000000000002
name: many
correlation: {type: event_count, rules: [read], group-by: [user.id], timespan: 1h, condition: {gte: 9}}
"""
BASELINE = """\
---
title: New place
id: 00000000-0000-4000-8000-000000000003
name: place
veilleur:
  baseline:
    type: first_seen
    rules: [read]
    group-by: [user.id]
    field: source.ip
    lookback: 30d
    learning: 7d
"""


def loaded(folder: Path, text: str) -> Ruleset:
    (folder / "rules.yml").write_text(text, encoding="utf-8")
    return load_rules(folder)


def test_a_baseline_alerts_and_what_feeds_it_does_not(tmp_path: Path) -> None:
    found = loaded(tmp_path, BASE + BASELINE)
    assert found.errors == ()
    (one,) = found.baselines
    assert one.inputs == ("00000000-0000-4000-8000-000000000001",)
    assert (one.rule.subject, one.rule.correlation) == ("user.id", True)
    assert found.alerting == {"00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"}


def test_what_feeds_it_alerts_too_where_it_says_so(tmp_path: Path) -> None:
    correlation, generating = BASE.split("---\n")[0], BASELINE + "    generate: true\n"
    assert "00000000-0000-4000-8000-000000000001" in loaded(tmp_path, correlation + generating).alerting


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("lookback: 30d", "lookback: 30"), 23, "such as 30d"),
        (("field: source.ip", "fields: source.ip"), 22, "unknown key «fields»"),
        (("rules: [read]", "rules: [raed]"), 20, "no rule has the name or id «raed»"),
        (("rules: [read]", "rules: [many]"), 20, "«many» is not a rule on single events"),
        (("rules: [read]", "rules: [00000000-0000-4000-8000-000000000003]"), 20, "is not a rule on single events"),
        (("veilleur:\n", "detection: {s: {a: b}, condition: s}\nveilleur:\n"), 19, "no detection and no correlation of its own"),
    ],
)
def test_a_mistake_has_its_file_line_and_reason(tmp_path: Path, change: tuple[str, str], line: int, said: str) -> None:
    found = loaded(tmp_path, BASE + BASELINE.replace(*change))
    (error,) = found.errors
    assert (error.path, error.line) == ("rules.yml", line)
    assert said in error.problem
    assert found.baselines == ()
    assert "00000000-0000-4000-8000-000000000001" not in found.alerting, "a rule that feeds a broken one stays quiet"


OVER = """\
---
title: Over a habit
id: 00000000-0000-4000-8000-000000000004
correlation: {type: temporal_ordered, rules: [place, read], group-by: [user.id], timespan: 1h}
"""


def test_a_correlation_may_refer_to_a_baseline_which_then_only_feeds_it(tmp_path: Path) -> None:
    found = loaded(tmp_path, BASE + BASELINE + OVER)
    assert found.errors == ()
    (over,) = [one for one in found.correlations if one.rule.title == "Over a habit"]
    assert over.inputs == ("00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000001")
    assert "00000000-0000-4000-8000-000000000003" not in found.alerting
    assert {one.rule.id for one in found.only([over.rule.id]).baselines} == {"00000000-0000-4000-8000-000000000003"}
    assert {one.rule.id for one in found.only([over.rule.id]).singles} == {"00000000-0000-4000-8000-000000000001"}
    assert over.rule.id in found.fed_by(["00000000-0000-4000-8000-000000000001"])
    both = loaded(tmp_path, BASE + BASELINE + OVER.replace("timespan: 1h", "timespan: 1h, generate: true"))
    assert "00000000-0000-4000-8000-000000000003" in both.alerting


@pytest.mark.parametrize(
    ("habit", "over", "said"),
    [
        (("rules: [read]", "rules: [raed]"), ("", ""), "«place» was refused"),
        (("name: place\n", ""), ("", ""), "no rule has the name or id «place»"),
        (("", ""), ("group-by: [user.id]", "group-by: [no.such.field]"), "has no field «no.such.field»"),
    ],
)
def test_a_correlation_over_a_baseline_that_cannot_be_is_refused_by_name(
    tmp_path: Path, habit: tuple[str, str], over: tuple[str, str], said: str
) -> None:
    errors = loaded(tmp_path, BASE + BASELINE.replace(*habit) + OVER.replace(*over)).errors
    assert [error for error in errors if said in error.problem], errors


def test_nothing_is_built_on_a_rule_about_indicators(tmp_path: Path) -> None:
    listed = "---\ntitle: L\nid: 00000000-0000-4000-8000-000000000003\nveilleur: {indicators: {fields: {address: source.ip}}}\n"
    text = BASE.replace("rules: [read]", "rules: [00000000-0000-4000-8000-000000000003]") + listed
    (error,) = loaded(tmp_path, text).errors
    assert "nothing else can be built on what it finds" in error.problem


def test_a_filter_is_not_added_to_a_baseline(tmp_path: Path) -> None:
    text = "---\ntitle: F\nlogsource: {product: fhir}\nfilter: {rules: [place], selection: {user.id: x}, condition: not selection}\n"
    (error,) = loaded(tmp_path, BASE + BASELINE + text).errors
    assert "no rule on single events" in error.problem and error.path == "rules.yml"
