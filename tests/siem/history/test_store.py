"""What was in force and how far each look came is kept, and read back as it was."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from siem.history import store
from siem.history.store import Reason, Run, SetState, State
from siem.store.database import Database
from siem.store.migrations import migrate

AT = datetime(2026, 3, 15, tzinfo=UTC)
RUN = Run(
    0, "default", "r1", "Rule", "A. Nobody", "MIT", "f1", Reason.NEW, AT, AT + timedelta(days=1), None, AT,
    State.WAITING, "", 0, 0, 0, 0, 0, 0.0, AT, None,
)  # fmt: skip


def test_rules_are_remembered_changed_and_forgotten(tmp_path: Path) -> None:
    migrate(url := f"sqlite:///{tmp_path}/watch.sqlite")
    database = Database(url)
    with database.transaction() as connection:
        store.write_in_force(connection, {"a": "1", "b": "2"}, (), AT)
        store.write_in_force(connection, {"a": "3"}, ["b", "unknown"], AT)
        assert store.read_in_force(connection) == {"a": "3"}
    database.close()


def test_runs_are_read_back_as_they_were_those_due_first_at_the_head(tmp_path: Path) -> None:
    migrate(url := f"sqlite:///{tmp_path}/watch.sqlite")
    database = Database(url)
    with database.transaction() as connection:
        store.add_run(connection, replace(RUN, due_at=AT + timedelta(hours=1)))
        store.add_run(connection, replace(RUN, rule_id="r2"))
        first, second = store.waiting_runs(connection)
        assert (first.rule_id, second.rule_id) == ("r2", "r1")
        assert first == replace(RUN, id=first.id, rule_id="r2")
        done = replace(first, state=State.STOPPED, problem="spent", looked_count=5, cpu_seconds=1.5, reached_at=AT, ended_at=AT)
        store.save_run(connection, done)
        assert store.waiting_runs(connection) == [second]
        assert store.recent_runs(connection) == [done, second]
        assert store.recent_runs(connection, rule_id="r1", limit=1) == [second]
    database.close()


def test_sets_are_remembered_by_name_until_they_go(tmp_path: Path) -> None:
    migrate(url := f"sqlite:///{tmp_path}/watch.sqlite")
    database = Database(url)
    with database.transaction() as connection:
        store.write_sets(connection, {"a": SetState("x", 1), "b": SetState("y", 4)}, (), AT)
        store.write_sets(connection, {"a": SetState("x", 2)}, ["b"], AT)
        assert store.read_sets(connection) == {"a": SetState("x", 2)}
    database.close()
