"""The commands about what is kept, over a watch that is stopped."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from siem.cli import app
from siem.retention import store
from siem.store.database import Database
from tests.siem.incidents.conftest import NOW, Watch


@pytest.fixture
def state(tmp_path: Path) -> Path:
    Watch(tmp_path).attack()
    return tmp_path


def _environment(state: Path) -> dict[str, str]:
    return {"SIEM_STATE": str(state), "SIEM_ENVIRONMENT": "development", "COLUMNS": "200"}


def _run(state: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["retention", *words], env=_environment(state))
    return done.exit_code, done.output


def test_an_incident_is_held_shown_and_released(state: Path) -> None:
    number = f"INC-{NOW.year}-0001"
    assert _run(state, "hold", number, "--reason", "réquisition 12/2026") == (0, f"{number} is held\n")
    assert "réquisition 12/2026" in _run(state, "status")[1]
    assert [one["reason"] for one in json.loads(_run(state, "status", "--json")[1])["holds"]] == ["réquisition 12/2026"]
    assert _run(state, "release", number, "--reason", "classée") == (0, f"{number} is released\n")
    assert json.loads(_run(state, "status", "--json")[1])["holds"] == []
    assert _run(state, "release", number, "--reason", "classée")[0] == 2
    assert _run(state, "hold", "INC-0", "--reason", "rien")[0] == 2


def test_a_clock_in_doubt_is_an_exit_status_until_a_person_answers_for_it(state: Path) -> None:
    database = Database(f"sqlite:///{state / 'watch.sqlite'}")
    with database.transaction() as connection:
        store.write_clock(connection, NOW, NOW)
    database.close()
    status, said = _run(state, "status")
    assert status == 1 and "the clock is in doubt" in said
    assert _run(state, "trust-clock")[0] == 0
    assert _run(state, "status")[0] == 0
