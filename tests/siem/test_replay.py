from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.errors import DataError
from siem.replay import Replayed, replay
from siem.sources import SOURCES
from siem.sources.source import SourceSettings

RULESET = load_rules(Path(__file__).parents[2] / "rules")
SCAN = b'198.51.100.7 - - [14/Mar/2026:22:00:%02d +0000] "GET /wp-%d.php HTTP/1.1" 404 153 "-" "curl/8.0"\n'


def _replay(*files: Path) -> Replayed:
    source = SOURCES["nginx"](SourceSettings("log", "nginx", "log", http=True))
    return replay(files, source, Engine(RULESET), (), datetime(2026, 3, 15, tzinfo=UTC))


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
