"""Runs of playbooks and their steps: states and what a screen shows of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class RunState(StrEnum):
    """proposée → en cours → (en attente d'approbation) → terminée, en échec, refusée ou annulée."""

    PROPOSED = "proposed"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepState(StrEnum):
    """Names of the CACAO execution-status vocabulary where it has one."""

    PENDING = "pending"
    AWAITING_APPROVAL = "awaiting_approval"
    READY = "ready"
    ONGOING = "ongoing"
    COMPLETED = "successfully_completed"
    FAILED = "failed"
    TIMED_OUT = "timeout_error"
    REFUSED = "refused"
    EXPIRED = "approval_expired"
    SKIPPED = "skipped"


class ActionClass(StrEnum):
    """What undoing costs."""

    READ = "lecture"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"
    EXTERNAL = "externe"


@dataclass(frozen=True, slots=True)
class Approval:
    """What the approval extension of a step asks for. ``people`` is 0, 1 or 2; ``roles`` are role names of the watch.

    ``on_expiry`` is ``refuser`` or ``escalader`` (only a RESPONSABLE may then decide). ``separation``: who started the run may not approve.
    """

    people: int
    roles: tuple[str, ...]
    delay: timedelta | None
    on_expiry: str
    reason_required: bool
    separation: bool
    compensation: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's yes or no on a step."""

    actor: str
    actor_name: str
    approved: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """One step of a run. ``result`` is a French sentence; ``outputs`` the step's out_args; ``undo`` says how to undo it, if it can be."""

    step_id: str
    position: int
    type: str
    name: str
    description: str
    action: str | None
    action_class: ActionClass | None
    state: StepState
    approval: Approval | None
    requested_at: datetime | None
    expires_at: datetime | None
    escalated: bool
    decisions: tuple[Decision, ...]
    attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    result: str
    error: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    undo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a playbook for an incident. ``variables`` are the playbook's, with their values so far."""

    id: str
    incident_id: str
    tenant: str
    finess: str | None
    playbook_id: str
    playbook_name: str
    playbook_modified: datetime
    state: RunState
    dry_run: bool
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    variables: Mapping[str, str]
    steps: tuple[StepRun, ...]
