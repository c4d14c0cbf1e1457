"""``siem sources check``: every mistake of the list, and what it says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siem.cli import app

RUNNER = CliRunner()
TEXT = """\
- {name: web, type: nginx, service: Dossier patient, finess: 0B0000005, file: access.log, silent_after: 6h}
- {name: dpi, type: fhir_audit_event, service: Dossier patient, http: true}
"""


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "sources.yaml"
    file.write_text(TEXT, "utf-8")
    monkeypatch.setenv("SIEM_SOURCES_FILE", str(file))
    monkeypatch.setenv("SIEM_SOURCE_SILENCE_SECONDS", "1200")
    monkeypatch.setenv("SIEM_ENVIRONMENT", "development")
    return file


def test_a_good_list_is_shown_with_how_long_each_source_may_be_silent(listed: Path) -> None:
    result = RUNNER.invoke(app, ["sources", "check"])
    assert result.exit_code == 0 and "no problem" in result.output
    (web,), (records,) = ([line for line in result.output.splitlines() if name in line] for name in ("nginx", "fhir_audit_event"))
    assert "6:00:00" in web and "0B0000005" in web and "0:20:00" in records and "http" in records


def test_every_mistake_is_told_with_its_line(listed: Path) -> None:
    listed.write_text(TEXT.replace("6h", "soon").replace("fhir_audit_event", "fhir"), "utf-8")
    result = RUNNER.invoke(app, ["sources", "check", "--json"])
    assert result.exit_code == 1
    assert [(one["line"], one["field"]) for one in json.loads(result.output)] == [(1, "silent_after"), (2, "type")]
    result = RUNNER.invoke(app, ["sources", "check", str(listed.with_name("none.yaml"))])
    assert result.exit_code == 1 and "cannot be read" in result.output
