"""What a detection of a correlation holds; that the right events are in it is in the tests of the engine and of correlations."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.event import Event

T0 = datetime(2026, 11, 23, tzinfo=UTC)
RULES = """\
title: Export
id: 00000000-0000-4000-8000-000000000001
name: export
logsource: {product: fhir}
detection: {selection: {event.action: record.exported}, condition: selection}
---
title: Large on average
id: 00000000-0000-4000-8000-000000000002
correlation:
  type: value_avg
  rules: [export]
  group-by: [user.id]
  timespan: 1h
  condition: {field: health.record.count, gte: 2}
veilleur: {titre: T, resume: "{user.id} depuis {source.ip} : {count}", subject: user.id}
"""


def test_an_episode_tells_its_group_its_measure_and_what_its_sentence_shows(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    engine = Engine(load_rules(tmp_path))
    fields = {"event.dataset": "fhir.audit_event", "event.action": "record.exported", "user.id": "P-1", "source.ip": "192.0.2.1"}
    events = [
        Event(f"e{number}", T0 + timedelta(minutes=number), "fhir", "default", {**fields, "health.record.count": count})
        for number, count in enumerate((2, 3))
    ]
    engine.evaluate(events)
    (found,) = engine.flush()
    assert (found.group, found.event_ids) == ((("user.id", "P-1"),), ("e0", "e1"))
    assert dict(found.values) == {"user.id": "P-1", "source.ip": "192.0.2.1", "count": "2.50"}
    assert (found.first_at, found.last_at, found.matched_fields) == (
        T0,
        T0 + timedelta(minutes=1),
        ("user.id", "health.record.count", "event.action"),
    )
