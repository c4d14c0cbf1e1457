import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.demo.services import audit_event
from siem.cli import app
from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.enrichment.pseudonyms import Pseudonyms, load_key
from siem.errors import DataError
from siem.event import RawRecord
from siem.replay import Replayed, replay
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from tests.siem.history.night import person

DOCTOR = person(1)
RULESET = load_rules(Path(__file__).parents[2] / "rules")
SCAN = b'198.51.100.7 - - [14/Mar/2026:22:00:%02d +0000] "GET /wp-%d.php HTTP/1.1" 404 153 "-" "curl/8.0"\n'


def _replay(*files: Path) -> Replayed:
    source = SOURCES["nginx"](SourceSettings("log", "nginx", "log", http=True))
    return replay(files, source, Engine(RULESET), (), Pseudonyms(bytes(32)), datetime(2026, 3, 15, tzinfo=UTC))


def _file(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def test_finds_what_the_rules_find_across_files(tmp_path: Path) -> None:
    first = _file(tmp_path / "access.log.1", [SCAN % (number, number) for number in range(30)])
    second = _file(tmp_path / "access.log", [SCAN % (30 + number, number) for number in range(30)])
    found = _replay(first, second)
    assert found.line_count == found.event_count == 60
    assert found.errors == []
    scans = [one for one in found.detections if RULESET.rules[one.rule_id].correlation]
    assert scans, "sixty pages that do not exist, asked for within a minute, are no ordinary visit"
    assert {value for one in scans for _, value in one.group} == {"198.51.100.7"}


def test_an_unreadable_line_is_named_and_stops_nothing(tmp_path: Path) -> None:
    log = _file(tmp_path / "access.log", [SCAN % (1, 1), b"nonsense\n", b"\n", SCAN % (2, 2)])
    found = _replay(log)
    assert (found.line_count, found.event_count) == (3, 2)
    assert [(error.path, error.line) for error in found.errors] == [(str(log), 2)]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone.log: cannot be read"):
        _replay(tmp_path / "gone.log")


def test_the_same_file_gives_the_same_detections(tmp_path: Path) -> None:
    log = _file(tmp_path / "access.log", [SCAN % (number % 60, number) for number in range(60)])
    assert _replay(log) == _replay(log)


def _sweep(tmp_path: Path) -> Path:
    at = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
    documents = (
        audit_event(
            at + timedelta(seconds=30 * n), DOCTOR, "192.0.2.5", f"TEST-PATIENT-{n:04d}", "read", finess="0B0000005", session_id="s"
        )
        for n in range(60)
    )
    return _file(tmp_path / "access.ndjson", [json.dumps(document).encode() + b"\n" for document in documents])


def _command(log: Path, state: Path) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["replay", "--type", "fhir_audit_event", "--json", str(log)], env={"SIEM_STATE": str(state)})
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert found and DOCTOR not in done.output
    return found


def test_people_have_the_pseudonyms_that_they_have_live(tmp_path: Path) -> None:
    log, state = _sweep(tmp_path), tmp_path / "state"
    key = load_key(state / "keys" / "pseudonyms.key")
    mine = Pseudonyms(key).of("user.id", DOCTOR)
    assert {value for one in _command(log, state) for value in one["group"].values()} == {mine}


def test_without_the_key_of_a_watch_a_replay_has_pseudonyms_of_its_own(tmp_path: Path) -> None:
    log, nowhere = _sweep(tmp_path), tmp_path / "nowhere"
    first, second = _command(log, nowhere), _command(log, nowhere)
    assert [one["group"].keys() for one in first] == [one["group"].keys() for one in second] and first[0]["group"] != second[0]["group"]
    assert not nowhere.exists(), "a replay makes no key"


def test_a_line_that_our_parser_trips_over_is_named_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SOURCES["nginx"].parse

    def parse(self: object, record: RawRecord) -> object:
        if b"/wp-1.php" in record.data:
            raise ZeroDivisionError("a defect")
        return kept(self, record)  # type: ignore[arg-type]

    monkeypatch.setattr(SOURCES["nginx"], "parse", parse)
    found = _replay(_file(tmp_path / "access.log", [SCAN % (number, number) for number in range(3)]))
    assert found.event_count == 2 and [(error.line, "ZeroDivisionError" in error.problem) for error in found.errors] == [(2, True)]


def test_one_line_from_the_future_ends_no_wait(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "export.yml").write_text(
        "---".join(
            f"""
title: {name}
name: {name}
logsource: {{category: webserver, product: nginx}}
detection: {{path: {{url.path: /{name}}}, condition: path}}
"""
            for name in ("export", "approval")
        )
        + """---
title: Export without approval
correlation: {type: temporal, group-by: [source.ip], timespan: 15m, condition: export and not approval}
""",
        encoding="utf-8",
    )
    line = '192.0.2.7 - - [14/Mar/{}:22:{:02}:00 +0000] "GET /{} HTTP/1.1" 200 5 "-" "-"\n'
    others = [line.format(2026, 1, "other")] * 2000
    log = tmp_path / "access.log"
    log.write_text("".join([line.format(2026, 0, "export"), line.format(2030, 0, "other"), *others, line.format(2026, 5, "approval")]))
    answer = CliRunner().invoke(app, ["replay", str(log), "--type", "nginx", "--rules", str(rules), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == []
