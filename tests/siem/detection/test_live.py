from pathlib import Path

from siem.detection.live import LiveRules
from siem.detection.load import load_rules
from tests.siem.detection.test_filters import FILTER, RULE


def test_what_was_written_meanwhile_is_in_force_once_the_rules_are_renewed(tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(RULE, encoding="utf-8")
    rules = LiveRules(lambda more: load_rules(tmp_path, *more))
    (rule_id,) = rules
    (tmp_path / "a_filter.yml").write_text(FILTER, encoding="utf-8")
    assert rules.current.filters == () and len(rules) == 1 and rules[rule_id].title == "Failed login"
    rules.renew()
    assert [one.title for one in rules.current.filters_of(rule_id)] == ["Not the probe"]
