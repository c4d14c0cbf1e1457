import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from junitparser import JUnitXml
from typer.testing import CliRunner

from siem.cli import app
from siem.event import RawRecord
from siem.store import progress
from siem.store.database import Database
from siem.store.migrations import migrate
from siem.store.progress import BatchCounts, DeadLetter, DropReason, Outcome
from siem.store.queue import Queue

ROOT = Path(__file__).parents[3]
RUNNER = CliRunner()
LINE = '198.51.100.7 - - [14/Mar/2026:22:00:01 +0000] "GET / HTTP/1.1" 200 153 "-" "curl/8.0"\n'


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SIEM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SIEM_ENVIRONMENT", "development")
    monkeypatch.setenv("SIEM_STATE", str(tmp_path / "siem"))


@pytest.mark.parametrize(
    "command",
    [
        ["rules", "check", "--proofs", str(ROOT / "tests/rules")],
        ["rules", "test", str(ROOT / "rules"), str(ROOT / "tests/rules")],
        ["playbooks", "check"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_our_own_rules_and_playbooks_have_no_problem(command: list[str]) -> None:
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "no problem" in result.output


def test_a_broken_rule_is_named_with_file_line_and_field(tmp_path: Path) -> None:
    (tmp_path / "web_broken_rule.yml").write_text("title: Broken\nid: not-a-uuid\ndetection: []\n", "utf-8")
    result = RUNNER.invoke(app, ["rules", "check", str(tmp_path), "--json"])
    assert result.exit_code == 1
    problems = json.loads(result.stdout)
    assert problems
    assert {problem["path"] for problem in problems} == {"web_broken_rule.yml"}
    assert all(problem["line"] and problem["problem"] for problem in problems)


BAD_FILTER = """\
title: Hides a rule that is not there
logsource: {product: nginx, category: webserver}
filter:
  rules: [no_such_rule]
  selection:
    source.ip: 192.0.2.1
  condition: not selection
"""


def test_the_operators_own_rules_are_read_by_check_and_replay(tmp_path: Path) -> None:
    own = tmp_path / "siem" / "local-rules" / "filters"
    own.mkdir(parents=True)
    (own / "backup.yml").write_text(BAD_FILTER, "utf-8")
    log = tmp_path / "access.log"
    log.write_text(LINE, "utf-8")
    checked = RUNNER.invoke(app, ["rules", "check"])
    assert checked.exit_code == 1
    assert "local-rules/filters/backup.yml:4: filter.rules: no rule has the name or id «no_such_rule»" in checked.output
    replayed = RUNNER.invoke(app, ["replay", str(log), "--type", "nginx"])
    assert replayed.exit_code == 1
    assert "refused: local-rules/filters/backup.yml:4: filter.rules" in replayed.output


def test_the_operators_own_pipelines_are_read_and_a_fault_is_named(tmp_path: Path) -> None:
    own = tmp_path / "siem" / "local-pipelines"
    own.mkdir(parents=True)
    (own / "lighttpd.yml").write_text("name: lighttpd\ntitle: Lighttpd\nlogsources:\n  - {produkt: lighttpd}\n", "utf-8")
    result = RUNNER.invoke(app, ["rules", "check"])
    assert result.exit_code == 1
    assert "local-pipelines/lighttpd.yml:4: logsources.0.produkt: extra inputs are not permitted" in result.output


def test_a_rule_set_is_pulled_listed_rolled_back_and_removed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    rule = (ROOT / "rules/web/nginx_scanner_agent.yml").read_text("utf-8")
    (theirs / "agent.yml").write_text(rule.replace("id: ", "id: f", 1), "utf-8")
    pulled = RUNNER.invoke(app, ["rules", "pull", str(theirs), "--name", "theirs", "--licence", "MIT"])
    assert pulled.exit_code == 0, pulled.output
    assert "1 rules, 0 correlations, 0 refused" in pulled.output
    assert "started again" in pulled.output
    listed = json.loads(RUNNER.invoke(app, ["rules", "sets", "--json"]).stdout)
    assert [(one["name"], one["versions"][0]["source"]) for one in listed] == [("theirs", str(theirs))]
    assert "no version before" in RUNNER.invoke(app, ["rules", "roll-back", "theirs"]).output
    assert RUNNER.invoke(app, ["rules", "remove", "theirs"]).exit_code == 0
    assert "0 rule set(s)" in RUNNER.invoke(app, ["rules", "sets"]).output
    gone = RUNNER.invoke(app, ["rules", "pull", str(tmp_path / "gone"), "--name", "theirs"])
    assert gone.exit_code == 2
    assert "cannot be read" in gone.output


def test_a_folder_of_further_rules_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIEM_EXTRA_RULES", str(tmp_path / "gone"))
    result = RUNNER.invoke(app, ["rules", "check"])
    assert result.exit_code == 2
    assert "gone: is not a folder of rules" in result.output


def test_proofs_are_run_with_the_filters_of_another_folder(tmp_path: Path) -> None:
    hiding = """\
title: Hides every scanner
logsource: {product: nginx, category: webserver}
filter:
  rules: any
  selection:
    event.dataset: nginx.access
  condition: not selection
"""
    (tmp_path / "hiding.yml").write_text(hiding, "utf-8")
    command = ["rules", "test", str(ROOT / "rules"), str(ROOT / "tests/rules"), "--with", str(tmp_path)]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 1
    assert "nginx_scanner_agent" in result.output
    assert "the rule does not match" in result.output


def test_testing_rules_prints_a_table_and_writes_junit(tmp_path: Path) -> None:
    for name in ("web/nginx_scan", "web/nginx_scanner_agent"):
        rule, proof = tmp_path / "rules" / f"{name}.yml", tmp_path / "proofs" / name
        rule.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "rules" / f"{name}.yml", rule)
        shutil.copytree(ROOT / "tests" / "rules" / name, proof)
    command = ["rules", "test", str(tmp_path / "rules"), str(tmp_path / "proofs"), "--junit", str(tmp_path / "result.xml")]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "web/nginx_scan.yml" in result.output and result.output.count("holds") == 2 and "4 proofs: no problem" in result.output
    assert sum(suite.tests for suite in JUnitXml.fromfile(str(tmp_path / "result.xml"))) == 4
    (tmp_path / "proofs/web/nginx_scan/ignore.jsonl").unlink()
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 1 and "does not hold" in result.output and "the proof is missing" in result.output
    assert sum(suite.failures for suite in JUnitXml.fromfile(str(tmp_path / "result.xml"))) == 1
    unwritable = RUNNER.invoke(app, [*command[:-1], str(tmp_path / "no/such/folder.xml")])
    assert unwritable.exit_code == 2 and "cannot be written" in unwritable.output


def test_a_broken_playbook_is_named(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "playbooks", tmp_path / "playbooks")
    (tmp_path / "playbooks/response/broken.json").write_text('{"type": "playbook",}', "utf-8")
    result = RUNNER.invoke(app, ["playbooks", "check", str(tmp_path / "playbooks")])
    assert result.exit_code == 1
    assert "broken.json:1" in result.output


def test_replay_tells_what_it_read_and_keeps_nothing(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(LINE, "utf-8")
    result = RUNNER.invoke(app, ["replay", str(log), "--type", "nginx"])
    assert result.exit_code == 0, result.output
    assert "1 lines, 1 events, 0 unreadable, 0 detections" in result.output
    assert not (tmp_path / "siem").exists()


def test_replay_of_a_broken_line_names_it_and_fails(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(LINE + "nonsense\n", "utf-8")
    result = RUNNER.invoke(app, ["replay", str(log), "--type", "nginx", "--json"])
    assert result.exit_code == 1
    assert f"{log}:2" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"), [(["x.log", "--type", "apache"], "not 'apache'"), (["x.log", "--type", "nginx"], "x.log: cannot be read")]
)
def test_replay_refuses_what_it_cannot_do(arguments: list[str], said: str) -> None:
    result = RUNNER.invoke(app, ["replay", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_an_unknown_setting_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIEM_NONSENSE", "1")
    result = RUNNER.invoke(app, ["serve"])
    assert result.exit_code == 2
    assert "SIEM_NONSENSE is not a setting" in result.output


def test_roles_are_applied_from_a_file_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["users", "apply", str(ROOT / "deploy/demo/users.yaml")])
    assert result.exit_code == 0, result.output
    assert "added" in result.output
    wrong = tmp_path / "users.yaml"
    wrong.write_text('- national_id: "899700000005"\n  name: Camille\n  roles: [empereur]\n', "utf-8")
    result = RUNNER.invoke(app, ["users", "apply", str(wrong)])
    assert result.exit_code == 2
    assert "users.yaml" in result.output


def test_dead_letters_are_listed_and_put_back_once_their_source_is_mended(tmp_path: Path) -> None:
    state = tmp_path / "siem"
    state.mkdir()
    database = Database(f"sqlite:///{state}/watch.sqlite")
    migrate(str(database.engine.url))
    at = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
    letters = [
        DeadLetter(number, RawRecord(source, f"1:{number}", at, b"secret", "default"), reason, "@timestamp", "a time expected\x1b[2J", at)
        for number, source, reason in ((1, "web", DropReason.UNREADABLE), (2, "web", DropReason.DEFECT), (3, "idp", DropReason.UNREADABLE))
    ]
    counts = BatchCounts()
    for letter in letters:
        counts.add(letter.record.source, Outcome.RECEIVED)
        counts.add(letter.record.source, Outcome.DROPPED, str(letter.reason))
    with database.transaction() as connection:
        progress.add_dead_letters(connection, letters)
        progress.add_counts(connection, counts, at)
    shown = RUNNER.invoke(app, ["dead-letters", "list", "--source", "web"])
    assert "2 shown of 3" in shown.output and "@timestamp" in shown.output and "a time expected" in shown.output
    assert "secret" not in shown.output and "\x1b" not in shown.output
    listed = json.loads(RUNNER.invoke(app, ["dead-letters", "list", "--reason", "unreadable", "--json"]).output)
    assert [(one["id"], one["source"], one["reason"], one["field"]) for one in listed] == [
        (3, "idp", "unreadable", "@timestamp"),
        (1, "web", "unreadable", "@timestamp"),
    ]
    assert RUNNER.invoke(app, ["dead-letters", "replay"]).exit_code == 2
    assert RUNNER.invoke(app, ["dead-letters", "replay", "--reason", "boredom"]).exit_code == 2
    wrong = RUNNER.invoke(app, ["dead-letters", "replay", "3", "99", "--source", "web"])
    assert wrong.exit_code == 1 and "0 put back" in wrong.output
    assert "1 put back" in RUNNER.invoke(app, ["dead-letters", "replay", "2"]).output
    assert "2 put back" in RUNNER.invoke(app, ["dead-letters", "replay", "--all"]).output
    queue = Queue(state / "queue.sqlite")
    assert [queued.record.position for queued in queue.read(0, 10)] == ["1:2", "1:1", "1:3"]
    with database.reading() as connection:
        assert progress.count_dead_letters(connection) == 0
        assert {(one.received, sum(one.dropped.values())) for one in progress.read_counts(connection)} == {(0, 0)}
    queue.close()
    database.close()


def test_dead_letters_of_no_watch_are_a_clear_message() -> None:
    result = RUNNER.invoke(app, ["dead-letters", "list"])
    assert result.exit_code == 2 and "SIEM_STATE" in result.output


@pytest.mark.parametrize(
    ("sources", "source", "said"),
    [
        ("- {name: web, type: nginx, service: Site, http: true}\n", "web", "no source of type caep is called 'web'"),
        ("- {name: web, type: nginx, service: Site, http: true}\n", "signals", "no source of type caep is called 'signals'"),
        ("- {name: signals, type: caep, service: Fournisseur, http: true}\n", "signals", "ConnectError"),
    ],
    ids=["another type", "unknown", "provider down"],
)
def test_asking_for_security_events_says_what_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sources: str, source: str, said: str
) -> None:
    (tmp_path / "sources.yaml").write_text(sources, "utf-8")
    (tmp_path / "key").write_text("k\n", "utf-8")
    monkeypatch.setenv("SIEM_SOURCES_FILE", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("SIEM_OIDC_ISSUER", "http://127.0.0.1:1/realm")
    result = RUNNER.invoke(app, ["signals", "subscribe", source, "--key-file", str(tmp_path / "key")])
    assert result.exit_code == 2
    assert said in result.output


def test_indicators_are_loaded_listed_asked_and_removed(tmp_path: Path) -> None:
    feed = tmp_path / "feed.txt"
    feed.write_text("203.0.113.64/28\nmauvais.example\nnot a value\n", "utf-8")
    loaded = RUNNER.invoke(
        app, ["indicators", "load", str(feed), "--name", "cert", "--source", "CERT", "--confidence", "80", "--tlp", "AMBER"]
    )
    assert loaded.exit_code == 1
    assert f"{feed}:3" in loaded.output and "cert: 2 indicators (1 address, 1 domain)" in loaded.output
    rows = json.loads(RUNNER.invoke(app, ["indicators", "list", "--json"]).stdout)
    assert [(row["name"], row["count"], row["refused_count"], row["files"]) for row in rows] == [("cert", 2, 1, ["feed.txt"])]
    asked = RUNNER.invoke(app, ["indicators", "check", "https://www.mauvais.example/x"])
    assert asked.exit_code == 1 and "source CERT, confidence 80, tlp AMBER" in asked.output
    assert RUNNER.invoke(app, ["indicators", "check", "bon.example"]).exit_code == 0
    assert RUNNER.invoke(app, ["indicators", "remove", "cert"]).exit_code == 0
    assert RUNNER.invoke(app, ["indicators", "remove", "cert"]).exit_code == 2


def test_a_bundle_that_is_none_changes_nothing(tmp_path: Path) -> None:
    feed, broken = tmp_path / "feed.txt", tmp_path / "bundle.json"
    feed.write_text("mauvais.example\n", "utf-8")
    broken.write_text("{", "utf-8")
    assert RUNNER.invoke(app, ["indicators", "load", str(feed), "--name", "cert"]).exit_code == 0
    result = RUNNER.invoke(app, ["indicators", "load", str(broken), "--name", "cert"])
    assert result.exit_code == 2 and f"{broken}:1: not JSON" in result.output.replace("\n", "")
    assert RUNNER.invoke(app, ["indicators", "check", "mauvais.example"]).exit_code == 1


def test_a_replay_compares_with_the_sets_it_is_given(tmp_path: Path) -> None:
    log, feed = tmp_path / "access.log", tmp_path / "feed.txt"
    log.write_text(LINE, "utf-8")
    feed.write_text("198.51.100.7\n", "utf-8")
    RUNNER.invoke(app, ["indicators", "load", str(feed), "--name", "cert", "--confidence", "90"])
    command = ["replay", str(log), "--type", "nginx", "--json"]
    without = json.loads(RUNNER.invoke(app, command).stdout)
    found = json.loads(RUNNER.invoke(app, [*command, "--indicators", str(tmp_path / "siem" / "indicators")]).stdout)
    assert without == [] and [one["rule"] for one in found] == ["Listed indicator of high confidence"]
