from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.incidents.grouping import Node, Rhythm, coalesce, fill, linked, makes_incident, node, risk_of, severity_of, title_of, total_risk
from siem.incidents.model import Severity
from tests.siem.incidents.conftest import NIGHT, detect, make_event

WINDOW = timedelta(hours=24)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    first = NIGHT + timedelta(hours=draw(st.integers(0, 60)))
    last = first + timedelta(hours=draw(st.integers(0, 5)))
    entities = {
        "user": draw(st.lists(st.sampled_from("ab"), max_size=1)),
        "session": draw(st.lists(st.sampled_from("st"), max_size=1)),
        "source.ip": draw(st.lists(st.sampled_from(("192.0.2.1", "203.0.113.7")), max_size=2)),
    }
    rule = draw(st.sampled_from(("r1", "r2", "r3", "r4")))
    return node(str(draw(st.integers(0, 10**6))), rule, draw(st.sampled_from((0, 10, 30, 60, 100))), (first, last), "user.id", entities)


@given(nodes(), nodes())
def test_being_linked_does_not_depend_on_who_is_asked_first(a: Node, b: Node) -> None:
    assert linked(a, b, WINDOW) == linked(b, a, WINDOW)


@given(st.lists(nodes(), max_size=7), nodes(), st.permutations(range(7)))
def test_making_an_incident_is_the_same_in_any_order_and_more_never_unmakes_it(some: list[Node], another: Node, order: list[int]) -> None:
    shuffled = [some[n] for n in order if n < len(some)]
    assert makes_incident(some, 100, WINDOW) == makes_incident(shuffled, 100, WINDOW)
    if makes_incident(some, 100, WINDOW):
        assert makes_incident([*some, another], 100, WINDOW)


@given(st.lists(nodes(), max_size=7))
def test_the_windows_tried_are_enough(some: list[Node]) -> None:
    hours = [NIGHT + timedelta(hours=h) for h in range(-24, 70)]
    any_window = any(total_risk(n for n in some if n.last_at >= start and n.first_at <= start + WINDOW) >= 100 for start in hours)
    assert makes_incident(some, 100, WINDOW) == any_window


@pytest.mark.parametrize(("address", "shared"), [("192.0.2.9", True), ("192.0.3.9", False), ("2001:db8::1", False), ("nonsense", True)])
def test_an_establishments_own_address_links_nothing(address: str, shared: bool) -> None:
    a = node("a", "r1", 60, (NIGHT, NIGHT), "source.ip", {"source.ip": [address]})
    b = node("b", "r2", 60, (NIGHT, NIGHT), "user.id", {"source.ip": [address], "user": ["u"]})
    assert linked(a, b, WINDOW, (ip_network("192.0.2.0/24"),)) is not shared


def test_a_rule_weighs_once_and_twice_for_a_watched_person() -> None:
    one = node("a", "r1", risk_of(Severity.HIGH, watched=False), (NIGHT, NIGHT), "user.id", {})
    two = node("b", "r1", risk_of(Severity.HIGH, watched=True), (NIGHT, NIGHT), "user.id", {})
    assert total_risk([one, one]) == 60
    assert total_risk([one, two]) == 120


def test_severity_is_the_gravest_and_critical_when_the_risk_is_twice_the_threshold() -> None:
    assert severity_of([Severity.LOW, Severity.HIGH], 199, 100) is Severity.HIGH
    assert severity_of([Severity.LOW], 200, 100) is Severity.CRITICAL


def test_a_sentence_is_filled_and_what_is_not_known_says_so() -> None:
    assert fill("{user.id} : {count} dossiers depuis {source.ip}", {"user.id": "P-A{count}"}, 3) == "P-A{count} : 3 dossiers depuis inconnu"


def test_detections_of_one_alert_are_joined_within_the_repeat_window_only() -> None:
    events = [make_event(str(minutes), minutes) for minutes in (0, 50, 170)]
    joined = coalesce([detect("glass", event) for event in reversed(events)], {"glass": Rhythm(timedelta(hours=1))})
    assert [sorted(each.event_ids) for each in joined] == [["0", "50"], ["170"]]


@pytest.mark.parametrize(
    ("techniques", "entities", "title"),
    [
        (("T1078", "T1621"), {"user": ("P-A",)}, "Compte professionnel probablement compromis par lassitude d’approbation — P-A"),
        (("T1110.003",), {"user": ("P-A", "P-B")}, "Force brute sur des comptes — 2 personnes"),
        ((), {"source.ip": ("192.0.2.1",)}, "Règle — 192.0.2.1"),
        ((), {}, "Règle"),
    ],
)
def test_an_incident_is_called_by_what_it_looks_like(techniques: tuple[str, ...], entities: dict[str, tuple[str, ...]], title: str) -> None:
    assert title_of(techniques, entities, "Règle") == title
