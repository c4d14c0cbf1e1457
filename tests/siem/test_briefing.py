from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from siem.briefing import facts_of
from siem.detection.credit import Credit
from siem.event import Event, Fields
from siem.incidents.model import Incident, IncidentState, Severity

AT = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
INCIDENT = Incident(
    id="i1",
    number="INC-2026-0001",
    tenant="default",
    title="Un compte",
    severity=Severity.HIGH,
    state=IncidentState.NEW,
    assignee=None,
    finess="0B0000005",
    techniques=("T1213",),
    entities={"user": ("P-AAAAAAAAAA",), "source.ip": ("203.0.113.66", "198.51.100.200", "2001:db8::7")},
    qualification={},
    first_at=AT,
    last_at=AT,
    created_at=AT,
    detected_at=AT,
    aware_at=None,
    closed_at=None,
)

CREDIT = Credit("gone", "Sweep", "A. Nobody", "DRL 1.1")


@dataclass
class Alert:
    event_ids: tuple[str, ...]
    title: str = "Balayage"
    credit: Credit = CREDIT


class World:
    """What the briefing reads, and nothing else."""

    def __init__(self, *events: Fields) -> None:
        self.events = [Event(f"e{n}", AT + timedelta(seconds=n), "dossier", "default", fields) for n, fields in enumerate(events)]
        self.rules: dict[str, object] = {}

    def alerts_of(self, _principal: object, _incident_id: str) -> tuple[Alert, ...]:
        return (Alert(tuple(event.id for event in self.events)), Alert(("e0",)))

    def of_incident(self, _principal: object, _incident_id: str) -> tuple[object, ...]:
        return ()

    def get(self, ids: set[str], _scope: object) -> list[Event]:
        return [event for event in self.events if event.id in ids]

    def manifests(self) -> tuple[object, ...]:
        return ()


def _facts(*events: Fields) -> Any:
    world = cast("Any", World(*events))
    return facts_of(replace(INCIDENT), incidents=world, runs=world, events=world, evidence=world)


def test_each_event_and_each_patient_is_counted_once() -> None:
    read: Fields = {"event.action": "record.read", "health.patient.pseudonym": "PAT-1", "service.name": "dossier-patient"}
    facts = _facts(
        read, read, {**read, "health.patient.pseudonym": "PAT-2"}, {"event.action": "record.exported", "health.record.count": 40}
    )
    assert (facts.event_count, facts.patient_count, facts.export_count, facts.record_count) == (4, 2, 1, 40)
    assert facts.services == ("dossier-patient",)
    assert facts.rules == ("Balayage (de A. Nobody, licence DRL 1.1)",)  # once, and though the rule is gone


def test_what_was_not_measured_stays_unknown() -> None:
    facts = _facts({"event.action": "login.succeeded"})
    assert facts.patient_count is None
    assert facts.record_count is None


def test_the_address_of_the_persons_own_phone_is_no_indicator() -> None:
    facts = _facts({"event.action": "device_approval.denied", "source.ip": "198.51.100.200"}, {"source.ip": "203.0.113.66"})
    assert facts.indicators == (("ipv4-addr", "203.0.113.66"), ("ipv6-addr", "2001:db8::7"))
