from pathlib import Path

import pytest

from siem.detection.load import Ruleset, load_rules
from siem.detection.match import Matcher
from siem.detection.predicates import View

RULE = """\
title: Failed login
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: veilleur, service: idp}
detection:
  selection: {event.action: login.failed}
  condition: selection
"""
FILTER = """\
title: Not the probe
id: 00000000-0000-4000-8000-0000000000f1
logsource: {product: veilleur}
filter:
  rules: [failed]
  probe: {source.ip|cidr: 10.0.0.0/8}
  condition: not probe
"""


def load(folder: Path, rule: str = RULE, added: str = FILTER) -> Ruleset:
    (folder / "rule.yml").write_text(rule, encoding="utf-8")
    (folder / "a_filter.yml").write_text(added, encoding="utf-8")
    return load_rules(folder)


def matches(loaded: Ruleset, address: str) -> bool:
    fields = {"event.dataset": "idp.audit", "event.action": "login.failed", "source.ip": address}
    return bool(list(Matcher(loaded.singles).match(View(fields))))


@pytest.mark.parametrize("rules", ["[failed]", "failed", "[00000000-0000-4000-8000-000000000001]", "any", "[any]"])
def test_a_filter_is_added_to_the_rules_it_names(rules: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace("[failed]", rules))
    assert loaded.errors == ()
    assert len(loaded.rules) == 1
    assert matches(loaded, "192.0.2.1")
    assert not matches(loaded, "10.2.3.4")


def test_a_filter_without_not_keeps_only_what_it_names(tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace("not probe", "probe"))
    assert not matches(loaded, "192.0.2.1")


def test_a_filter_of_another_log_source_is_not_added(tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace("product: veilleur", "product: nginx"))
    assert matches(loaded, "10.2.3.4")


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "problem"),
    [
        ("[failed]", "[unknown]", 5, "filter.rules", "no rule has the name or id «unknown»"),
        ("[failed]", "[]", 5, "filter.rules", "names or ids"),
        ("cidr", "sidr", 6, "filter.probe.source.ip|sidr", "unknown modifier"),
        ("not probe", "not prob", 7, "filter.condition", "is not a selection"),
        ("source.ip", "source.pi", 6, "filter.probe.source.pi|cidr", "no field"),
        ("logsource: {product: veilleur}\n", "", 1, "logsource", "a map"),
    ],
)
def test_a_faulty_filter_is_named_and_hides_nothing(old: str, new: str, line: int, field: str, problem: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, added=FILTER.replace(old, new))
    (error,) = loaded.errors
    assert (error.path, error.line, error.field) == ("a_filter.yml", line, field)
    assert problem in error.problem
    assert matches(loaded, "10.2.3.4")
