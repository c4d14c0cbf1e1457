"""``siem rules alarms`` and ``fields`` on a watch in a folder."""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siem.cli import app
from siem.detection.alarms import Kind, Raised
from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.event import Event
from siem.incidents import detection_alarms
from siem.settings import ROOT
from siem.store import progress
from siem.store.database import Database
from siem.store.migrations import migrate

RUNNER = CliRunner()
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    for name in list(os.environ):
        if name.startswith("SIEM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SIEM_ENVIRONMENT", "development")
    monkeypatch.setenv("SIEM_STATE", str(tmp_path))
    migrate(f"sqlite:///{tmp_path / 'watch.sqlite'}")
    return Database(f"sqlite:///{tmp_path / 'watch.sqlite'}")


def test_alarms_are_listed_until_somebody_took_note(database: Database) -> None:
    quiet = RUNNER.invoke(app, ["rules", "alarms"])
    assert quiet.exit_code == 0 and "no alarm stands" in quiet.output
    with database.transaction() as connection:
        detection_alarms.note(connection, [Raised(Kind.OUT_OF_FORCE, "rule-a", "", 12, "took more than 100 ms")], AT)
        detection_alarms.note(connection, [Raised(Kind.DISAGREEMENT, "rule-b", "default", 1, event_ids=("e-one",))], AT)
    told = RUNNER.invoke(app, ["rules", "alarms"])
    assert told.exit_code == 1 and "out of force" in told.output and "100 ms" in told.output and "e-one" in told.output
    rows = json.loads(RUNNER.invoke(app, ["rules", "alarms", "--json"]).output)
    assert {(row["rule_id"], row["count"]) for row in rows} == {("rule-a", 12), ("rule-b", 1)}


def test_fields_that_never_came_are_those_that_the_watch_counted(database: Database) -> None:
    quiet = RUNNER.invoke(app, ["rules", "fields"])
    assert quiet.exit_code == 0, quiet.output
    engine = Engine(load_rules(ROOT / "rules"))
    fields = {"event.dataset": "nginx.access", "url.path": "/", "event.action": "http.request"}
    engine.evaluate([Event("e", AT, "front", "default", fields)])
    with database.transaction() as connection:
        progress.write_states(connection, "engine/", dict(engine.export_state()))
    told = RUNNER.invoke(app, ["rules", "fields", "--json"])
    assert told.exit_code == 1, told.output
    expected = json.loads(json.dumps([asdict(one) for one in engine.profiles.unseen()]))
    assert json.loads(told.output) == expected != []
    assert "front: " in RUNNER.invoke(app, ["rules", "fields"]).output


def test_a_check_of_rules_warns_of_what_no_counted_event_had(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "windows_vendor.yml").write_text(
        "title: V\nid: 00000000-0000-4000-8000-000000000001\nauthor: A\nlicense: MIT\ndescription: d\nlevel: low\ntags: [attack.t1078]\n"
        "falsepositives: [none]\nlogsource: {product: windows, service: sysmon}\ndetection: {one: {Vendor: x}, condition: one}\n"
        "veilleur: {titre: T, explication: E, faux-positifs: [F], resume: R, subject: host.name}\n"
    )
    assert "rules: no problem\n" in RUNNER.invoke(app, ["rules", "check", str(folder)]).output
    engine = Engine(load_rules(folder))
    engine.evaluate([Event("e", AT, "dc1", "default", {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1"})])
    with database.transaction() as connection:
        progress.write_states(connection, "engine/", dict(engine.export_state()))
    warned = RUNNER.invoke(app, ["rules", "check", str(folder)])
    assert warned.exit_code == 0 and "no problem, 1 warning(s)" in warned.output
    assert "warning: windows_vendor.yml:10: detection.one.Vendor: no event of dc1 has ever had a field «Vendor»" in warned.output
    strict = RUNNER.invoke(app, ["rules", "check", str(folder), "--strict", "--json"])
    assert strict.exit_code == 1 and [row["severity"] for row in json.loads(strict.output)] == ["problem"]
