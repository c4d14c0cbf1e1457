"""The commands of registration, through the whole command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idp.cli import app


@pytest.fixture(autouse=True)
def _provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ENVIRONMENT", "development")
    monkeypatch.setenv("IDP_STATE", str(tmp_path / "idp"))
    _run("init")


def _run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.spec("RFC7591-3")
def test_an_initial_access_token_is_shown_once_and_kept_as_its_hash(tmp_path: Path) -> None:
    arguments = ("clients", "initial-token", "Éditeur", "--scope", "openid identity", "--uses", "3", "--structure", "Centre", "0B0000005")
    value = _run(*arguments).strip()
    assert len(value) >= 43
    assert value.encode() not in (tmp_path / "idp" / "idp.sqlite").read_bytes()
    log = (tmp_path / "idp" / "audit.ndjson").read_text()
    assert value not in log
    assert "initial access token Éditeur: 3 uses until" in log
    _run("clients", "initial-token", "x", "--grant-type", "password", status=2)
    _run("clients", "initial-token", "x", "--profile", "other", status=2)


def test_a_client_whose_sector_document_cannot_be_read_is_not_applied(tmp_path: Path) -> None:
    entry = {"client_id": "c", "client_name": "C", "redirect_uris": ["https://s.example/"], "subject_type": "pairwise"}
    entry["sector_identifier_uri"] = "http://127.0.0.1:9/sector"
    (tmp_path / "clients.yaml").write_text(json.dumps({"clients": [entry]}))
    assert "sector_identifier_uri: cannot be read" in _run("clients", "apply", str(tmp_path / "clients.yaml"), status=2)
    assert _run("clients", "list", "--json").strip() == "[]"
