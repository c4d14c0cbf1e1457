from datetime import timedelta

import pytest

from siem.incidents.model import AlertState, IncidentState, Refused, Severity
from tests.siem.incidents.conftest import (
    ANALYST,
    ANSWERS,
    LEAD,
    NIGHT,
    Watch,
    detect,
    make_event,
    only,
)


def test_qualifying_sets_when_the_watch_knew_once_and_takes_the_alerts_along(watch: Watch) -> None:
    watch.attack()
    incident = only(watch)
    with pytest.raises(Refused) as refused:
        watch.incidents.qualify(incident.id, {"donnees_sante": "oui"}, "", ANALYST)
    assert refused.value.field == "securite_soins"
    qualified = watch.incidents.qualify(incident.id, ANSWERS, "export constaté", ANALYST)
    known = watch.now
    assert (qualified.aware_at, qualified.state, qualified.assignee) == (known, IncidentState.QUALIFICATION, ANALYST.subject)
    assert {a.state for a in watch.incidents.alerts_of(ANALYST, incident.id)} == {AlertState.ACKNOWLEDGED}
    watch.now += timedelta(hours=3)
    again = watch.incidents.qualify(incident.id, ANSWERS | {"autres_structures": "inconnu"}, "", LEAD)
    assert again.aware_at == known
    assert again.qualification["autres_structures"] == "inconnu"


def test_an_incident_goes_only_where_its_phase_allows_and_closing_needs_a_reason(watch: Watch) -> None:
    watch.attack()
    incident = only(watch)
    with pytest.raises(Refused, match="rétablissement"):
        watch.incidents.move(incident.id, IncidentState.RECOVERY, "", ANALYST)
    with pytest.raises(Refused, match="motif"):
        watch.incidents.move(incident.id, IncidentState.CLOSED, "  ", ANALYST)
    for state in ("qualification", "containment", "eradication", "recovery", "review"):
        watch.now += timedelta(minutes=10)
        assert watch.incidents.move(incident.id, state, "", ANALYST).state == state
    assert watch.incidents.move(incident.id, "closed", "fini", ANALYST).closed_at == watch.now
    assert watch.incidents.counters(ANALYST).incidents == 0
    assert watch.incidents.move(incident.id, "qualification", "récidive", LEAD).closed_at is None
    figures = watch.incidents.figures(ANALYST, NIGHT, watch.now + timedelta(days=1))
    assert figures.acknowledge_seconds == 600
    assert figures.contain_seconds == 1800
    assert figures.verdicts == {"undetermined": 5}


def test_a_severity_that_a_person_set_stays(watch: Watch) -> None:
    watch.attack()
    incident = only(watch)
    with pytest.raises(Refused, match="motif"):
        watch.incidents.set_severity(incident.id, "medium", "", ANALYST)
    watch.incidents.set_severity(incident.id, "medium", "exercice", ANALYST)
    worse = make_event("w", 50)
    watch.feed(detect("worst", worse), events=(worse,))
    assert only(watch).severity is Severity.MEDIUM
