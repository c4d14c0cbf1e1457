"""Golden files of the source fhir_audit_event."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.errors import DataError
from siem.event import RawRecord
from siem.sources.fhir_audit_event import FhirAuditEvent
from siem.sources.source import SourceSettings
from tests.siem.sources.golden import check, logs


@pytest.mark.parametrize("path", logs("fhir_audit_event"), ids=lambda path: path.stem)
def test_a_log_becomes_the_expected_events(path: Path, expected: Callable[[Path, str], None]) -> None:
    check("fhir_audit_event", path, expected)


def _event_naming(finess: str) -> RawRecord:
    observer = {"identifier": {"system": "https://finess.esante.gouv.fr", "value": finess}}
    document = {"resourceType": "AuditEvent", "action": "R", "recorded": "2026-03-14T22:00:00Z", "outcome": "0", "agent": [{}]}
    at = datetime(2026, 3, 14, 22, 0, 1, tzinfo=UTC)
    return RawRecord("dossier", "1", at, json.dumps({**document, "source": {"observer": observer}}).encode())


def test_a_source_does_not_speak_for_the_establishment_of_another() -> None:
    source = FhirAuditEvent(
        SourceSettings("dossier", "fhir_audit_event", "Dossier", finess="0B0000005", structures=frozenset({"0B0172805"}))
    )
    assert [event.fields["health.structure.finess"] for event in source.parse(_event_naming("0B0172805"))] == ["0B0172805"]
    with pytest.raises(DataError, match="1B0000005 is not an establishment of this source"):
        source.parse(_event_naming("1B0000005"))


def test_a_source_of_no_establishment_may_name_any() -> None:
    source = FhirAuditEvent(SourceSettings("region", "fhir_audit_event", "Dossier régional"))
    assert [event.fields["health.structure.finess"] for event in source.parse(_event_naming("1B0000005"))] == ["1B0000005"]
