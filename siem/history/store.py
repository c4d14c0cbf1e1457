"""Which rules have been in force and saying what, and every look back at history: what it looked at, and how it ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Connection, Float, Index, Integer, Row, String, Table, Text, delete, insert, select, update

from siem.store.database import Instant, metadata

in_force = Table(
    "rules_in_force",
    metadata,
    Column("rule_id", String(64), primary_key=True),
    Column("fingerprint", String(32), nullable=False),
    Column("since_at", Instant, nullable=False),
)
sets_in_force = Table(
    "indicator_sets_in_force",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("lineage", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("since_at", Instant, nullable=False),
)
runs = Table(
    "history_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("rule_id", String(64), nullable=False),
    Column("rule_title", Text, nullable=False),
    Column("rule_author", Text, nullable=False, server_default=""),
    Column("rule_licence", Text, nullable=False, server_default=""),
    Column("fingerprint", String(32), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("to_at", Instant, nullable=False),
    Column("reached_at", Instant),
    Column("due_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("problem", Text, nullable=False),
    Column("looked_count", Integer, nullable=False),
    Column("candidate_count", Integer, nullable=False),
    Column("detection_count", Integer, nullable=False),
    Column("alert_count", Integer, nullable=False),
    Column("lost_count", Integer, nullable=False),
    Column("cpu_seconds", Float, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("set_name", String(64), nullable=False, server_default=""),
    Column("set_lineage", String(32), nullable=False, server_default=""),
    Column("set_after", Integer, nullable=False, server_default="0"),
    Column("set_up_to", Integer, nullable=False, server_default="0"),
    Index("ix_history_runs_due", "state", "due_at"),
    Index("ix_history_runs_rule", "rule_id", "id"),
)


class Reason(StrEnum):
    """Why history is looked at."""

    NEW = "new"
    CHANGED = "changed"
    SET = "set"  # the rule is as it was, values came to a set of indicators


class State(StrEnum):
    """Where a look back stands: only the first goes on."""

    WAITING = "waiting"
    COMPLETE = "complete"
    STOPPED = "stopped"  # a budget was spent; ``problem`` says which
    OBSOLETE = "obsolete"  # the rule has changed again, or is gone
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One rule over the history of one tenant, from ``from_at`` to ``to_at``; known up to ``reached_at``, to go on from ``due_at``.

    ``alert_count`` are alerts that were not there before; what the live watch had found is found again and changes nothing.
    ``cpu_seconds`` is the processor time of the thread that looks back. With a ``set_name``, only what came to that set of indicators
    after revision ``set_after``, up to ``set_up_to``, is looked for.
    """

    id: int
    tenant: str
    rule_id: str
    rule_title: str
    rule_author: str
    rule_licence: str
    fingerprint: str
    reason: Reason
    from_at: datetime
    to_at: datetime
    reached_at: datetime | None
    due_at: datetime
    state: State
    problem: str
    looked_count: int
    candidate_count: int
    detection_count: int
    alert_count: int
    lost_count: int
    cpu_seconds: float
    created_at: datetime
    ended_at: datetime | None
    set_name: str = ""
    set_lineage: str = ""
    set_after: int = 0
    set_up_to: int = 0


@dataclass(frozen=True, slots=True)
class SetState:
    """Up to which revision a set of indicators was compared with history, or is about to be; another ``lineage`` is another set."""

    lineage: str
    revision: int


def read_sets(connection: Connection) -> dict[str, SetState]:
    """The sets that were there when this was last written, by name."""
    return {row.name: SetState(row.lineage, row.revision) for row in connection.execute(select(sets_in_force))}


def write_sets(connection: Connection, changed: Mapping[str, SetState], gone: Iterable[str], at: datetime) -> None:
    """Remember up to where sets are taken note of, and forget those that are gone."""
    for name in [*gone, *changed]:
        connection.execute(delete(sets_in_force).where(sets_in_force.c.name == name))
    for name, state in changed.items():
        connection.execute(insert(sets_in_force).values(name=name, lineage=state.lineage, revision=state.revision, since_at=at))


def read_in_force(connection: Connection) -> dict[str, str]:
    """Fingerprints of the rules in force when this was last written, by id."""
    return {row.rule_id: row.fingerprint for row in connection.execute(select(in_force))}


def write_in_force(connection: Connection, changed: Mapping[str, str], gone: Iterable[str], at: datetime) -> None:
    """Remember what rules say from now on, and forget those that are gone."""
    for rule_id in [*gone, *changed]:
        connection.execute(delete(in_force).where(in_force.c.rule_id == rule_id))
    for rule_id, fingerprint in changed.items():
        connection.execute(insert(in_force).values(rule_id=rule_id, fingerprint=fingerprint, since_at=at))


def add_run(connection: Connection, run: Run) -> None:
    """Keep a run that begins; its id is given by the database."""
    values = {column.name: getattr(run, column.name) for column in runs.columns if column.name != "id"}
    connection.execute(insert(runs).values(values))


def save_run(connection: Connection, run: Run) -> None:
    """Write how far a run has come."""
    values = {column.name: getattr(run, column.name) for column in runs.columns if column.name != "id"}
    connection.execute(update(runs).where(runs.c.id == run.id).values(values))


def waiting_runs(connection: Connection) -> list[Run]:
    """Runs that go on, those due first at the head."""
    return _runs(connection.execute(select(runs).where(runs.c.state == State.WAITING).order_by(runs.c.due_at, runs.c.id)).all())


def recent_runs(connection: Connection, *, rule_id: str | None = None, limit: int = 100) -> list[Run]:
    """Runs of every state, newest first."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit)
    return _runs(connection.execute(query if rule_id is None else query.where(runs.c.rule_id == rule_id)).all())


def _runs(rows: Sequence[Row[tuple[object, ...]]]) -> list[Run]:
    return [Run(**{**row._mapping, "reason": Reason(row.reason), "state": State(row.state)}) for row in rows]
