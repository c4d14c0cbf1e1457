from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.event import Event
from siem.incidents.exposure import KINDS
from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.incidents.model import Verdict
from siem.incidents.service import Incidents
from siem.incidents.suppression import AlertPolicy
from tests.siem.incidents.conftest import ANALYST, DIRECTOR, ELSEWHERE, NIGHT, PEOPLE, RULES, Watch, detect, make_event

HALF = timedelta(days=3)
HIGH = AlertPolicy(half_life=HALF, entity_threshold=100)
DAY = 24 * 60
WHO = st.sampled_from(PEOPLE[:2])


def two_days(watch: Watch, apart: float = 1.2) -> tuple[Event, Event]:
    """Two grave alerts about one person, further apart than the window that links alerts."""
    events = make_event("monday", 0), make_event("tuesday", apart * DAY)
    watch.feed(detect("fatigue", events[0]), events=events[:1])
    watch.feed(detect("abroad", events[1]), events=events[1:])
    return events


def test_the_risk_is_that_of_the_last_alert_and_halves_with_time(watch: Watch) -> None:
    watch.attack()
    watch.now = NIGHT + timedelta(minutes=35) + HALF
    (person,) = watch.incidents.risks(ANALYST, kind="user")
    assert person.value == "P-AAAAAAAAAA" and person.at == NIGHT + timedelta(minutes=35)
    assert person.score_then == pytest.approx(60 * 4 + 30, abs=1) and person.score == pytest.approx(person.score_then / 2)
    assert {one.kind for one in watch.incidents.risks(ANALYST)} == {"user", "structure"}


def test_patients_and_devices_have_a_risk_of_their_own(watch: Watch) -> None:
    event = make_event("a", 0, health__patient__pseudonym="PAT-1", health__device__id="d-1")
    watch.feed(detect("glass", event), events=(event,))
    watch.now = NIGHT
    assert {(one.kind, one.value, one.score) for one in watch.incidents.risks(ANALYST)} == {
        ("user", "P-AAAAAAAAAA", 30),
        ("patient", "PAT-1", 30),
        ("device", "d-1", 30),
        ("structure", "0B0000005", 30),
    }


def test_each_alert_behind_it_is_told_with_its_weight_and_what_is_left(watch: Watch) -> None:
    two_days(watch)
    watch.now = NIGHT + timedelta(minutes=1.2 * DAY)
    told = watch.incidents.risk_of(ANALYST, "user", "P-AAAAAAAAAA")
    assert told is not None
    parts = [(alert.rule_id, share.weight.points, round(share.counted)) for alert, share in told.alerts]
    assert parts == [("abroad", 60, 60), ("fatigue", 60, 45)]
    assert told.exposure.score == pytest.approx(sum(share.counted for _, share in told.alerts))
    assert watch.incidents.risk_of(ANALYST, "user", "P-NOBODY") is None


def test_a_verdict_of_false_takes_the_weight_away(watch: Watch) -> None:
    event = make_event("a", 0)
    (alert_id,) = watch.feed(detect("glass", event), events=(event,)).new_alerts
    watch.incidents.close([alert_id], Verdict.FALSE_POSITIVE, "vu", ANALYST)
    assert watch.incidents.risks(ANALYST) == ()
    watch.incidents.analyse([alert_id], ANALYST)
    assert watch.incidents.risks(ANALYST) != ()


def test_a_risk_that_reaches_the_threshold_makes_an_incident_over_days(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(alerting=HIGH)
    two_days(watch)
    (incident,) = watch.incidents.incidents(ANALYST, IncidentFilter()).items
    assert incident.alert_count == 2 and incident.entities["user"] == ("P-AAAAAAAAAA",)
    quiet = make_watch(alerting=HIGH)
    two_days(quiet, apart=4)
    assert quiet.incidents.incidents(ANALYST, IncidentFilter()).total == 0
    off = make_watch()
    two_days(off)
    assert off.incidents.incidents(ANALYST, IncidentFilter()).total == 0


def test_an_establishment_or_a_patient_alone_makes_no_incident(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(alerting=HIGH)
    events = [make_event(f"e{n}", n * 1.2 * DAY, user, "", health__patient__pseudonym="PAT-1") for n, user in enumerate(PEOPLE)]
    for rule, event in zip(("fatigue", "abroad", "sweep"), events, strict=True):
        watch.feed(detect(rule, event), events=(event,))
    assert watch.incidents.incidents(ANALYST, IncidentFilter()).total == 0
    assert {one.kind: round(one.score_then) for one in watch.incidents.risks(ANALYST) if one.kind != "user"}["patient"] > 100


def test_who_does_not_see_every_establishment_sees_no_sum_over_them(watch: Watch) -> None:
    watch.attack()
    assert watch.incidents.risks(ELSEWHERE) == () and watch.incidents.risk_of(ELSEWHERE, "user", "P-AAAAAAAAAA") is None
    with pytest.raises(PermissionError):
        watch.incidents.risks(DIRECTOR)


def test_another_half_life_is_applied_to_what_is_kept(watch: Watch) -> None:
    two_days(watch)
    before = watch.incidents.risks(ANALYST, kind="user")[0].score_then
    assert watch.incidents.keep_risks() == 0
    slower = Incidents(watch.database, lambda: watch.now, RULES, alerting=AlertPolicy(half_life=timedelta(days=30)))
    assert slower.keep_risks() == 2
    assert slower.risks(ANALYST, kind="user")[0].score_then > before


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fed=st.lists(st.tuples(st.sampled_from(("fatigue", "abroad", "glass", "scan")), WHO, st.integers(0, 200)), max_size=8),
    data=st.data(),
)
def test_any_order_ends_in_the_same_risks_and_incidents(
    make_watch: Callable[..., Watch], fed: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    made = [(rule, make_event(f"{rule}-{user}-{hours}", hours * 60, user)) for rule, user, hours in fed]
    events = tuple(event for _, event in made)
    straight, shuffled = (make_watch(alerting=HIGH) for _ in range(2))
    straight.feed(*(detect(rule, event) for rule, event in made), events=events)
    for rule, event in data.draw(st.permutations(made)):
        shuffled.feed(detect(rule, event), events=events)

    def told(watch: Watch) -> object:
        risks = {(one.kind, one.value, round(one.score_then, 6), one.at, one.alert_count) for one in watch.incidents.risks(ANALYST)}
        alerts = watch.incidents.alerts(ANALYST, AlertFilter(limit=100)).items
        grouped: dict[str, set[object]] = {}
        for alert in alerts:
            if alert.incident_id:
                grouped.setdefault(alert.incident_id, set()).add((alert.rule_id, alert.subject, alert.first_at))
        return risks, {frozenset(members) for members in grouped.values()}

    assert told(straight) == told(shuffled)
    assert {kind for kind, *_ in told(straight)[0]} <= set(KINDS)  # type: ignore[index]
