"""Conditions that wait, where several sources bring the events: each in its own order, one behind the other."""

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.detection.alarms import Kind
from siem.detection.correlations import read_correlation
from siem.detection.engine import Engine
from siem.detection.load import Ruleset
from siem.event import Event
from tests.siem.detection.test_correlate import (
    CASES,
    CHILD_ID,
    HARMLESS,
    PARENT_ID,
    T0,
    correlation,
    documents_of,
    events_strategy,
    gathered,
    made,
    once,
    reference,
    ruleset,
)

SOURCES = ("fast", "slow", "slower")
LATENESS = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
WAITING = [case for case in CASES if not read_correlation(yaml.safe_load(CASES[case][-1])).grows]


def of_sources(events: Sequence[Event], rng: random.Random, count: int) -> list[list[Event]]:
    """The events as each source brings them: at most so late behind its newest as is allowed."""
    named = [event._replace(source=rng.choice(SOURCES[:count])) for event in events]
    named.sort(key=lambda event: event.at + LATENESS * rng.random())
    return [[event for event in named if event.source == source] for source in SOURCES[:count]]


def interleaved(queues: list[list[Event]], rng: random.Random) -> list[list[Event]]:
    """Batches: sometimes a source runs far ahead of the others, or all of it comes before them."""
    batches: list[list[Event]] = []
    waiting = [list(queue) for queue in queues if queue]
    while waiting:
        queue = rng.choice(waiting)
        size = rng.choice([1, 2, 5, len(queue)])
        batches.append([queue.pop(0) for _ in range(min(size, len(queue)))])
        waiting = [queue for queue in waiting if queue]
    return batches


def lived(loaded: Ruleset, batches: Sequence[Sequence[Event]], rng: random.Random, count: int) -> list[Detection]:
    """A batch after the other, killed and started again from what was written."""

    def begun() -> Engine:
        return Engine(loaded, lateness=LATENESS, sources=SOURCES[:count])

    engine, written, detections = begun(), dict[str, bytes](), list[Detection]()
    for batch in batches:
        detections.extend(engine.evaluate(batch))
        assert engine.take_alarms() == []
        for key, data in engine.changed_state().items():
            written.pop(key, None)
            if data is not None:
                written[key] = data
        if rng.random() < 0.3:
            engine = begun()
            assert engine.restore(written) == 0
    assert engine.late_counts == {}
    detections.extend(engine.flush())
    assert engine.take_alarms() == []
    return detections


@pytest.mark.parametrize("case", WAITING)
def test_a_condition_that_waits_waits_for_the_slowest_of_its_sources(case: str, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, *documents_of(case))

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(2, 3), st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], count: int, seed: int) -> None:
        rng, events = random.Random(seed), made(rows)
        batches = interleaved(of_sources(events, rng, count), rng)
        newest = T0
        if batches and rng.random() < 0.3:
            wrong = rng.choice(batches[0])
            newest = wrong.at + timedelta(days=rng.randint(3, 3000))
            batches.insert(rng.randrange(len(batches) + 1), [wrong._replace(id="jump", at=newest, fields=HARMLESS)])
        found = gathered(lived(loaded, batches, rng, count), once=once(case))
        assert found == reference(case, events, newest)

    check()


def story(*rows: tuple[str, float, str]) -> list[Event]:
    """Source, minute and kind of each event, all about one person."""
    (*fields,) = (event.fields for event in made([(0, kind, "P-1", "192.0.2.1", 1) for _, _, kind in rows]))
    return [
        Event(f"{source}{minute}{kind}", T0 + minute * MINUTE, source, "default", one)
        for (source, minute, kind), one in zip(rows, fields, strict=True)
    ]


def test_what_a_silent_source_brings_afterwards_is_evaluated_and_said_to_be_late(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path, *documents_of("extended: and not")), lateness=MINUTE, sources=["fast", "slow"])
    batches = [story(("slow", -10, "z"), ("fast", 0, "a")), *(story(("fast", minute, "z")) for minute in range(5, 60, 5))]
    detections = [one for place, batch in enumerate(batches) for one in engine.evaluate(batch, T0 + place * 5 * MINUTE)]
    assert gathered(detections, once=True) == {("P-1",): {"fast0a"}}
    (early,) = engine.take_alarms()
    assert (early.kind, early.rule_id, early.count) == (Kind.UNAWAITED, PARENT_ID, 1)
    assert "slow" in early.problem
    engine.evaluate(story(("slow", 0.5, "b"), ("slow", 20, "a"), ("slow", 58, "z")), T0 + 61 * MINUTE)
    assert engine.late_counts == {"slow": 2}
    assert [(one.kind, one.count) for one in engine.take_alarms()] == [(Kind.UNAWAITED, 2)]
    assert engine.take_alarms() == []
    assert gathered(engine.flush(), once=True) == {}, "the late «a» was judged as it came, with what was kept"


LATER = (
    "type: temporal\nrules: [first, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: first and not c",
    "type: value_sum\nrules: [first]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, gte: 1}",
)


@pytest.mark.parametrize("parent", LATER, ids=["not", "sum"])
def test_a_match_of_another_correlation_that_comes_too_late_is_told_as_one_of_an_event_is(tmp_path: Path, parent: str) -> None:
    child = "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2}"
    engine = Engine(
        ruleset(tmp_path, correlation(child, "first", CHILD_ID), correlation(parent)), lateness=MINUTE, sources=["fast", "slow"]
    )
    for minute in range(0, 60, 5):
        engine.evaluate(story(("fast", minute, "z"), *((("slow", 0, "z"),) if minute == 0 else ())), T0 + minute * MINUTE)
    assert engine.take_alarms() == [], "nothing came that could be judged"
    engine.evaluate(story(("slow", 10, "a"), ("slow", 10.5, "a")), T0 + 61 * MINUTE)
    (told,) = engine.take_alarms()
    assert (told.kind, told.rule_id, told.count) == (Kind.UNAWAITED, PARENT_ID, 1)
    assert told.problem == "matches of «first» came after their time was judged"
    engine.evaluate(story(("slow", 10, "a"), ("slow", 10.5, "a")), T0 + 61 * MINUTE)
    assert engine.take_alarms() == [], "the same again is no other match"
    engine.evaluate(story(("slow", 58, "a"), ("slow", 58.5, "a"), ("fast", 59, "z"), ("slow", 60, "z")), T0 + 62 * MINUTE)
    assert engine.take_alarms() == [], "what comes in time is judged in time"


def test_nothing_is_said_of_silence_where_no_condition_waits(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path, *documents_of("temporal_ordered")), sources=["fast", "slow"])
    for minute in range(0, 60, 5):
        engine.evaluate(story(("fast", minute, "a"), ("fast", minute, "b"), ("fast", minute, "c")), T0 + minute * MINUTE)
    assert engine.take_alarms() == []
