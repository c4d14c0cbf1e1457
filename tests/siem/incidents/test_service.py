from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.access import Principal
from siem.detection import Detection
from siem.event import Event
from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.incidents.model import CRITERIA, AlertState, Forbidden, Incident, IncidentState, NotFound, Refused, Severity, Verdict
from tests.siem.incidents.conftest import (
    ANALYST,
    DIRECTOR,
    ELSEWHERE,
    LEAD,
    NIGHT,
    STRANGER,
    Watch,
    attack_detections,
    attack_events,
    detect,
    make_event,
)

ANSWERS = dict.fromkeys(CRITERIA, "non") | {"donnees_sante": "oui"}


def only(watch: Watch) -> Incident:
    page = watch.incidents.incidents(ANALYST, IncidentFilter())
    assert page.total == 1
    return page.items[0]


def picture(watch: Watch) -> tuple[object, object]:
    """What the alerts and incidents say, without the names they were given on the way."""
    alerts = watch.incidents.alerts(ANALYST, AlertFilter(limit=1000)).items
    shown = {alert.id: watch.incidents.alert(ANALYST, alert.id) for alert in alerts}
    told = {
        (a.rule_id, a.group, a.first_at, a.last_at, a.event_ids, a.count, a.summary, tuple(sorted(a.entities.items())), a.finess)
        for a in shown.values()
    }
    incidents = watch.incidents.incidents(ANALYST, IncidentFilter(limit=1000)).items
    gathered = {
        (
            i.title,
            i.severity,
            i.techniques,
            i.risk,
            i.first_at,
            i.last_at,
            i.finess,
            frozenset((shown[a.id].rule_id, a.group, a.first_at) for a in watch.incidents.alerts_of(ANALYST, i.id)),
        )
        for i in incidents
    }
    return told, gathered


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


def test_the_same_detections_again_change_nothing(watch: Watch) -> None:
    watch.attack()
    before = picture(watch)
    again = watch.attack()
    assert (again.new_alerts, again.updated_alerts, again.incidents_touched) == ((), (), ())
    assert picture(watch) == before


PEOPLE = ("P-AAAAAAAAAA", "P-BBBBBBBBBB", "P-CCCCCCCCCC")


@st.composite
def detections(draw: st.DrawFn) -> list[tuple[Detection, list[Event]]]:
    """Detections about few people, addresses and rules, over three days, so that they repeat, link, bridge and overlap."""
    made: list[tuple[Detection, list[Event]]] = []
    pool: dict[str, Event] = {}
    for n in range(draw(st.integers(2, 12))):
        person, ip = draw(st.sampled_from(PEOPLE)), draw(st.sampled_from(("203.0.113.7", "198.51.100.9")))
        minutes = [draw(st.sampled_from((0, 20, 50, 90, 200, 900, 1300, 2400, 4000))) + k for k in range(draw(st.integers(1, 3)))]
        events = [pool.setdefault(f"e-{person}-{ip}-{m}", make_event(f"e-{person}-{ip}-{m}", m, person, ip)) for m in minutes]
        rule = draw(st.sampled_from(("fatigue", "abroad", "sweep", "glass", "scan", "note", "worst")))
        made.append((detect(rule, *events, count=draw(st.none() | st.integers(1, 9)) if n % 2 else None), events))
    return made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fed=detections(), data=st.data())
def test_any_order_cut_and_replay_ends_in_the_same_alerts_and_incidents(
    make_watch: Callable[..., Watch], fed: list[tuple[Detection, list[Event]]], data: st.DataObject
) -> None:
    events = tuple({event.id: event for _, some in fed for event in some}.values())
    straight = make_watch()
    straight.feed(*(each for each, _ in fed), events=events)
    shuffled = make_watch()
    waiting = data.draw(st.permutations([each for each, _ in fed])) + data.draw(
        st.lists(st.sampled_from([each for each, _ in fed]), max_size=4)
    )
    while waiting:
        size = data.draw(st.integers(1, len(waiting)))
        part, waiting = waiting[:size], waiting[size:]
        shuffled.feed(*part, events=events)
    assert picture(shuffled) == picture(straight)
    for each in (straight, shuffled):
        each.database.close()


def test_a_bridge_makes_one_incident_of_two_and_both_keep_their_history(watch: Watch) -> None:
    first = watch.feed(*(both := pair("P-AAAAAAAAAA"))[0], events=both[1]).new_incidents[0]
    watch.now += timedelta(minutes=5)
    second = watch.feed(*(both := pair("P-BBBBBBBBBB"))[0], events=both[1]).new_incidents[0]
    watch.incidents.qualify(second, ANSWERS, "fuite probable", LEAD)
    watch.incidents.note(second, "appel au cadre de garde", LEAD)
    bridge = [
        make_event("x1", 40, "P-AAAAAAAAAA", health__session__id="s1"),
        make_event("x2", 41, "P-BBBBBBBBBB", health__session__id="s1"),
    ]
    touched = watch.feed(detect("export", *bridge), events=tuple(bridge)).incidents_touched
    assert touched == (first,)
    merged = only(watch)
    assert merged.id == first
    assert watch.incidents.incident(ANALYST, second).id == first
    assert merged.qualification["donnees_sante"] == "oui"
    assert merged.aware_at == watch.now
    assert {alert.incident_id for alert in watch.incidents.alerts(ANALYST, AlertFilter()).items} == {first}
    assert "appel au cadre de garde" in [entry.text for entry in watch.incidents.timeline(ANALYST, first)]
    with watch.database.reading() as conn:
        assert watch.incidents.family(conn, second) == (first, second)
        loaded = watch.incidents.load(conn, second)
    assert loaded is not None
    assert loaded.id == first


def pair(user: str) -> tuple[list[Detection], tuple[Event, ...]]:
    a, b = make_event(f"{user}1", 0, user, ip=""), make_event(f"{user}2", 5, user, ip="")
    return [detect("fatigue", a), detect("abroad", b)], (a, b)


def test_people_behind_one_address_are_not_one_incident(watch: Watch) -> None:
    for user in PEOPLE:
        detected, events = pair(user)
        watch.feed(*detected, events=tuple(Event(e.id, e.at, e.source, e.tenant, e.fields | {"source.ip": "192.0.2.1"}) for e in events))
    assert watch.incidents.incidents(ANALYST, IncidentFilter()).total == 3


def test_an_alert_about_an_address_links_people_unless_the_address_is_an_establishments_own(make_watch: Callable[..., Watch]) -> None:
    for networks, expected in (((), 1), (("203.0.113.0/24",), 0)):
        watch = make_watch(shared_networks=networks)
        scan = make_event("s1", 0, None)
        worse = make_event("s2", 3, "P-AAAAAAAAAA")
        watch.feed(detect("scan", scan), detect("fatigue", worse), events=(scan, worse))
        other = make_event("s3", 6, "P-BBBBBBBBBB")
        watch.feed(detect("sweep", other), events=(other,))
        assert watch.incidents.incidents(ANALYST, IncidentFilter()).total == expected


@pytest.mark.parametrize(("minutes", "expected"), [(24 * 60, 1), (24 * 60 + 1, 0)])
def test_alerts_further_apart_than_the_window_are_not_added_up(watch: Watch, minutes: int, expected: int) -> None:
    a, b = make_event("a", 0), make_event("b", minutes)
    watch.feed(detect("fatigue", a), detect("abroad", b), events=(a, b))
    assert watch.incidents.incidents(ANALYST, IncidentFilter()).total == expected


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


def test_a_dismissed_alert_neither_links_nor_weighs(watch: Watch) -> None:
    a, b = make_event("a", 0), make_event("b", 5)
    alert_id = watch.feed(detect("fatigue", a), events=(a,)).new_alerts[0]
    watch.incidents.close([alert_id], "false_positive", "téléphone de test", ANALYST)
    watch.feed(detect("abroad", b), events=(b,))
    assert watch.incidents.incidents(ANALYST, IncidentFilter()).total == 0


def test_activity_after_an_incident_was_closed_makes_a_new_one_that_says_what_it_follows(watch: Watch) -> None:
    watch.now = NIGHT + timedelta(hours=1)
    watch.attack()
    closed = only(watch)
    watch.incidents.move(closed.id, "closed", "compte rétabli", ANALYST, verdict="true_positive_impact")
    assert {a.state for a in watch.incidents.alerts_of(ANALYST, closed.id)} == {AlertState.CLOSED}
    a, b = make_event("n1", 120), make_event("n2", 125)
    follow = watch.feed(detect("fatigue", a), detect("abroad", b), events=(a, b)).new_incidents
    assert len(follow) == 1
    assert any(closed.number in entry.text for entry in watch.incidents.timeline(ANALYST, follow[0]))


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


def test_a_revocation_seen_in_the_log_enters_the_story_once(watch: Watch) -> None:
    watch.attack()
    revoked = make_event("rev", 60, event__action="session.revoked", health__actor__id="veilleur-siem")
    for _ in range(2):
        watch.feed(events=(revoked,))
    told = [entry for entry in watch.incidents.timeline(ANALYST, only(watch).id) if "Confirmé" in entry.text]
    assert [(entry.at, entry.reference) for entry in told] == [(revoked.at, "rev")]


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


def test_lists_are_filtered_searched_and_paged(watch: Watch) -> None:
    watch.attack()
    scan = make_event("scan", 0, None, "198.51.100.9")
    watch.feed(detect("scan", scan), events=(scan,))
    listed = watch.incidents.alerts(ANALYST, AlertFilter(limit=2))
    assert (len(listed.items), listed.total) == (2, 6)
    assert listed.items[0].severity is Severity.HIGH
    assert watch.incidents.alerts(ANALYST, AlertFilter(text="198.51.100.9")).total == 1
    assert watch.incidents.alerts(ANALYST, AlertFilter(text="100%_")).total == 0
    assert watch.incidents.alerts(ANALYST, AlertFilter(severities=frozenset({Severity.LOW}))).total == 1
    assert watch.incidents.alerts(ANALYST, AlertFilter(assignee="")).total == 6
    assert watch.incidents.alerts(ANALYST, AlertFilter(assignee=ANALYST.subject)).total == 0
    assert watch.incidents.incidents(ANALYST, IncidentFilter(text="P-AAAAAAAAAA")).total == 1


def test_events_of_earlier_batches_that_cannot_be_found_still_count(watch: Watch) -> None:
    events = attack_events()
    watch.feed(*attack_detections(events), events=())
    assert only(watch).techniques == ("T1020", "T1078", "T1213", "T1548", "T1621")
