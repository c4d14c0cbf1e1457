"""Mistakes that other engines made in correlations, each with its test here: what each engine did is what this one must not do.

Hayabusa 4.0.0 repaired three: ``temporal`` types that did not look at ``group-by``, an order that was checked against the first rule
alone, counts over more than the timespan. Wazuh: a second frequency rule on the same group starves the first.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from siem.detection.engine import Engine
from siem.event import Event
from tests.siem.detection.test_correlate import CHILD_ID, PARENT_ID, correlation, made, ruleset

SECTION = "type: {type}\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s"


def found(folder: Path, body: str, story: Sequence[tuple[int, str, str]]) -> list[tuple[str, ...]]:
    """Events of each detection, for a story of seconds, kinds and people."""
    engine = Engine(ruleset(folder, correlation(body)))
    events = made([(second, kind, user, "192.0.2.1", 0) for second, kind, user in story])
    return [one.event_ids for event in events for one in engine.evaluate([event]) if one.rule_id == PARENT_ID]


@pytest.mark.parametrize("kind", ["temporal", "temporal_ordered"])
@pytest.mark.trap("group-by of temporal types")
def test_what_happens_to_different_people_is_not_put_together(kind: str, tmp_path: Path) -> None:
    body = SECTION.format(type=kind)
    assert found(tmp_path, body, [(0, "a", "P-1"), (1, "b", "P-2"), (2, "c", "P-1")]) == []
    assert found(tmp_path, body, [(0, "a", "P-1"), (1, "b", "P-1"), (2, "c", "P-1")]) == [("e000", "e001", "e002")]


@pytest.mark.trap("order of all rules")
def test_an_order_is_that_of_all_the_rules_not_of_the_first_and_the_rest(tmp_path: Path) -> None:
    body = SECTION.format(type="temporal_ordered")
    assert found(tmp_path, body, [(0, "a", "P-1"), (1, "c", "P-1"), (2, "b", "P-1")]) == []
    assert found(tmp_path, body, [(0, "b", "P-1"), (1, "a", "P-1"), (2, "c", "P-1")]) == []
    assert found(tmp_path, body, [(0, "a", "P-1"), (1, "c", "P-1"), (2, "b", "P-1"), (3, "c", "P-1")]) == [("e000", "e002", "e003")]


@pytest.mark.trap("counts beyond the timespan")
def test_a_count_is_over_no_more_than_the_timespan(tmp_path: Path) -> None:
    body = "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 3}"
    assert found(tmp_path, body, [(0, "a", "P-1"), (40, "a", "P-1"), (61, "a", "P-1")]) == []
    assert found(tmp_path, body, [(0, "a", "P-1"), (40, "a", "P-1"), (60, "a", "P-1")]) == [("e000", "e001", "e002")]


@pytest.mark.trap("windows cut at fixed boundaries")
def test_a_window_is_not_cut_at_the_full_hour(tmp_path: Path) -> None:
    body = "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 1h\ncondition: {gte: 2}"
    assert found(tmp_path, body, [(3590, "a", "P-1"), (3610, "a", "P-1")]) == [("e000", "e001")]


@pytest.mark.trap("rules that starve each other")
def test_a_second_rule_over_the_same_events_takes_nothing_from_the_first(tmp_path: Path) -> None:
    low = correlation("type: event_count\nrules: [a]\ngroup-by: [source.ip]\ntimespan: 60s\ncondition: {gte: 3}", "low", CHILD_ID)
    high = correlation("type: event_count\nrules: [a]\ngroup-by: [source.ip]\ntimespan: 60s\ncondition: {gte: 6}")
    story = made([(second, "a", "P-1", "192.0.2.1", 0) for second in range(8)])
    for documents in ([low, high], [high, low]):
        engine = Engine(ruleset(tmp_path, *documents))
        events: dict[str, list[str]] = {PARENT_ID: [], CHILD_ID: []}
        for event in story:
            for one in engine.evaluate([event]):
                events[one.rule_id].extend(one.event_ids)
        # Each rule has every event, although each of them has fired in between.
        assert events == {PARENT_ID: [one.id for one in story], CHILD_ID: [one.id for one in story]}


@pytest.mark.trap("buffers that overflow in silence")
def test_a_flood_of_one_rule_takes_nothing_from_another_and_is_told(tmp_path: Path) -> None:
    quiet = correlation("type: event_count\nrules: [b]\ngroup-by: [user.id]\ntimespan: 60m\ncondition: {gte: 3}", "quiet", CHILD_ID)
    flooded = correlation("type: value_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60m\ncondition: {field: source.ip, gte: 900}")
    engine = Engine(ruleset(tmp_path, quiet, flooded), max_matches=500)
    detections = engine.evaluate(made([(0, "b", "P-1", "192.0.2.1", 0), (1, "b", "P-1", "192.0.2.1", 0)]))
    story = made([(2 + number // 100, "a", f"P-{number}", f"198.51.{number // 250}.{number % 250}", 0) for number in range(20_000)])
    for start in range(0, len(story), 1000):
        detections += engine.evaluate([_numbered(event, start + place) for place, event in enumerate(story[start : start + 1000])])
    assert engine.match_count <= 502
    assert [(alarm.rule_id, alarm.lost_count) for alarm in engine.alarms] == [(PARENT_ID, 19_500)]
    last = made([(900, "b", "P-1", "192.0.2.1", 0)])[0]
    (found,) = engine.evaluate([_numbered(last, 99_999)])
    assert (found.rule_id, len(found.event_ids)) == (CHILD_ID, 3)
    assert detections == []


def _numbered(event: Event, number: int) -> Event:
    return event._replace(id=f"n{number}")


def test_what_must_not_follow_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    body = "type: temporal\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: a and not b"
    engine = Engine(ruleset(tmp_path, correlation(body)), lateness=timedelta(seconds=10))

    def told(second: int, kind: str, user: str, number: int) -> list[tuple[str, ...]]:
        event = _numbered(made([(second, kind, user, "192.0.2.1", 0)])[0], number)
        return [one.event_ids for one in engine.evaluate([event]) if one.rule_id == PARENT_ID]

    assert told(0, "a", "P-1", 1) == []
    assert told(0, "a", "P-2", 2) == []
    assert told(60, "b", "P-2", 3) == []
    assert told(69, "z", "P-3", 4) == []
    # Sixty seconds and the lateness after it, nothing has followed for P-1; for P-2 it has, in the last moment.
    assert told(70, "z", "P-3", 5) == [("n1",)]
    assert told(500, "z", "P-3", 6) == []
    assert engine.flush() == []
