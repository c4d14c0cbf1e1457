"""Tables of playbook runs, their steps and decisions, and the outbox of messages; rows turned into records."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Index, Integer, RowMapping, String, Table, Text, UniqueConstraint, select

from siem.response.action import Action
from siem.response.model import Approval, Decision, Run, RunState, StepRun, StepState
from siem.response.playbook import Playbook, Step, parse
from siem.store.database import Instant, metadata

runs = Table(
    "playbook_runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("finess", String(16)),
    Column("incident_id", String(32), nullable=False),
    Column("playbook_id", String(64), nullable=False),
    Column("playbook_name", Text, nullable=False),
    Column("playbook_modified", Instant, nullable=False),
    Column("playbook_source", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("requested_by", String(128), nullable=False),
    Column("requested_name", String(256), nullable=False),
    Column("parent_run", String(32)),
    Column("parent_step", String(80)),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("error", Text, nullable=False),
    Column("variables", Text, nullable=False),
    Index("ix_playbook_runs_incident", "incident_id", "playbook_id"),
    Index("ix_playbook_runs_state", "state", "sequence"),
)

steps = Table(
    "playbook_steps",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("step_id", String(80), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("round", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("requested_at", Instant),
    Column("expires_at", Instant),
    Column("due_at", Instant),
    Column("escalated", Boolean, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("worker", String(64)),
    Column("result", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("undo", Text, nullable=False),
)

decisions = Table(
    "playbook_decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(32), nullable=False),
    Column("step_id", String(80), nullable=False),
    Column("round", Integer, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("actor_name", String(256), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    # One person decides once, whatever two browser windows send at the same moment.
    UniqueConstraint("run_id", "step_id", "round", "actor", name="uq_playbook_decisions_person"),
)

notifications = Table(
    "notifications",
    metadata,
    Column("key", String(160), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("incident_id", String(32), nullable=False),
    Column("audience", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("channel", Text),
)


def playbook_of(row: RowMapping) -> Playbook:
    """The playbook as it was when the run was made, whatever became of the file."""
    return parse(json.loads(row["playbook_source"]), row["playbook_id"])


def step_rows(conn: Connection, run_id: str) -> dict[str, RowMapping]:
    """Step rows of a run by step id, in order."""
    query = select(steps).where(steps.c.run_id == run_id).order_by(steps.c.position)
    return {row["step_id"]: row for row in conn.execute(query).mappings()}


def decisions_of(conn: Connection, run_id: str, step_id: str, round_number: int | None = None) -> tuple[Decision, ...]:
    """Decisions on a step, oldest first; of one round of asking, or of all."""
    query = select(decisions).where(decisions.c.run_id == run_id, decisions.c.step_id == step_id).order_by(decisions.c.id)
    if round_number is not None:
        query = query.where(decisions.c.round == round_number)
    return tuple(Decision(row.actor, row.actor_name, bool(row.approved), row.reason, row.at) for row in conn.execute(query))


def to_run(conn: Connection, row: RowMapping, actions: Mapping[str, Action]) -> Run:
    """A run with its steps."""
    playbook = playbook_of(row)
    return Run(
        id=row["id"],
        incident_id=row["incident_id"],
        tenant=row["tenant"],
        finess=row["finess"],
        playbook_id=row["playbook_id"],
        playbook_name=row["playbook_name"],
        playbook_modified=row["playbook_modified"],
        state=RunState(row["state"]),
        dry_run=bool(row["dry_run"]),
        requested_by=row["requested_by"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        error=row["error"],
        variables=json.loads(row["variables"]),
        steps=tuple(
            _to_step(playbook.steps[step_id], step_row, decisions_of(conn, row["id"], step_id), actions)
            for step_id, step_row in step_rows(conn, row["id"]).items()
        ),
    )


def _to_step(step: Step, row: RowMapping, decided: Sequence[Decision], actions: Mapping[str, Action]) -> StepRun:
    action = actions.get(step.action or "")
    return StepRun(
        step_id=step.id,
        position=row["position"],
        type=step.type.value,
        name=step.name,
        description=step.description,
        action=step.action,
        action_class=action.action_class if action else None,
        state=StepState(row["state"]),
        approval=step.approval,
        requested_at=row["requested_at"],
        expires_at=row["expires_at"],
        escalated=bool(row["escalated"]),
        decisions=tuple(decided),
        attempts=row["attempts"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        result=row["result"],
        error=row["error"],
        outputs=json.loads(row["outputs"]),
        undo=row["undo"],
    )


def approval_needed(step: Step) -> Approval | None:
    """The approval a step asks for, if it asks for one."""
    return step.approval if step.approval and step.approval.people else None


def new_step(run_id: str, step: Step, position: int, state: StepState) -> dict[str, Any]:
    """A step's first row."""
    return {
        "run_id": run_id,
        "step_id": step.id,
        "position": position,
        "state": state.value,
        "round": 0,
        "attempts": 0,
        "escalated": False,
        "result": "",
        "error": "",
        "outputs": "{}",
        "undo": "",
    }


#: How long an action may take where its step does not say.
DEFAULT_TIMEOUT = timedelta(seconds=30)
