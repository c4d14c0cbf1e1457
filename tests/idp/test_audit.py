import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import audit
from idp.audit import AuditLog, BrokenLink, verify
from idp.errors import OperationError
from vocabulary.audit import FIRST_HASH, AuditAction, AuditValue, Outcome, chain_hash

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)


def _log(path: Path) -> AuditLog:
    return AuditLog(path, clock=lambda: NOW, provider="https://idp.example")


def _write(log: AuditLog, count: int = 1) -> None:
    for _ in range(count):
        log.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE, {"user.id": "899700000005", "source.ip": None, "event.reason": ""})


def test_a_line_is_in_the_file_when_record_returns_and_empty_fields_are_left_out(tmp_path: Path) -> None:
    _write(_log(tmp_path / "a"))
    (line,) = (tmp_path / "a").read_text().splitlines()
    event = json.loads(line)
    assert event["user.id"] == "899700000005"
    assert event["@timestamp"] == "2026-11-22T21:00:00.000Z"
    assert "source.ip" not in event
    assert "event.reason" not in event


def test_each_line_refers_to_the_one_before(tmp_path: Path) -> None:
    _write(_log(tmp_path / "a"), 3)
    previous = FIRST_HASH
    for line in (tmp_path / "a").read_text().splitlines():
        event = json.loads(line)
        body = line.rpartition(',"event.hash":')[0] + "}"
        assert event["event.hash"] == chain_hash(previous, body)
        previous = event["event.hash"]


def test_the_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        log = _log(tmp_path / "a")
        _write(log, 2)
        log.close()
    assert list(verify(tmp_path / "a")) == [1, 2, 3, 4, 5, 6]


def test_two_writers_share_one_chain(tmp_path: Path) -> None:
    server, command = _log(tmp_path / "a"), _log(tmp_path / "a")
    for log in (server, command, server, server, command):
        _write(log)
    assert list(verify(tmp_path / "a")) == [1, 2, 3, 4, 5]


def test_zero_is_a_value_and_nothing_is_none(tmp_path: Path) -> None:
    fields: dict[str, AuditValue | None] = {"health.revoked.count": 0, "health.scope": [], "event.reason": "", "user.id": None}
    _log(tmp_path / "a").record(AuditAction.TOKEN_REVOKED, Outcome.SUCCESS, fields)
    event = json.loads((tmp_path / "a").read_text())
    assert event["health.revoked.count"] == 0
    assert not {"health.scope", "event.reason", "user.id"} & event.keys()


def test_a_half_line_left_by_a_crash_is_set_aside(tmp_path: Path) -> None:
    log = _log(tmp_path / "a")
    _write(log, 2)
    log.close()
    with (tmp_path / "a").open("ab") as file:
        file.write(b'{"@timestamp":"2026')
    _write(_log(tmp_path / "a"))
    assert list(verify(tmp_path / "a")) == [1, 2, 3]
    assert (tmp_path / "a.half").read_bytes() == b'{"@timestamp":"2026\n'


def test_a_killed_process_loses_no_recorded_event(tmp_path: Path) -> None:
    program = (
        "import os, sys, signal\nfrom datetime import UTC, datetime\nfrom pathlib import Path\nfrom idp.audit import AuditLog\n"
        "from vocabulary.audit import AuditAction, Outcome\n"
        "log = AuditLog(Path(sys.argv[1]), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC), provider='p')\n"
        "for _ in range(100):\n    log.record(AuditAction.LOGIN_FAILED, Outcome.FAILURE)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert len(list(verify(tmp_path / "a"))) == 100


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda lines: [lines[0], lines[1].replace(b"899700000005", b"899700000013"), *lines[2:]], "event.hash does not fit"),
        (lambda lines: [lines[0], *lines[2:]], "a line is missing"),
        (lambda lines: [lines[0], lines[0], *lines[1:]], "a line is missing or was added"),
        (lambda lines: [lines[0], b"{}\n", *lines[2:]], "not whole|no event.hash"),
        (lambda lines: [lines[0], lines[1][:-20]], "not whole"),
    ],
    ids=["changed", "removed", "added", "replaced", "cut"],
)
def test_a_log_that_was_touched_is_told_from_the_line_on(tmp_path: Path, damage: object, reason: str) -> None:
    _write(_log(tmp_path / "a"), 4)
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)
    (tmp_path / "a").write_bytes(b"".join(damage(lines)))  # type: ignore[operator]
    first, broken = list(verify(tmp_path / "a"))
    assert first == 1
    assert isinstance(broken, BrokenLink)
    assert broken.line == 2
    assert re.search(reason, broken.reason)


def test_a_last_line_that_is_no_event_stops_the_start_with_the_file_s_name(tmp_path: Path) -> None:
    (tmp_path / "audit.ndjson").write_bytes(b"not json\n")
    with pytest.raises(OperationError, match=r"audit\.ndjson"):
        _log(tmp_path / "audit.ndjson")


def test_a_full_disk_is_an_error_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = _log(tmp_path / "a")
    _write(log)
    whole = (tmp_path / "a").read_bytes()
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: real(file, data[:10], at))
    with pytest.raises(OperationError, match="audit log"):
        _write(log)
    monkeypatch.undo()
    assert (tmp_path / "a").read_bytes() == whole
    _write(log)
    assert list(verify(tmp_path / "a")) == [1, 2]


def test_the_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    _log(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


@given(sizes=st.lists(st.integers(0, 3000), max_size=40), wanted=st.integers(0, 3), limit=st.integers(1, 50))
def test_a_search_from_the_end_finds_what_reading_from_the_start_finds(
    sizes: list[int], wanted: int, limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("audit")
    log = AuditLog(folder / "audit.ndjson", clock=lambda: NOW, provider="https://idp.example")
    for number, size in enumerate(sizes):
        fields = {"trace.id": f"r{number % 4}", "event.reason": "é" * size}
        log.record(AuditAction.CLIENT_CHANGED, Outcome.SUCCESS, fields)
    log.close()
    lines = [json.loads(line) for line in (folder / "audit.ndjson").read_text("utf-8").splitlines()]
    expected = [line for line in reversed(lines) if line["trace.id"] == f"r{wanted}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "_BLOCK_BYTES", 777)
        found = audit.search(folder / "audit.ndjson", NOW, None, {"trace.id": f"r{wanted}"}, limit)
    assert found.events == expected[:limit]
    assert found.complete or len(expected) >= limit
