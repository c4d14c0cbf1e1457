import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idp.cli import app
from idp.people.file import SAMPLES

DEMO = Path(__file__).parents[3] / "deploy/demo"


@pytest.fixture(autouse=True)
def _provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ENVIRONMENT", "development")
    monkeypatch.setenv("IDP_STATE", str(tmp_path / "idp"))


def _run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


def test_init_makes_keys_once_for_their_owner_alone(tmp_path: Path) -> None:
    first = _run("init")
    assert first.count("signing key:") == 2
    second = _run("init")
    assert "seal key" not in second
    assert second.splitlines()[-1] in first
    assert (tmp_path / "idp").stat().st_mode & 0o077 == 0


def test_init_applies_clients_and_people_at_once_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    out = tmp_path / "secrets.json"
    out.write_text('{"messagerie": "chosen before"}')
    arguments = ("init", "--clients", str(DEMO / "clients.yaml"), "--accounts", str(SAMPLES), "--secrets-out", str(out))
    assert _run(*arguments).count("signing key:") == 2
    secrets = json.loads(out.read_text())
    assert set(secrets) == {"dossier-patient", "messagerie", "prescription", "veilleur-console", "veilleur-siem"}
    assert secrets["messagerie"] == "chosen before"
    _run(*arguments)
    assert json.loads(out.read_text()) == secrets
    assert out.stat().st_mode & 0o077 == 0
    assert (tmp_path / "idp" / "audit.ndjson").read_text().count("client.changed") == 5
    assert "activation_code" in _run("accounts", "enrol", "899700000005")


def test_init_begins_nothing_when_a_file_has_a_fault(tmp_path: Path) -> None:
    faulty = tmp_path / "clients.yaml"
    faulty.write_text("clients: [{client_id: essai}]")
    assert "client 1" in _run("init", "--clients", str(faulty), status=2)
    assert not (tmp_path / "idp").exists()


def test_commands_that_only_touch_the_state_load_nothing_of_the_web() -> None:
    script = (
        "import sys; from idp.cli import app; app(['init', '--clients', sys.argv[1], '--accounts', sys.argv[2]], standalone_mode=False); "
        "print(sorted({'starlette', 'fastapi', 'uvicorn', 'jinja2'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(DEMO / "clients.yaml"), str(SAMPLES)],
        cwd=DEMO.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_secrets_of_clients_are_made_once_and_written_for_their_owner_alone(tmp_path: Path) -> None:
    _run("init")
    out = tmp_path / "secrets.json"
    for _ in range(2):
        _run("clients", "apply", str(DEMO / "clients.yaml"), "--secrets-out", str(out))
        secrets = json.loads(out.read_text())
        assert set(secrets) == {"dossier-patient", "messagerie", "prescription", "veilleur-console", "veilleur-siem"}
    assert out.stat().st_mode & 0o077 == 0
    listed = json.loads(_run("clients", "list", "--json"))
    assert {row["client_id"] for row in listed} == set(secrets)
    log = (tmp_path / "idp" / "audit.ndjson").read_text()
    assert log.count("client.changed") == 5
    assert not any(secret in log for secret in secrets.values())


def test_one_client_is_added_with_its_secret_shown_once() -> None:
    _run("init")
    secret = _run("clients", "add", "essai", "--name", "Essai", "--redirect-uri", "https://essai.example/retour").strip()
    assert len(secret) >= 43
    assert "https" in _run("clients", "add", "faux", "--name", "Faux", "--redirect-uri", "http://faux.example/", status=2)


def test_people_are_applied_and_one_gets_the_right_to_enrol() -> None:
    _run("init")
    _run("accounts", "apply", str(SAMPLES))
    (given,) = json.loads(_run("accounts", "enrol", "899700000005", "--json"))
    assert given["activation_code"] in given["url"]
    assert "899700009999" in _run("accounts", "enrol", "899700009999", status=2)


def test_a_rotation_is_published_and_audited(tmp_path: Path) -> None:
    _run("init")
    before = {row["kid"] for row in json.loads(_run("keys", "list", "--json"))}
    assert "ES256" in _run("keys", "rotate", "--alg", "ES256")
    after = {row["kid"] for row in json.loads(_run("keys", "list", "--json"))}
    assert len(after - before) == 1
    assert (tmp_path / "idp" / "audit.ndjson").read_text().count("key.rotated") == 1
    _run("keys", "rotate", "--alg", "none", status=2)


def test_a_withdrawn_key_is_published_no_more_and_says_why_in_the_log(tmp_path: Path) -> None:
    _run("init")
    kid = next(row["kid"] for row in json.loads(_run("keys", "list", "--json")) if row["alg"] == "ES256")
    assert f"{kid} is withdrawn; ES256" in _run("keys", "withdraw", kid, "--reason", "stolen backup")
    assert kid not in _run("keys", "list")
    assert f"key {kid}: stolen backup" in (tmp_path / "idp" / "audit.ndjson").read_text()
    assert "no published key" in _run("keys", "withdraw", kid, "--reason", "again", status=2)


def test_a_log_is_verified_and_a_change_is_found(tmp_path: Path) -> None:
    _run("init")
    _run("keys", "rotate")
    log = tmp_path / "idp" / "audit.ndjson"
    assert "2 events" in _run("audit", "verify", str(log))
    log.write_text(log.read_text().replace("RS256", "RS512", 1))
    assert "audit.ndjson:1" in _run("audit", "verify", str(log), status=1)


def test_a_wrong_setting_or_a_taken_port_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("IDP_PORT", str(taken.getsockname()[1]))
        assert "IDP_PORT" in _run("serve", status=2)
    monkeypatch.setenv("IDP_PROT", "1")
    assert "IDP_PROT" in _run("init", status=2)


def test_migrate_is_harmless_when_there_is_nothing_to_do() -> None:
    _run("init")
    assert "schema" in _run("migrate")


def test_a_file_of_clients_is_planned_applied_and_exported_to_what_changes_nothing(tmp_path: Path) -> None:
    _run("init")
    out = tmp_path / "export.yaml"
    planned = _run("apply", str(DEMO / "clients.yaml"), "--plan", status=1)
    assert "dossier-patient: created" in planned
    assert _run("export") == "clients: []\n"
    _run("apply", str(DEMO / "clients.yaml"))
    _run("export", "--out", str(out))
    assert _run("apply", str(out), "--plan", "--prune") == "nothing would change\n"
    changed = out.read_text("utf-8").replace("client_name: Dossier patient", "client_name: Dossier")
    out.write_text(changed.replace("client_id: messagerie", "client_id: courrier"), "utf-8")
    planned = _run("apply", str(out), "--plan", "--prune", status=1)
    assert '  client_name: "Dossier patient" → "Dossier"' in planned
    assert "courrier: created" in planned and "messagerie: disabled" in planned
    _run("apply", str(out), "--prune")
    exported = _run("export")
    assert "client_id: messagerie" in exported and exported.count("disabled: true") == 1


def test_a_client_is_checked_against_what_is_asked_of_it() -> None:
    _run("init", "--clients", str(DEMO / "clients.yaml"))
    told = _run("check", "dossier-patient", status=1)
    assert "RFC 9700" in told and "✗ not met" in told and "development provider" in told
    rows = json.loads(_run("check", "dossier-patient", "--against", "fapi2", "--json", status=1))
    assert {"source": "FAPI 2.0 §5.3.2.2", "verdict": "not met"}.items() <= next(r for r in rows if r["title"].startswith("pushed")).items()
    assert "finding this client" in _run("check", "nobody", status=2)
    assert "one of rfc9700, fapi2, psc" in _run("check", "dossier-patient", "--against", "iso", status=2)


def test_an_installation_is_examined_before_and_after_it_is_made(tmp_path: Path) -> None:
    assert "✗ state folder" in _run("doctor", status=1)
    _run("init", "--clients", str(DEMO / "clients.yaml"))
    (tmp_path / "idp").chmod(0o700)
    parts = json.loads(_run("doctor", "--json"))
    assert {part["part"]: part["state"] for part in parts}["signing keys"] == "well"


def test_the_port_of_the_administration_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ADMIN_PORT", "8800")
    assert "IDP_ADMIN_PORT must be another port" in _run("serve", status=2)
