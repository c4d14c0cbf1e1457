"""Real events of Windows and real rules through the replay of the command line."""

import gzip
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from siem.cli import app

DATA = Path(os.environ.get("VEILLEUR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
real_data = pytest.mark.skipif(
    not (DATA / "windows-events-otrf-40k.ndjson.gz").exists(),
    reason=f"no real data in {DATA} (set VEILLEUR_DATA to the folder that holds it)",
)
#: Hits in these 40,000 events. Without what the source does for them (one name for the provider of all collectors) there are 309.
HITS = 314


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SIEM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SIEM_STATE", str(tmp_path / "siem"))


def replayed(log: Path, *rules: Path) -> list[dict[str, Any]]:
    command = ["replay", str(log), "--type", "windows", "--json", *(part for folder in rules for part in ("--rules", str(folder)))]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output[-2000:]
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@real_data
def test_every_rule_for_windows_runs_over_real_events_and_each_hit_names_author_and_licence(tmp_path: Path) -> None:
    with tarfile.open(DATA / "sigmahq-rules.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    log = tmp_path / "events.ndjson"
    log.write_bytes(gzip.decompress((DATA / "windows-events-otrf-40k.ndjson.gz").read_bytes()))
    found = replayed(log, tmp_path / "rules" / "windows")
    assert sum(len(one["event_ids"]) for one in found) == HITS
    assert all(one["author"] for one in found)
    assert Counter(one["rule"] for one in found)["Important Windows Eventlog Cleared"] == 3


def cases(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Rule id, events and how often the rule must match, of each regression case that has its events as JSON."""
    for info in sorted(folder.rglob("info.yml")):
        described = yaml.safe_load(info.read_text("utf-8"))
        for test in described["regression_tests_info"]:
            events = folder / Path(test["path"]).with_suffix(".json")
            if events.exists() and test.get("type") == "evtx":
                yield described["rule_metadata"][0]["id"], events, int(test.get("match_count", 1))


def documents(text: str) -> Iterator[object]:
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        document, position = decoder.raw_decode(text, position)
        yield from document if isinstance(document, list) else [document]


@real_data
def test_the_official_regression_cases_match_by_the_same_path(tmp_path: Path) -> None:
    for name in ("sigmahq-rules.tar.gz", "sigma-regression-half.tar.gz"):
        with tarfile.open(DATA / name) as archive:
            archive.extractall(tmp_path, filter="data")
    rules = {
        str(document["id"]): path
        for path in (tmp_path / "rules").rglob("*.yml")
        for document in yaml.safe_load_all(path.read_text("utf-8"))
        if isinstance(document, dict) and "id" in document
    }
    log, wanted = tmp_path / "cases.ndjson", tmp_path / "wanted"
    wanted.mkdir()
    expected: dict[str, int] = {}
    lines: list[str] = []
    for rule_id, events, count in cases(tmp_path):
        if rule_id in rules and "windows" in rules[rule_id].parts:
            (wanted / rules[rule_id].name).write_bytes(rules[rule_id].read_bytes())
            expected[rule_id] = expected.get(rule_id, 0) + count
            lines += [json.dumps(document) for document in documents(events.read_text("utf-8-sig"))]
    log.write_text("\n".join(lines) + "\n", "utf-8")
    found = Counter(one["rule_id"] for one in replayed(log, wanted) for _ in one["event_ids"])
    assert len(expected) > 70
    assert {rule_id: found[rule_id] for rule_id, count in expected.items() if found[rule_id] < count} == {}
