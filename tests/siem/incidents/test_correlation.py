from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.event import Event
from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.incidents.model import AlertState
from tests.examples import examples
from tests.siem.incidents.conftest import (
    ANALYST,
    ANSWERS,
    LEAD,
    NIGHT,
    PEOPLE,
    Watch,
    detect,
    make_event,
    only,
    pair,
    picture,
)


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


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
