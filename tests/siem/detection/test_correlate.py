"""Correlations against a slow reference that looks at every window anew, whatever the order of arrival."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean, median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.state import StateKey
from siem.event import Event

T0 = datetime(2026, 11, 22, 20, tzinfo=UTC)
SPAN_SECONDS = 60
COUNTERS = StateKey.of_profiles().text()
KINDS = ("a", "b", "c")
HEAD = """
title: {name}
id: {id}
name: {name}
level: high
author: Veilleur
license: Apache-2.0
"""
SINGLES = "---".join(
    HEAD.format(name=kind, id=f"00000000-0000-4000-8000-00000000000{place}")
    + f"""
logsource:
  product: veilleur
  service: idp
detection:
  selection:
    event.action|contains: {kind}
  condition: selection
"""
    for place, kind in enumerate(KINDS)
)
PARENT_ID = "00000000-0000-4000-8000-0000000000ff"
CHILD_ID = "00000000-0000-4000-8000-0000000000fe"


def correlation(body: str, name: str = "parent", rule_id: str = PARENT_ID) -> str:
    return HEAD.format(name=name, id=rule_id) + "correlation:\n" + "".join(f"  {line}\n" for line in body.strip().splitlines())


CASES: Mapping[str, str] = {
    "event_count": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 3}",
    "event_count of two rules": "type: event_count\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gt: 3}",
    "event_count without group": "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {gte: 5}",
    "value_count": "type: value_count\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: source.ip, gte: 3}",
    "temporal": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s",
    "temporal two of three": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2}",
    "temporal_ordered": "type: temporal_ordered\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s",
    "temporal_ordered, one rule twice": "type: temporal_ordered\nrules: [a, a, b]\ngroup-by: [user.id]\ntimespan: 60s",
    "exactly two": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {eq: 2}",
    "a range": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2, lt: 4}",
    "value_sum": "type: value_sum\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, gte: 9}",
    "value_avg": "type: value_avg\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, gt: 4}",
    "value_median": "type: value_median\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, lt: 3}",
}


def reference(case: str, events: Sequence[Event]) -> dict[tuple[str, ...], set[str]]:
    """Contributing events of each group, by definition."""
    grouped: dict[tuple[str, ...], list[Event]] = {}
    for event in {event.id: event for event in events}.values():
        key = () if "without group" in case else (str(event.fields["user.id"]),)
        grouped.setdefault(key, []).append(event)
    found = {key: _contributing(case, members) for key, members in grouped.items()}
    return {key: ids for key, ids in found.items() if ids}


def _is(event: Event, kind: str) -> bool:
    return kind in str(event.fields["event.action"])


def _contributing(case: str, events: Sequence[Event]) -> set[str]:
    if case.startswith("temporal_ordered"):
        return _chains(events, ("a", "a", "b") if "twice" in case else KINDS)
    kinds = KINDS if case.startswith("temporal") else ("a", "b") if case in ("event_count of two rules", "value_count") else ("a",)
    events = [event for event in events if any(_is(event, kind) for kind in kinds)]
    found: set[str] = set()
    for anchor in events:
        window = [event for event in events if anchor.at - timedelta(seconds=SPAN_SECONDS) <= event.at <= anchor.at]
        if _holds(case, window, kinds):
            found |= {event.id for event in window}
    return found


def _holds(case: str, window: Sequence[Event], kinds: Iterable[str]) -> bool:
    numbers = [float(str(event.fields["health.record.count"])) for event in window]
    present = sum(any(_is(event, kind) for event in window) for kind in kinds)
    return {
        "event_count": lambda: len(window) >= 3,
        "event_count of two rules": lambda: len(window) > 3,
        "event_count without group": lambda: len(window) >= 5,
        "value_count": lambda: len({event.fields["source.ip"] for event in window}) >= 3,
        "temporal": lambda: present == 3,
        "temporal two of three": lambda: present >= 2,
        "exactly two": lambda: len(window) == 2,
        "a range": lambda: 2 <= len(window) < 4,
        "value_sum": lambda: sum(numbers) >= 9,
        "value_avg": lambda: mean(numbers) > 4,
        "value_median": lambda: median(numbers) < 3,
    }[case]()


def _chains(events: Sequence[Event], kinds: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for chain in itertools.product(*([event for event in events if _is(event, kind)] for kind in kinds)):
        pairs = list(itertools.pairwise(chain))
        in_order = all(one.at <= other.at and one.id != other.id for one, other in pairs)
        if in_order and chain[-1].at - chain[0].at <= timedelta(seconds=SPAN_SECONDS):
            found |= {event.id for event in chain}
    return found


def ruleset(folder: Path, *documents: str) -> Ruleset:
    (folder / "rule.yml").write_text("---".join([SINGLES, *documents]), encoding="utf-8")
    loaded = load_rules(folder)
    assert loaded.errors == ()
    return loaded


def gathered(detections: Iterable[Detection], *, once: bool = True) -> dict[tuple[str, ...], set[str]]:
    """Contributing events of each group, over all detections. ``once``: no event is returned twice."""
    found: dict[tuple[str, ...], set[str]] = {}
    for detection in detections:
        if detection.rule_id != PARENT_ID:
            continue
        ids = found.setdefault(tuple(value for _, value in detection.group), set())
        assert not (once and ids & set(detection.event_ids))
        ids |= set(detection.event_ids)
    return found


events_strategy = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["a", "b", "c", "ab", "bc", "z"]),
        st.sampled_from(["P-1", "P-2"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]),
        st.integers(0, 9),
    ),
    max_size=24,
)


def made(rows: Sequence[tuple[int, str, str, str, int]]) -> list[Event]:
    return [
        Event(
            f"e{place:03d}",
            T0 + timedelta(seconds=second),
            "idp",
            "default",
            {"event.dataset": "idp.audit", "event.action": action, "user.id": user, "source.ip": ip, "health.record.count": count},
        )
        for place, (second, action, user, ip, count) in enumerate(rows)
    ]


def replayed(loaded: Ruleset, events: Sequence[Event], rng: random.Random) -> list[Detection]:
    """Shuffled, cut at random places, some events twice, restarted from written state between batches."""
    arrived = [*events, *rng.sample(events, len(events) // 3)]
    rng.shuffle(arrived)
    engine, written = Engine(loaded, lateness=timedelta(hours=1)), dict[str, bytes]()
    detections: list[Detection] = []
    while arrived:
        size = rng.randint(1, 6)
        batch, arrived = arrived[:size], arrived[size:]
        detections.extend(engine.evaluate(batch))
        for key, data in engine.changed_state().items():
            written.pop(key, None)
            if data is not None:
                written[key] = data
        # Counters are written from time to time only; what correlations keep is written with every batch.
        assert written.keys() | {COUNTERS} == engine.export_state().keys() | {COUNTERS}
        assert all(written[key] == data for key, data in engine.export_state().items() if key != COUNTERS)
        if rng.random() < 0.3:
            engine = Engine(loaded, lateness=timedelta(hours=1))
            assert engine.restore(written) == 0
    detections.extend(engine.flush())
    return detections


@pytest.mark.parametrize("case", CASES)
def test_finds_what_the_definition_says_whatever_the_arrival(case: str, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, correlation(CASES[case]))

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], seed: int) -> None:
        events = made(rows)
        assert gathered(replayed(loaded, events, random.Random(seed)), once=not case.startswith("temporal")) == reference(case, events)

    check()


@pytest.mark.parametrize("case", CASES)
def test_forgets_only_what_no_event_in_time_can_need(case: str, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, correlation(CASES[case]))

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], seed: int) -> None:
        rng = random.Random(seed)
        # Each event arrives at most 30 s behind the newest: exactly the lateness allowed.
        events = sorted(made(rows), key=lambda event: event.at + timedelta(seconds=rng.uniform(0, 30)))
        engine = Engine(loaded, lateness=timedelta(seconds=30), max_lag=timedelta(0))
        detections = [detection for event in events for detection in engine.evaluate([event])]
        detections.extend(engine.flush())
        assert gathered(detections, once=not case.startswith("temporal")) == reference(case, events)
        assert engine.alarms == ()

    check()


def test_a_correlation_of_correlations_returns_the_events_behind_it(tmp_path: Path) -> None:
    child = correlation(
        "type: event_count\nrules: [a]\ngroup-by: [user.id, source.ip]\ntimespan: 60s\ncondition: {gte: 2}", "burst", CHILD_ID
    )
    loaded = ruleset(tmp_path, child, correlation("type: temporal_ordered\nrules: [burst, b]\ngroup-by: [user.id]\ntimespan: 60s"))
    assert loaded.alerting == {PARENT_ID, "00000000-0000-4000-8000-000000000002"}
    span = timedelta(seconds=SPAN_SECONDS)

    def expected(events: Sequence[Event]) -> dict[tuple[str, ...], set[str]]:
        found: dict[tuple[str, ...], set[str]] = {}
        for anchor in (event for event in events if _is(event, "a")):
            same = [
                event
                for event in events
                if _is(event, "a") and all(event.fields[name] == anchor.fields[name] for name in ("user.id", "source.ip"))
            ]
            window = {event.id for event in same if anchor.at - span <= event.at <= anchor.at}
            for last in (event for event in events if _is(event, "b") and event.fields["user.id"] == anchor.fields["user.id"]):
                if len(window) >= 2 and anchor.at <= last.at <= anchor.at + span and last.id != anchor.id:
                    found.setdefault((str(anchor.fields["user.id"]),), set()).update(window | {last.id})
        return found

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], seed: int) -> None:
        events = made(rows)
        assert gathered(replayed(loaded, events, random.Random(seed))) == expected(events)

    check()


def test_a_long_sweep_returns_each_event_once_in_overlapping_detections(tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, correlation(CASES["value_count"]))
    events = made([(second, "a", "P-1", f"192.0.2.{second % 4}", 0) for second in range(300)])
    engine = Engine(loaded)
    detections = [one for event in events for one in engine.evaluate([event]) if one.rule_id == PARENT_ID]
    assert [event_id for one in detections for event_id in one.event_ids] == [event.id for event in events]
    assert all(later.first_at <= earlier.last_at for earlier, later in itertools.pairwise(detections))
    assert dict(detections[-1].values)["count"] == "4"


def test_two_sweeps_in_one_batch_are_two_detections(tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, correlation(CASES["event_count"]))
    seconds = [0, 1, 2, 500, 501, 502]
    found = [
        one
        for one in Engine(loaded).evaluate(made([(second, "a", "P-1", "192.0.2.1", 0) for second in seconds]))
        if one.rule_id == PARENT_ID
    ]
    assert [one.event_ids for one in found] == [("e000", "e001", "e002"), ("e003", "e004", "e005")]
    assert [(one.first_at, one.last_at) for one in found] == [
        (T0 + timedelta(seconds=first), T0 + timedelta(seconds=first + 2)) for first in (0, 500)
    ]


def test_a_full_rule_loses_its_oldest_matches_with_an_alarm_and_spares_the_others(tmp_path: Path) -> None:
    other = correlation(CASES["event_count"].replace("[a]", "[b]"), "other", CHILD_ID)
    loaded = ruleset(
        tmp_path, correlation("type: event_count\nrules: [a]\ngroup-by: [source.ip]\ntimespan: 1h\ncondition: {gte: 1000}"), other
    )
    engine = Engine(loaded, max_matches=50)
    engine.evaluate(made([(0, "b", "P-1", "192.0.2.1", 0), (1, "b", "P-1", "192.0.2.1", 0)]))
    engine.evaluate(
        made([(0, "z", "P-1", "192.0.2.1", 0)] * 2 + [(second, "a", "P-1", f"198.51.100.{second}", 0) for second in range(200)])
    )
    assert engine.match_count <= 52
    assert [(alarm.rule_id, alarm.lost_count) for alarm in engine.alarms] == [(PARENT_ID, 150)]
    late = Event("late", T0 + timedelta(seconds=2), "idp", "default", {"event.dataset": "idp.audit", "event.action": "b", "user.id": "P-1"})
    assert [one.event_ids for one in engine.evaluate([late])] == [("e000", "e001", "late")]


def test_a_changed_rule_does_not_take_the_state_of_its_former_self(tmp_path: Path) -> None:
    engine = Engine(ruleset(tmp_path, correlation(CASES["event_count"])))
    engine.evaluate(made([(0, "a", "P-1", "192.0.2.1", 0), (1, "a", "P-1", "192.0.2.1", 0)]))
    changed = Engine(ruleset(tmp_path, correlation(CASES["event_count"].replace("gte: 3", "gte: 4"))))
    assert changed.restore(engine.export_state()) == 1
    assert [data for key, data in changed.changed_state().items() if PARENT_ID in key] == [None]
