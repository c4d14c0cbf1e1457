"""Groups that SQL leaves out never reach a correlation's threshold: over random events the engine finds the same without them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.naming import find_rule
from siem.event import Event, Value
from siem.history.groups import Measure, narrowing_of
from siem.history.hunt import Stretch, hunt, plan
from siem.incidents.alerting import rhythm_of
from siem.incidents.grouping import coalesce
from siem.settings import ROOT
from siem.store.events import Scope, StoredEvent
from tests.examples import examples
from tests.siem.history.world import Shelf

AT = datetime(2026, 3, 14, tzinfo=UTC)
_SPAN = 10
_HEAD = """\
title: Correlated
id: 00000000-0000-4000-8000-000000000001
name: correlated
correlation:
  type: {type}
  rules: [{rules}]
  timespan: {span}s
  group-by: [{groups}]
  condition: {{{limits}}}
veilleur: {{titre: Corrélée, resume: "Corrélée."}}
"""
_FEEDING = """\
---
title: Fed {name}
id: 00000000-0000-4000-8000-00000000000{place}
name: {name}
logsource: {{product: fhir, service: audit_event}}
detection: {{chosen: {{event.action: [{actions}]}}, condition: chosen}}
veilleur: {{titre: Nourrie}}
"""
_OVER = """\
---
title: Over it
id: 00000000-0000-4000-8000-000000000009
correlation: {type: temporal, rules: [correlated, first], timespan: 15s}
veilleur: {titre: Dessus, resume: "Dessus."}
"""
_LONG = "w" * 1100
_COLUMNS: dict[str, list[Value]] = {
    "user.id": ["a", "A", "b", "é", _LONG, _LONG + "x"],
    "source.ip": ["192.0.2.1", "192.0.2.2"],
    "event.category": [["web"], ["web", "iam"], ["iam", "web", "web"]],
    "http.response.status_code": [1, 2, 3, 40, -3],
    "health.break_glass": [True, False],
}


@st.composite
def correlations(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["event_count", "value_count", "value_sum"]))
    field = "http.response.status_code" if kind == "value_sum" else draw(st.sampled_from(sorted(_COLUMNS)))
    limits = draw(st.sampled_from(["gte: 2", "gt: 1", "gte: 3", "gte: 4", "gte: 6", "gte: 2, lt: 5", "eq: 3", "gt: 2.5"]))
    measured = "" if kind == "event_count" else f"field: {field}, "
    groups = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), max_size=2, unique=True))
    names = draw(st.sampled_from([["first"], ["first", "second"]]))
    head = _HEAD.format(type=kind, rules=", ".join(names), span=_SPAN, groups=", ".join(groups), limits=measured + limits)
    if not groups:
        head = head.replace("  group-by: []\n", "")
    actions = {"first": "read", "second": "read, wrote"}
    over = draw(st.sampled_from(["", _OVER]))
    return head + over + "".join(_FEEDING.format(name=name, place=place, actions=actions[name]) for place, name in enumerate(names, 2))


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, dict[str, Value]]]:
    """Instants (seconds), which like to stand a timespan apart to the microsecond, and the fields of an event at each."""
    steps = st.sampled_from([0, 0, 1e-6, 1, 2.5, _SPAN - 1e-6, _SPAN, _SPAN + 1e-6, 3 * _SPAN])
    told: list[tuple[float, dict[str, Value]]] = []
    at = draw(st.sampled_from([0.0, 3.0, 9.999999]))
    chance = draw(st.randoms(use_true_random=False))
    for step in draw(st.lists(steps, min_size=1, max_size=40)):
        at += step
        fields: dict[str, Value] = {name: chance.choice(values) for name, values in _COLUMNS.items() if chance.random() < 0.9}
        told.append((at, {"event.dataset": "fhir.audit_event", "event.action": chance.choice(["read", "read", "wrote", "left"]), **fields}))
    return told


def alerts(detections: list[Detection], ruleset: Ruleset) -> set[tuple[object, ...]]:
    """Detections as alerts, with what spans them."""
    clusters = coalesce(detections, {rule_id: rhythm_of(rule) for rule_id, rule in ruleset.rules.items()})
    return {(one.rule_id, one.group, frozenset(one.event_ids), one.first_at, one.last_at) for one in clusters}


@settings(max_examples=examples(25), deadline=None)
@given(rule=correlations(), story=stories(), slice_count=st.sampled_from([3, 10, 1000]))
def test_what_the_engine_finds_without_the_groups_left_out_is_what_it_finds_with_all(
    rule: str, story: list[tuple[float, dict[str, Value]]], slice_count: int, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yml").write_text(rule, encoding="utf-8")
    ruleset = load_rules(folder)
    assert not ruleset.errors
    tenant, _ = shelf.put([])
    events = [Event(f"{tenant}-{place:04d}", AT + timedelta(seconds=at), "s", tenant, fields) for place, (at, fields) in enumerate(story)]
    shelf.store.append([StoredEvent(1, event) for event in events])
    for one in ruleset.correlations:
        wanted = plan(ruleset, one.rule.id)
        engine = Engine(wanted.ruleset, lateness=timedelta(microseconds=1), max_lag=timedelta(0))
        expected = [*engine.evaluate(events), *engine.flush()]
        steps = list(hunt(shelf.store, wanted, Stretch(Scope(tenant)), slice_count=slice_count))
        assert alerts([one for step in steps for one in step.detections], ruleset) == alerts(expected, ruleset)
        assert sum(step.candidate_count for step in steps) <= len(events) == sum(step.looked_count for step in steps)


def test_a_threshold_reached_half_in_one_span_and_half_in_the_next_is_seen(shelf: Shelf, tmp_path: Path) -> None:
    head = _HEAD.format(type="event_count", rules="first", span=_SPAN, groups="user.id", limits="eq: 4")
    (tmp_path / "rules.yml").write_text(head + _FEEDING.format(name="first", place=2, actions="read"), encoding="utf-8")
    wanted = plan(load_rules(tmp_path), "00000000-0000-4000-8000-000000000001")
    assert wanted.narrowing is not None
    tenant, _ = shelf.put([])
    fields: dict[str, Value] = {"event.dataset": "fhir.audit_event", "event.action": "read"}
    told = [("a", (8, 9, 10, 11)), ("b", (8, 9, 10)), ("c", (8, 9, 19.5, 20)), ("d", (0, 1, 2, 3, 4))]
    events = [
        Event(f"{tenant}{user}{at}", AT + timedelta(seconds=at), "s", tenant, {**fields, "user.id": user})
        for user, row in told
        for at in row
    ]
    shelf.store.append([StoredEvent(1, event) for event in events])
    steps = list(hunt(shelf.store, wanted, Stretch(Scope(tenant))))
    assert {one.group for step in steps for one in step.detections} == {(("user.id", "a"),), (("user.id", "d"),)}
    assert sum(step.candidate_count for step in steps) < len(events), "who has three in all is not looked at"


def narrowed(name: str) -> tuple[tuple[Measure, float], ...]:
    ruleset = load_rules(ROOT / "rules")
    found = plan(ruleset, find_rule(ruleset, name).id).narrowing
    return () if found is None else tuple((one.measure, round(one.least, 3)) for one in found.groups)


def test_counts_values_and_sums_of_our_rules_are_told_and_what_more_matches_can_undo_is_not() -> None:
    assert narrowed("fhir_record_sweep") == ((Measure.DISTINCT, 40),)
    assert narrowed("fhir_records_deleted") == ((Measure.COUNT, 20),)
    assert narrowed("nginx_bulk_download")[0][0] is Measure.SUM
    assert narrowed("fhir_export_after_break_glass") == narrowed("fhir_bulk_export") == ()


def test_a_rule_that_is_needed_whole_for_something_else_is_not_narrowed() -> None:
    ruleset = load_rules(ROOT / "rules")
    spray = find_rule(ruleset, "idp_spray_then_success")
    found = narrowing_of(plan(ruleset, spray.id).ruleset)
    assert found is not None and len(found.groups) == 1
    assert found.others.most.condition != "FALSE"
