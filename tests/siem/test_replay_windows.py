"""Real events of Windows and real rules through the replay of the command line."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from siem.cli import app
from tests.examples import thinned
from tests.siem.sigmahq import real_data, unpacked, windows_lines

#: Hits in one event of eight.
HITS = 42


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
def test_every_rule_for_windows_runs_over_real_events_and_each_hit_names_its_author(tmp_path: Path) -> None:
    """One event in eight in the suite; test_match.py has all of them, without the command line."""
    lines = thinned(windows_lines(), 8)
    (log := tmp_path / "events.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    found = replayed(log, unpacked() / "rules" / "windows")
    # Without what the source does for them (one name for the provider of all collectors) there are 309 in all.
    assert sum(len(one["event_ids"]) for one in found) == (314 if len(lines) == 40_000 else HITS)
    assert all(one["author"] for one in found)


@pytest.fixture
def sigmahq() -> Path:
    """Rules of SigmaHQ and their regression cases: a whole checkout where there is one, or the part in the data of the tests."""
    checkout = os.environ.get("VEILLEUR_SIGMAHQ")
    return Path(checkout) if checkout else unpacked()


@dataclass(frozen=True)
class Case:
    """One case: which rule is to match how often in which events. ``events`` is None where there are none in JSON."""

    name: str
    rule_id: str
    events: Path | None
    match_count: int


def cases(folder: Path) -> Iterator[Case]:
    for info in sorted((folder / "regression_data").rglob("info.yml")):
        described = yaml.safe_load(info.read_text("utf-8"))
        for test in described.get("regression_tests_info") or [{}]:
            events = (folder / test["path"]).with_suffix(".json") if "path" in test else None
            found = events if events is not None and events.exists() else None
            yield Case(info.parent.name, described["rule_metadata"][0]["id"], found, int(test.get("match_count", 1)))


def documents(text: str) -> Iterator[object]:
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        document, position = decoder.raw_decode(text, position)
        yield from document if isinstance(document, list) else [document]


#: Cases that the part in the data of the tests leaves out: their rules lie in folders of SigmaHQ that are not in it. With a whole
#: checkout nothing is left out but a line of Cisco's, whose test the authors themselves have commented out.
WITHOUT_RULE = {
    "image_load_win_werfaultsecure_dbgcore_dbghelp_load",
    "pipe_created_win_exploit_redsun_named_pipe",
    "proc_creation_win_exploit_cve_2026_33829",
    "proc_creation_win_mal_shai_hulud_malicious_node_bun_execution",
    "proc_creation_win_malware_grixba_recon",
}
WITHOUT_EVENTS = {"cisco_cli_dot1x_disabled"}


@real_data
@pytest.mark.disagreement("more matches than a case counts")
def test_the_official_regression_cases_match_as_often_as_their_authors_say_by_the_same_path(sigmahq: Path, tmp_path: Path) -> None:
    every = list(cases(sigmahq))
    wanted = {case.rule_id for case in every}
    rules = {
        found[1]: path
        for folder in sigmahq.glob("rules*")
        for path in folder.rglob("*.yml")
        if (found := re.search(r"(?m)^id: *(\S+)", path.read_text("utf-8"))) and found[1] in wanted
    }
    (chosen := tmp_path / "chosen").mkdir()
    lines: list[str] = []
    expected: Counter[str] = Counter()
    left_out: set[str] = set()
    for case in every:
        if case.events is None or case.rule_id not in rules:
            left_out.add(case.name)
            continue
        path = rules[case.rule_id]
        (chosen / f"{case.rule_id}.yml").write_bytes(path.read_bytes())
        expected[case.rule_id] += case.match_count
        lines += [json.dumps(document) for document in documents(case.events.read_text("utf-8-sig"))]
    assert left_out == (WITHOUT_EVENTS if os.environ.get("VEILLEUR_SIGMAHQ") else WITHOUT_RULE)
    (log := tmp_path / "cases.ndjson").write_text("\n".join(lines) + "\n", "utf-8")
    found_counts = Counter(one["rule_id"] for one in replayed(log, chosen) for _ in one["event_ids"])
    # Fewer than expected is a failure, more is not: the rule authors' own criterion.
    assert {rule_id: found_counts[rule_id] for rule_id, count in expected.items() if found_counts[rule_id] < count} == {}
