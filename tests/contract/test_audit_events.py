"""What the identity provider writes, the watch reads: every audit event, with every field, through the real line."""

from datetime import UTC, datetime

import pytest

from siem.event import FIELDS, Kind, RawRecord
from siem.sources.idp import Idp
from siem.sources.source import SourceSettings
from vocabulary.audit import AUDIT_FIELDS, ECS_CLASSES, FIRST_HASH, AuditAction, AuditEvent, AuditValue, Outcome

AT = datetime(2026, 11, 22, 21, 14, 3, 120_000, tzinfo=UTC)
SAMPLES: dict[Kind, AuditValue] = {
    Kind.KEYWORD: 'value é"\\',
    Kind.TEXT: "a text",
    Kind.IP: "192.0.2.17",
    Kind.INTEGER: 3,
    Kind.KEYWORDS: ["one", "two"],
}


def _parse(line: str) -> list[tuple[datetime, dict[str, object]]]:
    source = Idp(SourceSettings("idp", "idp", "Fournisseur d'identité", http=True))
    events = source.parse(RawRecord("idp", "1:0", AT, line.encode()))
    assert all(event.fields.keys() <= source.fields.keys() & FIELDS.keys() for event in events)
    return [(event.at, dict(event.fields)) for event in events]


def test_every_field_of_an_audit_event_is_a_field_of_an_event() -> None:
    assert AUDIT_FIELDS.keys() <= FIELDS.keys()
    assert AUDIT_FIELDS.keys() <= Idp.fields.keys()


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("action", AuditAction)
def test_every_action_is_parsed_with_all_its_fields(action: AuditAction, outcome: Outcome) -> None:
    fields = {name: SAMPLES[FIELDS[name]] for name in AUDIT_FIELDS}
    line, digest = AuditEvent(action, outcome, AT, fields).to_json_line(
        sequence=1, previous_hash=FIRST_HASH, provider="https://idp.example"
    )
    [(at, read)] = _parse(line)
    assert at == AT
    assert {name: read[name] for name in AUDIT_FIELDS} == fields
    assert read["event.action"] == action
    assert read["event.outcome"] == outcome
    assert (read["event.category"], read["event.type"]) == (list(ECS_CLASSES[action].category), list(ECS_CLASSES[action].type))
    assert (read["event.sequence"], read["event.hash"], read["event.provider"]) == (1, digest, "https://idp.example")


@pytest.mark.parametrize("action", AuditAction)
def test_every_action_is_parsed_without_optional_fields(action: AuditAction) -> None:
    line, _ = AuditEvent(action, Outcome.UNKNOWN, AT).to_json_line(sequence=1, previous_hash=FIRST_HASH, provider="https://idp.example")
    [(at, read)] = _parse(line)
    assert at == AT
    assert read.keys() & AUDIT_FIELDS.keys() == set()
