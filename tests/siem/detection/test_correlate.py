"""Correlations against a slow reference that looks at every window anew, whatever the order of arrival."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.schema import schema
from siem.detection.state import StateKey
from siem.event import Event
from tests.examples import examples
from tests.siem.detection.slow_correlation import Happening, Slow

T0 = datetime(2026, 11, 22, 20, tzinfo=UTC)
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


#: The correlation under test, after those it is made of. All with a timespan of 60 s unless it says otherwise.
CASES: Mapping[str, Sequence[str]] = {
    name: bodies if isinstance(bodies, tuple) else (bodies,)
    for name, bodies in {
        "event_count": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 3}",
        "event_count of two rules": "type: event_count\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gt: 3}",
        "event_count without group": "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {gte: 5}",
        "event_count by two fields": "type: event_count\nrules: [a]\ngroup-by: [user.id, source.ip]\ntimespan: 60s\ncondition: {gte: 2}",
        "exactly two": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {eq: 2}",
        "not two": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {neq: 2}",
        "a range": "type: event_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2, lt: 4}",
        "value_count": "type: value_count\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: source.ip, gte: 3}",
        "value_count of two fields": (
            "type: value_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\n"
            "condition: {field: [source.ip, health.record.count], gte: 4}"
        ),
        "value_count under a limit": (
            "type: value_count\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: source.ip, lte: 1}"
        ),
        "value_sum": "type: value_sum\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, gte: 9}",
        "value_avg": "type: value_avg\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, gt: 4}",
        "value_median": (
            "type: value_median\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, lt: 3}"
        ),
        "value_percentile": (
            "type: value_percentile\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\n"
            "condition: {field: health.record.count, gte: 7, percentile: 80}"
        ),
        "temporal": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s",
        "temporal two of three": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2}",
        "temporal one of three": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {eq: 1}",
        "temporal with aliases": (
            "type: temporal\nrules: [a, b]\ngroup-by: [who]\ntimespan: 60s\naliases: {who: {a: user.id, b: health.actor.id}}"
        ),
        "temporal_ordered": "type: temporal_ordered\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s",
        "temporal_ordered, one rule twice": "type: temporal_ordered\nrules: [a, a, b]\ngroup-by: [user.id]\ntimespan: 60s",
        "temporal_ordered, two of three": (
            "type: temporal_ordered\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2}"
        ),
        "extended: and, or": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: (a and b) or c",
        "extended: and not": "type: temporal\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: a and not b",
        "extended: two and not": "type: temporal\ngroup-by: [user.id]\ntimespan: 60s\ncondition: a and b and not c",
        "extended: not of a choice": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: a and not (b or c)",
        "extended: either without the other": (
            "type: temporal\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: (a and not b) or (b and not a)"
        ),
        "extended: 1 of": "type: temporal\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: c and 1 of them",
        "extended, in order": "type: temporal_ordered\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: a and (b or c)",
        "extended, in order, and not": (
            "type: temporal_ordered\nrules: [a, b, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: a and b and not c"
        ),
        "a count of bursts": (
            "type: event_count\nrules: [a]\ngroup-by: [user.id, source.ip]\ntimespan: 60s\ncondition: {gte: 2}",
            "type: event_count\nrules: [first]\ngroup-by: [user.id]\ntimespan: 120s\ncondition: {gte: 3}",
        ),
        "bursts from several addresses": (
            "type: event_count\nrules: [a]\ngroup-by: [user.id, source.ip]\ntimespan: 60s\ncondition: {gte: 2}",
            "type: value_count\nrules: [first]\ngroup-by: [user.id]\ntimespan: 120s\ncondition: {field: source.ip, gte: 2}",
        ),
        "a burst, then b": (
            "type: event_count\nrules: [a]\ngroup-by: [user.id, source.ip]\ntimespan: 60s\ncondition: {gte: 2}",
            "type: temporal_ordered\nrules: [first, b]\ngroup-by: [user.id]\ntimespan: 60s",
        ),
        "an order of orders": (
            "type: temporal_ordered\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 60s",
            "type: temporal_ordered\nrules: [first, c]\ngroup-by: [user.id]\ntimespan: 60s",
        ),
        "what did not follow, twice": (
            "type: temporal\nrules: [a, b]\ngroup-by: [user.id]\ntimespan: 30s\ncondition: a and not b",
            "type: event_count\nrules: [first]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {gte: 2}",
        ),
        "a sum, and no c": (
            "type: value_sum\nrules: [a]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: {field: health.record.count, gte: 9}",
            "type: temporal\nrules: [first, c]\ngroup-by: [user.id]\ntimespan: 60s\ncondition: first and not c",
        ),
        "three storeys": (
            "type: event_count\nrules: [a]\ngroup-by: [user.id, source.ip]\ntimespan: 60s\ncondition: {gte: 2}",
            "type: temporal\nrules: [first, b]\ngroup-by: [user.id]\ntimespan: 60s",
            "type: event_count\nrules: [second]\ngroup-by: [user.id]\ntimespan: 120s\ncondition: {gte: 3}",
        ),
    }.items()
}
#: Names and ids of what the correlation under test is made of.
CHILDREN = {"first": CHILD_ID, "second": "00000000-0000-4000-8000-0000000000fd"}


def documents_of(case: str) -> list[str]:
    """The documents of a case but the rules on single events."""
    *children, parent = CASES[case]
    return [*(correlation(body, *named) for body, named in zip(children, CHILDREN.items(), strict=False)), correlation(parent)]


def reference(case: str, events: Sequence[Event], newest: datetime = T0) -> dict[tuple[str, ...], set[str]]:
    """Contributing events of each group, by definition."""
    documents = {one["name"]: one for one in map(yaml.safe_load, documents_of(case))}
    happenings = {kind: [_happening(event) for event in events if _is(event, kind)] for kind in KINDS}
    ends = max([newest, *(event.at for event in events)])
    return Slow(documents, happenings, (ends - T0).total_seconds()).found("parent")


def _happening(event: Event) -> Happening:
    fields = tuple(sorted((name, str(value)) for name, value in event.fields.items()))
    return Happening((event.at - T0).total_seconds(), event.id, fields, frozenset({event.id}))


def _is(event: Event, kind: str) -> bool:
    return kind in str(event.fields["event.action"])


def ruleset(folder: Path, *documents: str) -> Ruleset:
    (folder / "rule.yml").write_text("---".join([SINGLES, *documents]), encoding="utf-8")
    loaded = load_rules(folder)
    assert loaded.errors == ()
    return loaded


def gathered(detections: Iterable[Detection], *, once: bool) -> dict[tuple[str, ...], set[str]]:
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
        # Whole tens are often a timespan apart, to the second: where a window begins is what goes wrong first.
        st.integers(0, 40).map(lambda tens: 10 * tens) | st.integers(0, 400),
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
            {
                "event.dataset": "idp.audit",
                "event.action": action,
                "user.id": user,
                "health.actor.id": "P-1" if count % 2 else "P-2",
                "source.ip": ip,
                "health.record.count": count,
            },
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


#: An event of the source that no rule is about.
HARMLESS: Mapping[str, object] = {"event.dataset": "idp.audit", "event.action": "z", "user.id": "P-9"}


def once(case: str) -> bool:
    """Whether each event is returned once: one that matches two rules of a temporal correlation is a match of each of them."""
    return len(CASES[case]) > 1 or not CASES[case][-1].startswith("type: temporal")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.trap("correlations of correlations", "eq and neq")
def test_finds_what_the_definition_says_whatever_the_arrival(case: str, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, *documents_of(case))

    @settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], seed: int) -> None:
        events = made(rows)
        assert gathered(replayed(loaded, events, random.Random(seed)), once=once(case)) == reference(case, events)

    check()


@pytest.mark.parametrize("case", CASES)
def test_forgets_only_what_no_event_in_time_can_need(case: str, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, *documents_of(case))

    @settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], seed: int) -> None:
        rng = random.Random(seed)
        # Each event arrives at most 30 s behind the newest: exactly the lateness allowed.
        events = sorted(made(rows), key=lambda event: event.at + timedelta(seconds=rng.uniform(0, 30)))
        engine = Engine(loaded, lateness=timedelta(seconds=30), max_lag=timedelta(0))
        detections: list[Detection] = []
        for event in events:
            detections.extend(engine.evaluate([event]))
            if rng.random() < 0.2:  # a restart, while conditions wait for late events
                written, engine = engine.export_state(), Engine(loaded, lateness=timedelta(seconds=30), max_lag=timedelta(0))
                assert engine.restore(written) == 0
        detections.extend(engine.flush())
        assert gathered(detections, once=once(case)) == reference(case, events)
        assert engine.alarms == ()

    check()


@pytest.mark.parametrize("case", CASES)
def test_clocks_that_jump_ahead_settle_nothing_for_the_others(case: str, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, *documents_of(case))

    @settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], seed: int) -> None:
        rng = random.Random(seed)
        events = sorted(made([(0, "z", "P-1", "192.0.2.1", 0), *rows]), key=lambda event: event.at + timedelta(seconds=rng.uniform(0, 30)))
        now = [T0]
        engine = Engine(loaded, lateness=timedelta(minutes=6), max_lag=timedelta(0), clock=lambda: now[0])
        detections: list[Detection] = []
        jumps, newest = 0, max(event.at for event in events)
        for event in events:
            now[0] = max(now[0], event.at)
            detections.extend(engine.evaluate([event]))
            if rng.random() < 0.3:
                # A device whose clock is a day ahead. Time moves on by what clocks may differ, five minutes, and no more.
                jumps, newest = jumps + 1, max(newest, now[0] + timedelta(minutes=5))
                detections.extend(engine.evaluate([event._replace(id=f"jump{jumps}", at=event.at + timedelta(days=1), fields=HARMLESS)]))
        assert engine.ahead_counts == ({"idp": jumps} if jumps else {})
        detections.extend(engine.flush())
        assert gathered(detections, once=once(case)) == reference(case, events, newest)

    check()


@pytest.mark.parametrize("case", [case for case in CASES if "group-by" in CASES[case][-1]])
@pytest.mark.trap("late events")
def test_what_comes_later_than_allowed_changes_nothing_for_others_and_finds_only_what_is_there(case: str, tmp_path: Path) -> None:
    """P-3 comes as late as it likes, far beyond the lateness; P-1 and P-2 come in time."""
    loaded = ruleset(tmp_path, *documents_of(case))
    grows = all(one.correlation.grows for one in loaded.correlations)

    @settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck))
    @given(events_strategy, events_strategy, st.integers(0, 2**32))
    def check(rows: list[tuple[int, str, str, str, int]], others: list[tuple[int, str, str, str, int]], seed: int) -> None:
        rng = random.Random(seed)
        in_time = made(rows)
        late = [one._replace(id=f"late{one.id}", fields={**one.fields, "user.id": "P-3", "health.actor.id": "P-3"}) for one in made(others)]
        delay = {one.id: rng.uniform(0, 30) for one in in_time} | {one.id: rng.choice([0, 20, 100, 500]) for one in late}
        arrived = sorted([*in_time, *late], key=lambda event: event.at + timedelta(seconds=delay[event.id]))
        engine = Engine(loaded, lateness=timedelta(seconds=30), max_lag=timedelta(0))
        detections: list[Detection] = []
        newest, lagging = T0, set[str]()
        for event in arrived:
            newest = max(newest, event.at)
            if newest - event.at > timedelta(seconds=30):
                lagging.add(event.id)
            detections.extend(engine.evaluate([event]))
        detections.extend(engine.flush())
        found = gathered(detections, once=False)
        assert {group: ids for group, ids in found.items() if "P-3" not in group} == reference(case, in_time, newest)
        assert sum(engine.late_counts.values()) == len(lagging) and engine.alarms == ()
        theirs = {group: ids for group, ids in found.items() if "P-3" in group}
        if grows:  # nothing that comes later undoes it: what came in time is found, and nothing that is not there
            at_least, at_most = (reference(case, some, newest) for some in ([one for one in late if one.id not in lagging], late))
            assert all(ids <= at_most.get(group, set()) for group, ids in theirs.items())
            assert all(ids <= theirs.get(group, set()) for group, ids in at_least.items())

    check()


def test_every_part_of_a_correlation_that_the_schema_has_is_compared_with_the_definition() -> None:
    """Types, comparisons, ranges, several fields, aliases, conditions that name rules, correlations of correlations: from the schema."""
    section = schema("correlation")["properties"]["correlation"]["properties"]
    said = [yaml.safe_load(body) for bodies in CASES.values() for body in bodies]
    conditions = [one.get("condition") for one in said]
    maps = [condition for condition in conditions if isinstance(condition, dict)]
    texts = " ".join(condition for condition in conditions if isinstance(condition, str)).split()
    assert {one["type"] for one in said} == set(section["type"]["enum"])
    # What `generate` changes is who alerts: the test below.
    assert {key for one in said for key in one} | {"generate"} == section.keys()
    assert {key for condition in maps for key in condition} == section["condition"]["oneOf"][1]["properties"].keys()
    assert any(len(condition.keys() - {"field", "percentile"}) == 2 for condition in maps), "a range"
    assert any(isinstance(condition.get("field"), list) for condition in maps), "several fields"
    assert any(len(one.get("group-by", ())) > 1 for one in said), "several groups"
    assert {"and", "or", "not", "of"} <= {word.strip("()") for word in texts}
    assert {len(bodies) for bodies in CASES.values()} == {1, 2, 3}


@pytest.mark.parametrize("generate", [False, True])
def test_rules_behind_a_correlation_alert_on_their_own_only_where_it_says_generate(generate: bool, tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, correlation(CASES["event_count"][0] + f"\ngenerate: {str(generate).lower()}"))
    found = Engine(loaded).evaluate(made([(second, "a", "P-1", "192.0.2.1", 0) for second in range(3)]))
    own = [one for one in found if one.rule_id != PARENT_ID]
    assert [one.event_ids for one in own] == ([("e000",), ("e001",), ("e002",)] if generate else [])
    assert [one.event_ids for one in found if one.rule_id == PARENT_ID] == [("e000", "e001", "e002")]


def test_a_long_sweep_returns_each_event_once_in_overlapping_detections(tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, *documents_of("value_count"))
    events = made([(second, "a", "P-1", f"192.0.2.{second % 4}", 0) for second in range(300)])
    engine = Engine(loaded)
    detections = [one for event in events for one in engine.evaluate([event]) if one.rule_id == PARENT_ID]
    assert [event_id for one in detections for event_id in one.event_ids] == [event.id for event in events]
    assert all(later.first_at <= earlier.last_at for earlier, later in itertools.pairwise(detections))
    assert dict(detections[-1].values)["count"] == "4"


def test_two_sweeps_in_one_batch_are_two_detections(tmp_path: Path) -> None:
    loaded = ruleset(tmp_path, *documents_of("event_count"))
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
    other = correlation(CASES["event_count"][0].replace("[a]", "[b]"), "other", CHILD_ID)
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
    engine = Engine(ruleset(tmp_path, *documents_of("event_count")))
    engine.evaluate(made([(0, "a", "P-1", "192.0.2.1", 0), (1, "a", "P-1", "192.0.2.1", 0)]))
    changed = Engine(ruleset(tmp_path, correlation(CASES["event_count"][0].replace("gte: 3", "gte: 4"))))
    assert changed.restore(engine.export_state()) == 1
    assert [data for key, data in changed.changed_state().items() if PARENT_ID in key] == [None]
