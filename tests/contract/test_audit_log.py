"""The audit log as the identity provider really writes it, read by the watch: its chain holds, and a lost line shows."""

from datetime import UTC, datetime
from pathlib import Path

from idp.audit import AuditLog
from siem.event import Event, RawRecord
from siem.sources.idp import Idp
from siem.sources.source import SourceSettings
from vocabulary.audit import AuditAction, Outcome

AT = datetime(2026, 11, 22, 21, 14, 3, 120_000, tzinfo=UTC)


def _write(path: Path) -> list[bytes]:
    for start in (0, 5):  # the provider is stopped and started again in between
        log = AuditLog(path, clock=lambda: AT, provider="https://idp.example")
        for number in range(start, start + 5):
            log.record(
                AuditAction.LOGIN_FAILED, Outcome.FAILURE, {"user.id": "899700000005", "source.port": number + 1, "event.reason": "é « »"}
            )
    return path.read_bytes().splitlines()


def _parse(lines: list[bytes]) -> list[Event]:
    source = Idp(SourceSettings("idp", "idp", "IdP", http=True))
    return [event for number, line in enumerate(lines) for event in source.parse(RawRecord("idp", str(number), AT, line))]


def test_the_chain_of_the_real_log_holds(tmp_path: Path) -> None:
    events = _parse(_write(tmp_path / "audit.ndjson"))
    assert [event.fields["event.action"] for event in events] == ["login.failed"] * 10


def test_each_removed_or_changed_line_of_the_real_log_shows(tmp_path: Path) -> None:
    lines = _write(tmp_path / "audit.ndjson")
    for number in range(len(lines) - 1):
        removed = [*lines[:number], *lines[number + 1 :]]
        changed = [*lines[:number], lines[number].replace(b"899700000005", b"899700000013"), *lines[number + 1 :]]
        for log in (removed, changed):
            broken = [event for event in _parse(log) if event.fields["event.action"] == "audit_log.broken"]
            assert len(broken) == 1, f"line {number + 1}"
