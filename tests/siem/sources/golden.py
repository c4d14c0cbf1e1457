"""Golden files of the sources: every ``*.log`` of a source's folder against ``*.expected.json`` beside it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from siem.errors import DataError
from siem.event import FIELDS, RawRecord
from siem.sources import SOURCES
from siem.sources.source import SourceSettings

FOLDER = Path(__file__).parent
RECEIVED_AT = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)


def settings(kind: str) -> SourceSettings:
    """Settings of a source that receives by HTTP, for the invented establishment 0B0000005."""
    return SourceSettings(
        f"{kind.replace('_', '-')}-1", kind, "Dossier patient", finess="0B0000005", http=True, structures=frozenset({"0C0000004"})
    )


def record(kind: str, line: str | bytes, position: str = "1:0") -> RawRecord:
    """One line as that source's input would hand it over."""
    return RawRecord(settings(kind).name, position, RECEIVED_AT, line if isinstance(line, bytes) else line.encode())


def logs(kind: str) -> list[Path]:
    """The sample logs of a source."""
    found = sorted((FOLDER / kind).glob("*.log"))
    assert found, f"{FOLDER / kind} has no sample"
    return found


def check(kind: str, path: Path, expected: Callable[[Path, str], None]) -> None:
    """Parse the log as one source would; events and refusals are compared, and every field must be declared."""
    source = SOURCES[kind](settings(kind))
    assert source.fields.keys() <= FIELDS.keys()
    results: list[object] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            events = source.parse(record(kind, line, f"1:{number}"))
        except DataError as error:
            results.append({"line": number, "refused": {"field": error.field, "problem": error.problem}})
            continue
        assert events, f"{path}:{number}: neither an event nor a refusal"
        for event in events:
            declared = event.fields.keys() & FIELDS.keys() if source.open else event.fields.keys()
            assert declared <= source.fields.keys(), f"{path}:{number}: a field that the source does not declare"
            results.append({"line": number, "id": event.id, "at": event.at.isoformat(), "fields": dict(sorted(event.fields.items()))})
    expected(path.with_suffix(".expected.json"), json.dumps(results, ensure_ascii=False, indent=2) + "\n")
