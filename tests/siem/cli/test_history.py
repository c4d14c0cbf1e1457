"""The commands over history, as people run them: with the watch and without, to the end and interrupted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from siem.cli import app
from siem.detection.load import load_rules
from siem.door import Door
from siem.history.questions import History
from siem.settings import ROOT
from siem.store.events import EventStore
from tests.siem.history.night import Night

SINCE = ("--since", "2026-03-01")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    night = Night.played(tmp_path_factory.mktemp("state"))
    night.close()
    return night.folder


def command(state: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "siem.cli", *words]


def run(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SIEM_STATE": str(state)}
    return subprocess.run(command(state, *words), capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False)


def invoked(state: Path, *words: str) -> Result:
    """The same within this process, where nothing depends on its being another one: a start costs two seconds of a processor."""
    return CliRunner().invoke(app, list(words), env={"SIEM_STATE": str(state), "COLUMNS": "120"})


@pytest.fixture
def watched(state: Path) -> Iterator[Path]:
    """A process that holds the events, as a watch does, and answers at its door."""
    events = EventStore(state / "events.duckdb")
    door = Door(state, History(events, lambda documents: load_rules(ROOT / "rules", instead=documents)).answer)
    yield state
    door.close()
    events.close()


def test_without_a_watch_the_events_are_read_here_and_only_read(state: Path) -> None:
    before = (state / "events.duckdb").read_bytes()
    done = run(state, "hunt", "fhir_record_sweep", *SINCE)
    assert done.returncode == 0, done.stderr
    *detections, summary = done.stdout.splitlines()
    assert len(detections) == 3 and all(
        "Sweep of patient records (Veilleur, Apache-2.0, " in line and "60 event(s)" in line for line in detections
    )
    assert summary.endswith("3 detections, 3 alerts")
    assert (state / "events.duckdb").read_bytes() == before


def test_with_a_watch_the_watch_is_asked_and_says_the_same(state: Path, request: pytest.FixtureRequest) -> None:
    alone = run(state, "hunt", "fhir_record_sweep", *SINCE, "--json")
    request.getfixturevalue("watched")
    asked = run(state, "hunt", "fhir_record_sweep", *SINCE, "--json")
    assert asked.returncode == 0 and json.loads(asked.stdout) == json.loads(alone.stdout)
    document = json.loads(asked.stdout)
    assert [len(one["event_ids"]) for one in document["detections"]] == [60, 60, 60]
    assert document["result"]["complete"] is True and document["result"]["how"] == "sql+engine"


def test_a_rule_not_in_force_is_sent_to_the_watch(watched: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yml"
    draft.write_text((ROOT / "rules" / "access" / "fhir_record_sweep.yml").read_text("utf-8").replace("gte: 40", "gte: 61"), "utf-8")
    assert "0 detections, 0 alerts" in run(watched, "hunt", str(draft), *SINCE).stdout
    draft.write_text("title: [", "utf-8")
    refused = run(watched, "hunt", str(draft))
    assert refused.returncode == 2 and "draft.yml:2: not YAML" in refused.stderr


def test_a_backtest_is_a_table_or_a_document(watched: Path) -> None:
    table = invoked(watched, "rules", "backtest", "fhir_record_sweep", *SINCE)
    assert table.exit_code == 0, table.stderr
    assert "2026-03-14" in table.stdout and "user.id=P-" in table.stdout and "3 alerts about 2 subjects" in table.stdout
    document = json.loads(invoked(watched, "rules", "backtest", "fhir_record_sweep", *SINCE, "--json").stdout)
    assert document["alert_count"] == 3 and document["days"][0] == {"day": "2026-03-14", "alert_count": 2, "detection_count": 2}


def test_only_so_many_detections_are_printed_and_all_are_counted(state: Path) -> None:
    lines = invoked(state, "hunt", "fhir_record_read", *SINCE, "--limit", "5").stdout.splitlines()
    assert len(lines) == 7 and lines[5].startswith("… and 677 more") and "682 detections" in lines[6]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("hunt", "fhir_record_swep"), "did you mean fhir_record_sweep"),
        (("hunt", "nginx_scan", "--since", "yesterday"), "--since: a duration such as 90d"),
        (("hunt", "nginx_scan", "--since", "2d", "--until", "3d"), "--until: an instant after --since"),
        (("rules", "backtest", "nobody"), "no rule in force is called that"),
    ],
)
def test_wrong_use_ends_with_what_to_write_instead(state: Path, words: tuple[str, ...], problem: str) -> None:
    done = invoked(state, *words)
    assert done.exit_code == 2 and problem in done.stderr and isinstance(done.exception, SystemExit)


def test_no_events_are_said_to_be_none(tmp_path: Path) -> None:
    done = invoked(tmp_path, "hunt", "nginx_scan")
    assert done.exit_code == 2 and "there are no events in" in done.stderr


def test_events_held_by_a_process_that_does_not_answer_are_said_to_be_held(state: Path) -> None:
    events = EventStore(state / "events.duckdb")
    try:
        done = run(state, "hunt", "nginx_scan")
        assert done.returncode == 2 and "another process has this file open" in done.stderr
    finally:
        events.close()


def test_two_hunts_may_run_at_a_time_without_a_watch(state: Path) -> None:
    events = EventStore(state / "events.duckdb", read_only=True)
    try:
        assert run(state, "hunt", "nginx_scan", *SINCE).returncode == 0
    finally:
        events.close()


def _listen_to_interruption() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_hunt_says_so_and_leaves_whole_json(tmp_path: Path) -> None:
    def endless(_question: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        yield {"plan": {"rule": "x", "event_count": 10, "how": "sql"}}
        while True:
            yield {"detection": {"rule": "x"}}

    door = Door(tmp_path, endless)
    try:
        environment = {**os.environ, "SIEM_STATE": str(tmp_path)}
        words = command(tmp_path, "hunt", "nginx_scan", "--json")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # A test run in the background ignores the signal, and so would its children.
        with subprocess.Popen(words, **pipes, cwd=ROOT, env=environment, preexec_fn=_listen_to_interruption) as hunting:  # type: ignore[call-overload]
            assert hunting.stdout is not None and hunting.stderr is not None
            begun = hunting.stdout.read(100)
            hunting.send_signal(signal.SIGINT)
            rest, said = hunting.stdout.read(), hunting.stderr.read()
        assert hunting.returncode == 130 and b"interrupted" in said and b"Traceback" not in said
        assert json.loads(begun + rest)["result"] == {"complete": False}
    finally:
        door.close()
