"""A rule over history finds what it found live and what it finds in a replay: the same alerts, about the same events."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.indicators import Few, Indicator, Kind
from siem.detection.load import Ruleset, load_rules
from siem.detection.logsource import LogSource
from siem.detection.naming import find_rule
from siem.detection.prove import test as prove
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.history.hunt import How, Stretch, hunt, plan
from siem.incidents.alerting import rhythm_of
from siem.incidents.grouping import coalesce
from siem.replay import replay
from siem.settings import ROOT
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store.events import EventStore, Scope, StoredEvent
from tests.siem.history.night import BEGIN, PLAYED_AT, TYPES, Found, Night
from tests.siem.history.world import Shelf, crowd, several

HERE = Stretch(Scope())


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    made = Night.played(tmp_path_factory.mktemp("night"))
    yield made
    made.close()


def folded(detections: Iterable[Detection], ruleset: Ruleset) -> Found:
    """Detections as alerts: rule, group, events."""
    clusters = coalesce(detections, {rule_id: rhythm_of(rule) for rule_id, rule in ruleset.rules.items()})
    return {(one.rule_id, one.group, frozenset(one.event_ids)) for one in clusters}


def hunted(night: Night, rule_id: str, stretch: Stretch = HERE, *, slice_count: int = 600) -> list[Detection]:
    steps = hunt(night.events, plan(night.ruleset, rule_id), stretch, slice_count=slice_count)
    return [detection for step in steps for detection in step.detections]


def test_live_replay_and_hunt_find_the_same(night: Night) -> None:
    live = night.alerts()
    replayed: list[Detection] = []
    for name, source in zip(TYPES, night.sources().values(), strict=True):
        done = replay([night.files[name]], source, Engine(night.ruleset), night.enrichments(), night.pseudonyms, PLAYED_AT)  # type: ignore[arg-type]
        assert done.errors == []
        replayed.extend(done.detections)
    from_history = [detection for rule_id in night.ruleset.alerting for detection in hunted(night, rule_id)]
    assert folded(replayed, night.ruleset) == live
    assert folded(from_history, night.ruleset) == live
    fired = {rule_id for rule_id, _, _ in live}
    assert len(fired) >= 8, "the night is too quiet to prove anything"
    assert any(night.ruleset.rules[rule_id].correlation for rule_id in fired)


def test_slices_and_batches_change_nothing(night: Night) -> None:
    for rule_id in [one.rule.id for one in night.ruleset.correlations if one.alerts]:
        assert folded(hunted(night, rule_id, slice_count=150), night.ruleset) == folded(
            hunted(night, rule_id, slice_count=10**6), night.ruleset
        )


def test_a_stretch_that_begins_within_a_window_sees_the_whole_window(night: Night) -> None:
    sweep = find_rule(night.ruleset, "fhir_record_sweep")
    # The sweep began at 30 minutes and needs 40 records: at 52 minutes more than half of them are before the stretch.
    detections = hunted(night, sweep.id, Stretch(Scope(), BEGIN + timedelta(minutes=52), BEGIN + timedelta(minutes=200)))
    assert len(folded(detections, night.ruleset)) == 1
    assert detections[-1].last_at == BEGIN + timedelta(minutes=59.5)
    assert hunted(night, sweep.id, Stretch(Scope(), BEGIN + timedelta(minutes=61), BEGIN + timedelta(minutes=200))) == []


def test_the_end_of_a_stretch_is_not_part_of_it(night: Night) -> None:
    export = find_rule(night.ruleset, "fhir_bulk_export")
    at = BEGIN + timedelta(minutes=110)
    assert hunted(night, export.id, Stretch(Scope(), None, at)) == []
    assert len(hunted(night, export.id, Stretch(Scope(), at, at + timedelta(microseconds=1)))) == 1


def test_a_stretch_may_be_as_long_as_the_calendar(night: Night) -> None:
    sweep = find_rule(night.ruleset, "fhir_record_sweep")
    whole = Stretch(Scope(), datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert folded(hunted(night, sweep.id, whole), night.ruleset) == folded(hunted(night, sweep.id), night.ruleset) != set()


def test_another_tenant_and_another_establishment_are_never_seen(night: Night) -> None:
    for rule_id in night.ruleset.alerting:
        assert hunted(night, rule_id, Stretch(Scope("another"))) == []
    export = find_rule(night.ruleset, "fhir_bulk_export")
    assert len(hunted(night, export.id, Stretch(Scope(finess=frozenset({"0B0000005"}))))) == 1
    assert hunted(night, export.id, Stretch(Scope(finess=frozenset({"0B0000013"})))) == []


def test_sql_narrows_what_the_engine_looks_at(night: Night) -> None:
    export = plan(night.ruleset, find_rule(night.ruleset, "fhir_bulk_export").id)
    sql = plan(night.ruleset, find_rule(night.ruleset, "web/nginx_sql_injection").id)
    sweep = plan(night.ruleset, find_rule(night.ruleset, "fhir_record_sweep").id)
    assert (export.how, sql.how, sweep.how) == (How.SQL, How.BOTH, How.BOTH)
    steps = list(hunt(night.events, export, HERE))
    total = sum(step.looked_count for step in steps)
    assert total > 1500
    assert sum(step.candidate_count for step in steps) == sum(len(step.detections) for step in steps) == 1


def test_events_removed_while_hunting_are_missed_and_nothing_breaks(night: Night, tmp_path: Path) -> None:
    other = Night.begin(tmp_path)
    try:
        other.play()
        sweep = find_rule(other.ruleset, "fhir_record_sweep").id
        found: list[Detection] = []
        for step in hunt(other.events, plan(other.ruleset, sweep), HERE, slice_count=50):
            if not found:
                other.events.forget(BEGIN + timedelta(minutes=200))
            found.extend(step.detections)
        assert {detection.group[0][1] for detection in found} < {group[0][1] for _, group, _ in night.alerts(sweep)} | {
            group[0][1] for _, group, _ in other.alerts(sweep)
        }
    finally:
        other.close()


def test_late_and_equal_instants_are_in_their_place(shelf: Shelf) -> None:
    """Stored out of order, and many at one instant, cut anywhere: a count over a window is a matter of the set of events alone."""
    ruleset = load_rules(ROOT / "rules")
    scan = find_rule(ruleset, "nginx_scan")
    rows = [
        {"event.dataset": "nginx.access", "source.ip": "203.0.113.5", "http.response.status_code": 404, "url.path": f"/{number}"}
        for number in range(300)
    ]
    tenant, events = shelf.put([{}])
    at = events[0].at
    made = [
        type(events[0])(f"x{number:05d}", at + timedelta(seconds=number // 150), "web", tenant, dict(row))
        for number, row in enumerate(rows)
    ]
    shelf.store.append([StoredEvent(1, event) for event in reversed(made)])
    engine = Engine(ruleset.only([scan.id]))
    expected = [*engine.evaluate(made), *engine.flush()]
    found = [d for step in hunt(shelf.store, plan(ruleset, scan.id), Stretch(Scope(tenant)), slice_count=10) for d in step.detections]
    assert folded(found, ruleset) == folded([d for d in expected if d.rule_id == scan.id], ruleset) != set()


def test_every_rule_of_ours_over_random_events_is_the_engine_over_them(shelf: Shelf) -> None:
    tenant, events = shelf.put([*crowd(150, seed=3), *several(crowd(150, seed=8), seed=9)])
    ruleset = load_rules(ROOT / "rules")
    for rule_id in ruleset.alerting:
        engine = Engine(ruleset.only([rule_id]))
        expected = [d for d in [*engine.evaluate(events), *engine.flush()] if d.rule_id == rule_id]
        found = [d for step in hunt(shelf.store, plan(ruleset, rule_id), Stretch(Scope(tenant))) for d in step.detections]
        assert folded(found, ruleset) == folded(expected, ruleset)


LINES = [
    ("user.id", ["a", "É", "10"]), ("user.id|contains", "b"), ("user.id|cased", "A"), ("message|re", "a.b|^i"), ("url.path", "a*"),
    ("source.ip|cidr", "192.0.2.0/24"), ("http.response.status_code|gte", 5), ("http.response.status_code", [-3, 12]),
    ("source.geo.location.lat|lt", 1), ("user.id|fieldref", "message"), ("message|fieldref|contains", "user.id"), ("user.id|neq", "a"),
    ("url.path", None), ("user.id|exists", True), ("message|exists", False), ("", "ab"), ("user.id", "*"), ("user.id|hour|gte", 8),
]  # fmt: skip


def test_of_a_field_with_several_values_one_is_enough_live_and_over_history(shelf: Shelf, tmp_path: Path) -> None:
    tenant, events = shelf.put(several(crowd(1200, seed=4), seed=5))
    assert any(isinstance(event.fields.get("user.id"), list) for event in events)
    for place, (line, value) in enumerate(LINES):
        said = {
            "title": line or "keyword",
            "id": f"00000000-0000-4000-8000-{place:012d}",
            "name": f"rule_{place}",
            "logsource": {"product": "random"},
            "detection": {"one": {line: value} if line else [value], "condition": "one"},
        }
        (tmp_path / f"rule_{place:04d}.yml").write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    group = "title: Group\nid: 00000000-0000-4000-8000-0000000000ff\ncorrelation:\n  type: event_count\n  rules: [rule_16]\n"
    (tmp_path / "group.yml").write_text(f"{group}  group-by: [user.id]\n  timespan: 60s\n  condition: {{gte: 3}}\n")
    ruleset = load_rules(tmp_path, sources=[LogSource("random", "", "", {}, subject="user.id")])
    assert ruleset.errors == () and len(ruleset.rules) == len(LINES) + 1
    for rule_id, rule in ruleset.rules.items():
        wanted = plan(ruleset, rule_id)
        expected = Engine(wanted.ruleset).evaluate(events)
        found = [one for step in hunt(shelf.store, wanted, Stretch(Scope(tenant)), slice_count=150) for one in step.detections]
        assert folded(found, ruleset) == folded(expected, ruleset) != set(), rule.title


def test_rules_about_indicators_over_random_events_are_the_engine_over_them(shelf: Shelf, tmp_path: Path) -> None:
    """Whatever is listed: values in any form, networks, names, and fields that hold lists."""
    rule = """\
title: Listed
id: 00000000-0000-4000-8000-000000000001
veilleur:
  indicators:
    fields: {address: [source.ip, user.id, event.type], domain: [message, event.category], hash: url.path}
    confidence: {gte: 50}
"""
    (tmp_path / "rules.yml").write_text(rule, encoding="utf-8")
    ruleset = load_rules(tmp_path)
    (listing,) = ruleset.indicators
    tenant, events = shelf.put([*crowd(600, seed=5), *several(crowd(60, seed=6), seed=7)])
    given = [(Kind.ADDRESS, "192.0.2.0/29"), (Kind.ADDRESS, "10.1.2.3/32"), (Kind.DOMAIN, "a"), (Kind.DOMAIN, "é"), (Kind.URL, "a")]
    book = Few([Indicator(kind, value, confidence=number * 30) for number, (kind, value) in enumerate(given)])
    engine = Engine(ruleset)
    engine.indicators.book = book
    expected = engine.evaluate(events)
    steps = list(hunt(shelf.store, plan(ruleset, listing.rule.id, book), Stretch(Scope(tenant)), slice_count=100))
    assert {(one.group, one.event_ids) for step in steps for one in step.detections} == {(one.group, one.event_ids) for one in expected}
    assert len(expected) > 20
    assert sum(step.candidate_count for step in steps) < len(events) / 2


def test_a_rule_that_only_feeds_others_can_be_hunted_for_itself(night: Night) -> None:
    denied = find_rule(night.ruleset, "idp_approval_refused")
    assert denied.id not in night.ruleset.alerting
    assert len(hunted(night, denied.id)) == 12


def test_an_hour_is_one_of_utc_live_replayed_hunted_and_proved(tmp_path: Path) -> None:
    rules, log = tmp_path / "rules", tmp_path / "access.log"
    rules.mkdir()
    (rules / "late.yml").write_text(
        """
title: Late
id: 00000000-0000-4000-8000-000000000001
logsource: {category: webserver, product: nginx}
detection: {late: {'@timestamp|hour': 20}, condition: late}
veilleur: {titre: Tard, resume: "Tard.", subject: source.ip}
""",
        encoding="utf-8",
    )
    lines = [f'192.0.2.{hour} - - [14/Mar/2026:{hour}:30:00 +0200] "GET / HTTP/1.1" 200 5 "-" "-"'.encode() for hour in (20, 22)]
    log.write_bytes(b"\n".join(lines))
    ruleset, source = load_rules(rules), SOURCES["nginx"](SourceSettings(str(log), "nginx", "log"))
    events = [event for number, line in enumerate(lines, 1) for event in source.parse(RawRecord(str(log), str(number), PLAYED_AT, line))]
    live = Engine(ruleset).evaluate(events)
    assert [one.group for one in live] == [(("source.ip", "192.0.2.22"),)]
    replayed = replay([log], source, Engine(ruleset), (), Pseudonyms(bytes(32)), PLAYED_AT).detections
    store = EventStore(tmp_path / "events.duckdb")
    store.append([StoredEvent(number, event) for number, event in enumerate(events, 1)])
    steps = list(hunt(store, plan(ruleset, next(iter(ruleset.rules))), HERE))
    store.close()
    assert [one.event_ids for step in steps for one in step.detections] == [one.event_ids for one in live]
    assert [one.event_ids for one in replayed] == [one.event_ids for one in live]
    proofs = tmp_path / "proofs" / "late"
    proofs.mkdir(parents=True)
    for kind, hour in (("match", 22), ("ignore", 20)):
        (proofs / f"{kind}.jsonl").write_text(f'{{"event.dataset": "nginx.access", "@timestamp": "2026-03-14T{hour}:30:00+02:00"}}')
    assert [result.held_count for result in prove(rules, proofs=tmp_path / "proofs").results] == [1, 1]
