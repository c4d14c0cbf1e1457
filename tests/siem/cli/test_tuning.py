"""``siem rules tune`` and ``navigator`` on a watch in a folder whose alerts people have judged."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siem.cli import app
from siem.incidents.model import Verdict
from siem.store.events import EventStore
from tests.siem.tuning.conftest import EXPORT, Watch, export

RUNNER = CliRunner()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The state's folder, with two exports closed as false and one as true."""
    for name in list(os.environ):
        if name.startswith("SIEM_"):
            monkeypatch.delenv(name)
    watch = Watch(tmp_path)
    watch.events.close()
    watch.events = EventStore(tmp_path / "events.duckdb")
    watch.see(*(export(f"P-{number}", source__ip=ip) for number, ip in enumerate(("192.0.2.7", "203.0.113.9", "192.0.2.7"))))
    watch.judge([Verdict.FALSE_POSITIVE, Verdict.TRUE_POSITIVE_IMPACT, Verdict.FALSE_POSITIVE])
    watch.events.close()
    watch.database.close()
    monkeypatch.setenv("SIEM_ENVIRONMENT", "development")
    monkeypatch.setenv("SIEM_STATE", str(tmp_path))
    monkeypatch.setenv("SIEM_RULES", str(watch.rules))
    return tmp_path


def test_shows_the_filter_its_proof_and_writes_it_when_told_who_why_and_until_when(judged: Path) -> None:
    shown = RUNNER.invoke(app, ["rules", "tune", "Export"])
    assert shown.exit_code == 0, shown.output
    assert "source.ip = 192.0.2.7" in shown.output
    assert "hides 2 of 2 closed as false; 1 closed as true still fire, 0 lost" in shown.output
    assert not (judged / "local-rules").exists()
    signed = ["--owner", "Hugo", "--reason", "La sauvegarde", "--expires", "2027-01-31"]
    assert RUNNER.invoke(app, ["rules", "tune", EXPORT, "--write"]).exit_code == 2
    written = RUNNER.invoke(app, ["rules", "tune", EXPORT, "--write", *signed])
    assert written.exit_code == 0 and "written: " in written.output, written.output
    (file,) = (judged / "local-rules" / "filters").iterdir()
    assert "192.0.2.7" in file.read_text(encoding="utf-8")
    again = RUNNER.invoke(app, ["rules", "tune", EXPORT])
    assert again.exit_code == 1 and "nothing to propose" in again.output


def test_wrong_use_is_said(judged: Path) -> None:
    assert "no such: no rule that raises alerts" in RUNNER.invoke(app, ["rules", "tune", "no such"]).output
    late = RUNNER.invoke(app, ["rules", "tune", EXPORT, "--write", "--owner", "o", "--reason", "r", "--expires", "never"])
    assert late.exit_code == 2 and "--expires" in late.output
    far = RUNNER.invoke(app, ["rules", "tune", EXPORT, "--write", "--owner", "o", "--reason", "r", "--expires", "2099-01-01"])
    assert far.exit_code == 2 and "echeance" in far.output


def test_layers_for_the_navigator_are_written(judged: Path) -> None:
    file = judged / "layer.json"
    assert RUNNER.invoke(app, ["rules", "navigator", "-o", str(file)]).exit_code == 0
    assert json.loads(file.read_text(encoding="utf-8"))["versions"]["layer"] == "4.5"
    seen = RUNNER.invoke(app, ["rules", "navigator", "--seen", "-o", str(file)])
    assert seen.exit_code == 0 and "0 techniques" in seen.output  # these rules name none
    assert RUNNER.invoke(app, ["rules", "navigator", "-o", str(judged / "no" / "layer.json")]).exit_code == 2


def test_a_watch_that_is_not_there_is_a_clear_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIEM_ENVIRONMENT", "development")
    monkeypatch.setenv("SIEM_STATE", str(tmp_path))
    result = RUNNER.invoke(app, ["rules", "tune", EXPORT])
    assert result.exit_code == 2 and "SIEM_STATE" in result.output
