"""A person names a rule as they know it, and is told what they may have meant."""

from pathlib import Path

import pytest

from siem.detection.load import Ruleset, load_rules
from siem.detection.naming import find_rule
from siem.errors import DataError

ROOT = Path(__file__).parents[3]
RULE = """\
title: {title}
id: 00000000-0000-4000-8000-{number:012d}
logsource: {{product: nginx}}
detection: {{one: {{url.path: /}}, condition: one}}
veilleur: {{titre: "{french}"}}
"""


@pytest.fixture(scope="module")
def ours() -> Ruleset:
    return load_rules(ROOT / "rules")


def test_a_rule_is_found_by_id_name_file_or_title_in_two_languages(ours: Ruleset) -> None:
    sweep = find_rule(ours, "access/fhir_record_sweep.yml")
    for name in (sweep.id, "fhir_record_sweep", "Access/FHIR_record_sweep", sweep.title, sweep.title.upper(), f"  {sweep.title_fr} "):
        assert find_rule(ours, name) is sweep
    assert find_rule(ours, "fhir_record_read").title == "Patient record read"


def test_the_begin_is_enough_where_only_one_rule_has_it(ours: Ruleset) -> None:
    sweep = find_rule(ours, "fhir_record_sweep")
    assert find_rule(ours, "fhir_record_sw") is find_rule(ours, sweep.id[:13]) is find_rule(ours, sweep.title_fr[:-4]) is sweep
    with pytest.raises(DataError, match="no rule in force"):
        find_rule(ours, sweep.id[:2])


def test_several_rules_that_may_be_meant_are_all_named(ours: Ruleset) -> None:
    with pytest.raises(DataError) as refused:
        find_rule(ours, "fhir_record")
    sweep, deleted = find_rule(ours, "fhir_record_sweep"), find_rule(ours, "fhir_records_deleted")
    assert all(f"«{one.title}» ({one.id})" in refused.value.problem for one in (sweep, deleted))
    with pytest.raises(DataError, match=r"and \d+ more"):
        find_rule(ours, "idp")


def test_a_slip_is_answered_with_what_was_meant(ours: Ruleset) -> None:
    with pytest.raises(DataError, match="did you mean fhir_record_sweep"):
        find_rule(ours, "fhir_record_swep")
    with pytest.raises(DataError, match="give its id"):
        find_rule(ours, "?" * 10_000)


def test_an_exact_title_is_meant_before_one_that_goes_on_and_the_same_one_twice_is_ambiguous(tmp_path: Path) -> None:
    titles = [("Probe", "Sonde"), ("Probe of the wall", "L’épreuve"), ("Same", "a"), ("Same", "b")]
    for number, (title, french) in enumerate(titles):
        (tmp_path / f"rule_{number:04d}.yml").write_text(RULE.format(title=title, french=french, number=number), "utf-8")
    ruleset = load_rules(tmp_path)
    assert find_rule(ruleset, "probe").title == "Probe"
    assert find_rule(ruleset, "l'e\u0301preuve").title == "Probe of the wall"
    with pytest.raises(DataError, match="2 rules may be meant"):
        find_rule(ruleset, "same")


def test_where_an_alert_is_asked_for_rules_that_only_feed_others_are_not_meant(ours: Ruleset) -> None:
    assert find_rule(ours, "idp_approval_refused").id not in ours.alerting
    with pytest.raises(DataError, match="no rule that raises alerts"):
        find_rule(ours, "idp_approval_refused", alerting=True)
