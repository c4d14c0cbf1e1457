from collections import Counter
from datetime import UTC, datetime

from bench.traffic import evening
from siem.event import RawRecord
from siem.sources import SOURCES
from siem.sources.source import SourceSettings

TYPES = {"idp": "idp", "nginx": "nginx", "fhir": "fhir_audit_event"}


def test_every_line_of_the_evening_is_read_by_its_source() -> None:
    sources = {name: SOURCES[kind](SourceSettings(name, kind, "Mesure", http=True)) for name, kind in TYPES.items()}
    datasets: Counter[object] = Counter()
    for position, (name, line) in enumerate(evening(500)):
        for event in sources[name].parse(RawRecord(name, str(position), datetime(2026, 3, 15, tzinfo=UTC), line)):
            datasets[event.fields["event.dataset"]] += 1
            assert str(event.fields["user.id"]).startswith("8997")
    assert datasets == {"nginx.access": 300, "fhir.audit_event": 100, "idp.audit": 100}


def test_the_evening_is_the_same_on_every_run() -> None:
    assert list(evening(50)) == list(evening(50))
