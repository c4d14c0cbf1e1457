from datetime import timedelta

from siem.incidents.filters import AlertFilter
from siem.incidents.model import AlertState, Verdict
from tests.siem.incidents.conftest import (
    ANALYST,
    NIGHT,
    Watch,
    attack_detections,
    attack_events,
    detect,
    make_event,
    only,
    picture,
)


def test_the_same_detections_again_change_nothing(watch: Watch) -> None:
    watch.attack()
    before = picture(watch)
    again = watch.attack()
    assert (again.new_alerts, again.updated_alerts, again.incidents_touched) == ((), (), ())
    assert picture(watch) == before


def test_what_happened_after_an_alert_was_closed_opens_a_new_one_and_what_happened_before_does_not(watch: Watch) -> None:
    watch.now = NIGHT + timedelta(minutes=30)
    first = make_event("a", 0)
    alert_id = watch.feed(detect("glass", first), events=(first,)).new_alerts[0]
    watch.incidents.close([alert_id], Verdict.LEGITIMATE, "urgence vitale", ANALYST)
    late = make_event("b", 20)
    assert watch.feed(detect("glass", late), events=(late,)).updated_alerts == (alert_id,)
    assert watch.incidents.alert(ANALYST, alert_id).state is AlertState.CLOSED
    after = make_event("c", 45)
    assert len(watch.feed(detect("glass", after), events=(after,)).new_alerts) == 1
    assert watch.feed(detect("glass", first), detect("glass", late), events=(first, late)).new_alerts == ()


def test_a_rule_that_is_gone_leaves_its_alerts_readable_and_its_detections_visible(watch: Watch) -> None:
    watch.attack()
    before = only(watch)
    watch.incidents.rules = {}
    late = make_event("late", 36)
    watch.feed(detect("fatigue", late), detect("brand-new", late), events=(late,))
    assert only(watch).id == before.id
    assert "T1621" in only(watch).techniques
    titles = {alert.title for alert in watch.incidents.alerts(ANALYST, AlertFilter()).items}
    assert {"Règle fatigue", "Règle retirée brand-new"} <= titles


def test_events_of_earlier_batches_that_cannot_be_found_still_count(watch: Watch) -> None:
    events = attack_events()
    watch.feed(*attack_detections(events), events=())
    assert only(watch).techniques == ("T1020", "T1078", "T1213", "T1548", "T1621")
