import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siem.cli import app

ROOT = Path(__file__).parents[2]
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
