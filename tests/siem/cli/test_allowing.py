"""The commands of the allow-list on a state of one's own."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from siem.cli import app
from siem.incidents.store import changes
from siem.store import filter_hits
from siem.store.database import Database
from siem.store.migrations import migrate

RUNNER = CliRunner()
DAY = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()  # noqa: TID251  # the commands go by the clock of the machine


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIEM_STATE", str(tmp_path / "siem"))
    monkeypatch.setenv("SIEM_ENVIRONMENT", "development")
    return tmp_path / "siem"


def run(*words: str, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["indicators", *words])
    assert result.exit_code == code, result.output
    return result.output


def signed(value: str, day: str = DAY) -> tuple[str, ...]:
    return ("allow", "add", value, "--owner", "CSIRT", "--reason", "our scanner", "--expires", day)


def test_a_value_is_allowed_listed_with_its_hits_and_ended(state: Path) -> None:
    assert "192.0.2.0/24: allowed to the end of" in run(*signed("192.0.2.0/24")), "also before the first start of the watch"
    migrate(f"sqlite:///{state / 'watch.sqlite'}")
    run(*signed("192.0.2.0/24"))
    database = Database(f"sqlite:///{state / 'watch.sqlite'}")
    at = datetime(2026, 11, 23, tzinfo=UTC)
    with database.transaction() as connection:
        filter_hits.add(connection, {("allow/address/192.0.2.0/24", "r1", "default"): (3, at), ("another", "r1", "default"): (9, at)})
        filter_hits.add(connection, {("allow/address/192.0.2.0/24", "r1", "other"): (1, None)})
    database.close()
    (said,) = json.loads(run("allow", "list", "--json"))
    assert (said["owner"], said["last_day"], said["state"], said["hit_count"], said["last_hit_at"]) == (
        "CSIRT",
        DAY,
        "holds",
        4,
        at.isoformat(),
    )
    assert "allowed as 192.0.2.0/24" in run("check", "192.0.2.9")
    assert "no longer allowed" in run("allow", "remove", "192.0.2.0/24", "--reason", "moved")
    assert json.loads(run("allow", "list", "--json")) == []
    with Database(f"sqlite:///{state / 'watch.sqlite'}").reading() as connection:
        said = [(row.old, row.new, row.reason) for row in connection.execute(select(changes).where(changes.c.object_type == "allow-list"))]
    assert said == [(DAY, DAY, "our scanner"), (DAY, None, "moved")], "who changed what stays in the history"
    assert "is not allowed by any entry" in run("allow", "remove", "192.0.2.0/24", code=2)


def test_an_entry_that_has_run_out_or_is_wrong_is_told(state: Path) -> None:
    run(*signed("192.0.2.0/24"))
    file = state / "indicators" / "allow.yml"
    file.write_text(file.read_text("utf-8").replace(DAY, "2020-01-31") + "- {value: x}\n", "utf-8")
    output = run("allow", "list", code=1)
    assert "expired" in output and "missing" in output and f"{file}:5" in output.replace("\n", "")


def test_wrong_words_are_answered_with_what_to_do() -> None:
    assert "--expires: a day such as" in run(*signed("192.0.2.1", "soon"), code=2)
    assert "--expires: a last day from today" in run(*signed("192.0.2.1", "2020-01-31"), code=2)
    assert "--value: «nothing» is no address" in run(*signed("nothing"), code=2)
