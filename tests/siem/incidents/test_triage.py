import pytest

from siem.incidents.model import AlertState, Refused, Verdict
from tests.siem.incidents.conftest import (
    ANALYST,
    LEAD,
    Watch,
    detect,
    make_event,
)


def test_triage_in_bulk_does_what_it_can_and_says_why_not(watch: Watch) -> None:
    ids = list(watch.attack().new_alerts)
    done = watch.incidents.acknowledge([*ids, "nothing"], ANALYST)
    assert done.done == tuple(ids)
    assert done.left == (("nothing", "Alerte introuvable."),)
    with pytest.raises(Refused, match="motif"):
        watch.incidents.close(ids, Verdict.LEGITIMATE, " ", ANALYST)
    with pytest.raises(Refused, match="verdict"):
        watch.incidents.close(ids, "whatever", "raison", ANALYST)
    watch.incidents.close(ids[:1], Verdict.LEGITIMATE, "raison", ANALYST)
    again = watch.incidents.close(ids, Verdict.LEGITIMATE, "raison", LEAD)
    assert [left for left, _ in again.left] == ids[:1]
    changes = watch.incidents.history(ANALYST, "alert", ids[0])
    assert [(c.field, c.new, c.actor) for c in changes if c.field == "state"] == [
        ("state", "new", "veilleur"),
        ("state", "acknowledged", ANALYST.subject),
        ("state", "closed", ANALYST.subject),
    ]
    assert changes[-1].reason == "raison"


def test_escalating_makes_an_incident_and_brings_the_incidents_of_its_alerts_together(watch: Watch) -> None:
    a, b = make_event("a", 0, "P-AAAAAAAAAA", ip=""), make_event("b", 0, "P-BBBBBBBBBB", ip="")
    first, second = (watch.feed(detect("glass", e), events=(e,)).new_alerts[0] for e in (a, b))
    one = watch.incidents.escalate([first], ANALYST, "à vérifier")
    two = watch.incidents.escalate([second], ANALYST)
    assert one.number != two.number
    third = make_event("c", 5, "P-CCCCCCCCCC", ip="")
    alert_id = watch.feed(detect("glass", third), events=(third,)).new_alerts[0]
    joined = watch.incidents.escalate([first, second, alert_id], LEAD)
    assert joined.id == one.id
    assert joined.alert_count == 3
    assert watch.incidents.alert(ANALYST, alert_id).state is AlertState.ESCALATED
