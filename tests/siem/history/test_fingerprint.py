"""A fingerprint changes when a rule finds other events, and only then."""

import os
import subprocess
import sys

import pytest

from siem.detection.documents import parse_documents
from siem.detection.load import load_rules
from siem.detection.naming import find_rule
from siem.history.fingerprint import fingerprints
from siem.settings import ROOT

RULES = ROOT / "rules"
BEFORE = fingerprints(load_rules(RULES))


def changed(file: str, old: str, new: str) -> set[str]:
    """Rules whose fingerprint differs after an edit of a file, by file name."""
    text = (RULES / file).read_text("utf-8")
    assert old in text
    documents, errors = parse_documents(text.replace(old, new), "edited.yml")
    assert errors == []
    ruleset = load_rules(RULES, instead=documents)
    assert ruleset.errors == ()
    after = fingerprints(ruleset)
    return {ruleset.rules[rule_id].title for rule_id in after if after[rule_id] != BEFORE[rule_id]}


def test_every_rule_that_raises_alerts_has_one_of_its_own() -> None:
    ruleset = load_rules(RULES)
    assert BEFORE.keys() == ruleset.alerting | {one.rule.id for one in ruleset.baselines}
    assert len(set(BEFORE.values())) == len(BEFORE)
    assert find_rule(ruleset, "fhir_record_read").id not in BEFORE


@pytest.mark.parametrize(
    ("old", "new"), [("level: high", "level: low"), ("title: Bulk", "title: Large"), ("repeat: 4h", "repeat: 1h"), ("A planned", "Any")]
)
def test_words_about_a_rule_do_not_change_it(old: str, new: str) -> None:
    assert changed("access/fhir_bulk_export.yml", old, new) == set()


def test_a_condition_changes_the_rule_and_whatever_it_feeds() -> None:
    assert changed("access/fhir_bulk_export.yml", "gte: 500", "gte: 400") == {"Bulk export of records"}
    fed = changed("access/fhir_record_sweep.yml", "event.action: record.read", "event.action: record.searched")
    assert fed == {
        "Sweep of patient records",
        "One account used from many addresses",
        "Many more patients than colleagues",
        "Many more patients than usual",
        "Export after more records than usual",
        "Rather more patients than usual",
    }
    assert changed("access/fhir_record_sweep.yml", "timespan: 1h", "timespan: 2h") == {"Sweep of patient records"}


def test_where_a_rule_looks_for_indicators_and_how_sure_they_are_is_what_it_says() -> None:
    assert changed("indicators/indicator_confidence_high.yml", "gte: 80", "gte: 70") == {"Listed indicator of high confidence"}
    assert changed("indicators/indicator_confidence_high.yml", "level: high", "level: low") == set()


def test_another_process_says_the_same() -> None:
    code = (
        "from siem.detection.load import load_rules; from siem.history.fingerprint import fingerprints; from siem.settings import ROOT;"
        "print(sorted(fingerprints(load_rules(ROOT / 'rules')).items()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, check=True)
    assert done.stdout.strip() == str(sorted(BEFORE.items()))
