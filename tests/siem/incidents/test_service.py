from collections.abc import Callable
from datetime import timedelta

import pytest

from siem.access import Principal
from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.incidents.model import Forbidden, IncidentState, NotFound, Severity
from tests.siem.incidents.conftest import (
    ANALYST,
    ANSWERS,
    DIRECTOR,
    ELSEWHERE,
    NIGHT,
    STRANGER,
    Watch,
    only,
)


def test_an_attack_is_one_incident_with_its_techniques_and_its_story(watch: Watch) -> None:
    absorbed = watch.attack()
    assert len(absorbed.new_alerts) == 5
    incident = only(watch)
    assert absorbed.new_incidents == absorbed.incidents_touched == (incident.id,)
    assert incident.number == "INC-2026-0001"
    assert incident.techniques == ("T1020", "T1078", "T1213", "T1548", "T1621")
    assert (incident.severity, incident.risk, incident.state) == (Severity.CRITICAL, 270, IncidentState.NEW)
    assert incident.aware_at is None
    story = [entry.text for entry in watch.incidents.timeline(ANALYST, incident.id)]
    assert "3 demandes d’approbation refusées sur dossier-patient depuis 203.0.113.7, en 2 min" in story
    assert "Connexion réussie sur dossier-patient depuis 203.0.113.7 (São Paulo, BR)" in story
    assert "40 consultations de dossiers sur dossier-patient depuis 203.0.113.7, en 9 min" in story
    assert sum("Export de dossiers (312 dossiers)" in text for text in story) == 1


@pytest.mark.parametrize("stranger", [STRANGER, ELSEWHERE])
def test_alerts_and_incidents_of_another_establishment_or_tenant_do_not_exist(watch: Watch, stranger: Principal) -> None:
    alert_id = watch.attack().new_alerts[0]
    incident = only(watch)
    service = watch.incidents
    assert service.incidents(stranger, IncidentFilter(merged=True)).total == 0
    assert service.counters(stranger).incidents == 0
    assert service.figures(stranger, NIGHT, watch.now + timedelta(days=9)).incident_count == 0
    calls: list[Callable[[], object]] = [
        lambda: service.incident(stranger, incident.id),
        lambda: service.incident(stranger, incident.number),
        lambda: service.alerts_of(stranger, incident.id),
        lambda: service.timeline(stranger, incident.id),
        lambda: service.history(stranger, "incident", incident.id),
        lambda: service.qualify(incident.id, ANSWERS, "", stranger),
        lambda: service.move(incident.id, "closed", "x", stranger),
        lambda: service.note(incident.id, "x", stranger),
        lambda: service.assign_incident(incident.id, None, stranger),
        lambda: service.set_severity(incident.id, "low", "x", stranger),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    of_alerts: list[Callable[[], object]] = [
        lambda: service.alert(stranger, alert_id),
        lambda: service.related_alerts(stranger, alert_id),
        lambda: service.history(stranger, "alert", alert_id),
        lambda: service.escalate([alert_id], stranger),
    ]
    for call in of_alerts:
        with pytest.raises(NotFound if stranger is ELSEWHERE else (NotFound, Forbidden)):
            call()
    if stranger is ELSEWHERE:
        assert service.alerts(stranger, AlertFilter()).total == 0
        for bulk in (
            service.acknowledge([alert_id], stranger),
            service.assign([alert_id], None, stranger),
            service.analyse([alert_id], stranger),
            service.close([alert_id], "legitimate", "x", stranger),
        ):
            assert bulk.done == ()


def test_a_director_reads_the_incident_of_their_establishment_and_changes_nothing(watch: Watch) -> None:
    alert_id = watch.attack().new_alerts[0]
    incident = watch.incidents.incident(DIRECTOR, only(watch).id)
    assert len(watch.incidents.alerts_of(DIRECTOR, incident.id)) == 5
    for call in (
        lambda: watch.incidents.qualify(incident.id, ANSWERS, "", DIRECTOR),
        lambda: watch.incidents.note(incident.id, "x", DIRECTOR),
        lambda: watch.incidents.acknowledge([alert_id], DIRECTOR),
        lambda: watch.incidents.alerts(DIRECTOR, AlertFilter()),
    ):
        with pytest.raises(Forbidden):
            call()
