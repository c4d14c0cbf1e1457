from dataclasses import replace
from datetime import timedelta

import pytest

from siem.incidents.model import Severity
from siem.response.playbook import EXTERNALS, Trigger, externals
from tests.siem.incidents.conftest import NOW
from tests.siem.response.conftest import COMPROMISED, Bench


@pytest.mark.parametrize(
    ("techniques", "severity", "fits"),
    [
        ({"T1621"}, Severity.HIGH, True),
        ({"T1621"}, Severity.CRITICAL, True),
        ({"T1999"}, Severity.LOW, False),
        ({"T1110"}, Severity.LOW, True),
    ],
)
def test_a_trigger_looks_at_techniques_and_severity(bench: Bench, techniques: set[str], severity: Severity, fits: bool) -> None:
    incident = replace(bench.incident(), techniques=("T1621", "T1110.003"))
    assert Trigger(frozenset(techniques), severity, automatic=False).fits(incident) is fits
    assert not Trigger(frozenset(techniques), Severity.CRITICAL, automatic=False).fits(replace(incident, severity=Severity.HIGH))


def test_an_incident_gives_every_external_variable(bench: Bench) -> None:
    values = externals(bench.incident())
    assert values.keys() == EXTERNALS.keys()
    assert values["__personnes__"] == "P-AAAAAAAAAA"
    assert values["__techniques__"] == "T1020,T1078,T1213,T1548,T1621"


def test_a_playbook_is_in_force_between_its_dates_unless_revoked() -> None:
    bounded = replace(COMPROMISED, valid_from=NOW, valid_until=NOW + timedelta(days=1))
    assert [bounded.in_force(NOW + timedelta(hours=hours)) for hours in (-1, 0, 23, 24)] == [False, True, True, False]
    assert not replace(bounded, revoked=True).in_force(NOW)


def test_steps_are_read_in_the_order_they_happen() -> None:
    order = [step.action for step in COMPROMISED.ordered() if step.action]
    assert order == ["preserve_evidence", "list_sessions", "revoke_sessions", "preserve_evidence", "watch_account", "open_dossier"]
