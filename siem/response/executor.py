"""The executor: settles where a run stands, claims a ready step, acts, keeps the result; each in its own transaction.

A step is stored as ONGOING before it acts and with its result after. Whoever dies in between leaves an ONGOING step, which
the next process takes up under the same idempotency key (run and step): the peer sees one effect. One process at a time
executes; approvals may come from any thread.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from siem.access import WATCH, Principal
from siem.errors import DataError, OperationError
from siem.incidents.model import Forbidden, Incident, NotFound, Refused
from siem.incidents.service import Clock, Incidents
from siem.response.action import Action, ActionFailed, Context, Result
from siem.response.identity_provider import TimedOut
from siem.response.model import RunState, StepState
from siem.response.plan import Outcome, plan
from siem.response.playbook import Playbook, Step, StepType, externals
from siem.response.store import DEFAULT_TIMEOUT, approval_needed, decisions_of, new_step, playbook_of, runs, step_rows, steps
from siem.store.database import Database

_log = logging.getLogger(__name__)

#: A passing failure is tried this often, each time after twice the wait.
ATTEMPTS: Final = 3
FIRST_WAIT: Final = timedelta(seconds=2)

UNDER_WAY: Final = (RunState.RUNNING.value, RunState.WAITING.value)
_WAITING_STEPS: Final = (StepState.READY.value, StepState.AWAITING_APPROVAL.value)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A step taken to be done now."""

    run: RowMapping
    step: Step
    playbook: Playbook
    attempts: int


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a step ended."""

    state: StepState
    result: Result
    error: str = ""
    again: bool = False


class Executor:
    """Runs steps. ``worker`` names this process, so that what another one left is recognised."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        actions: Mapping[str, Action],
        playbooks: Mapping[str, Playbook],
        incidents: Incidents,
        worker: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._actions = actions
        self._playbooks = playbooks
        self._incidents = incidents
        self._worker = worker
        self._recovered = False

    # ------------------------------------------------------------------------------------------ beginning
    def create(
        self,
        conn: Connection,
        playbook: Playbook,
        incident: Incident,
        requester: Principal,
        *,
        dry_run: bool = False,
        parent: tuple[str, str, int] | None = None,
        given: Mapping[str, str] | None = None,
    ) -> str:
        """Make a run in state PROPOSED. ``parent`` is (run, step, round) for a playbook called by another, with the values ``given``."""
        now = self._clock()
        sequence = (conn.scalar(select(func.max(runs.c.sequence))) or 0) + 1
        identity = [incident.id, playbook.id, list(parent) if parent else sequence]
        run_id = "r" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20]
        known = externals(incident)
        variables = {
            name: known.get(name, each.value or "") if each.external else (each.value or "") for name, each in playbook.variables.items()
        }
        variables |= {name: value for name, value in (given or {}).items() if name in variables and not playbook.variables[name].constant}
        conn.execute(
            insert(runs).values(
                id=run_id,
                sequence=sequence,
                tenant=incident.tenant,
                finess=incident.finess,
                incident_id=incident.id,
                playbook_id=playbook.id,
                playbook_name=playbook.name,
                playbook_modified=playbook.modified,
                playbook_source=json.dumps(playbook.source, ensure_ascii=False),
                state=RunState.PROPOSED.value,
                dry_run=dry_run,
                requested_by=requester.subject,
                requested_name=requester.name,
                parent_run=parent[0] if parent else None,
                parent_step=parent[1] if parent else None,
                created_at=now,
                error="",
                variables=json.dumps(variables),
            )
        )
        rows = [new_step(run_id, step, position, StepState.PENDING) for position, step in enumerate(playbook.ordered())]
        conn.execute(insert(steps), rows)
        return run_id

    def begin(self, conn: Connection, run_id: str) -> None:
        """Set a proposed run going."""
        conn.execute(update(runs).where(runs.c.id == run_id).values(state=RunState.RUNNING.value, started_at=self._clock()))
        self.settle(conn, run_id)

    # ------------------------------------------------------------------------------------------ settling
    def settle(self, conn: Connection, run_id: str) -> None:
        """Work out where the run stands and write it: which steps are ready, which wait for a person, whether it has ended."""
        row = conn.execute(select(runs).where(runs.c.id == run_id)).mappings().one()
        if row["state"] in (RunState.CANCELLED, RunState.PROPOSED):
            return
        playbook, rows, now = playbook_of(row), step_rows(conn, run_id), self._clock()
        states = {step_id: StepState(each["state"]) for step_id, each in rows.items()}
        chosen = {
            step_id: json.loads(each["outputs"])["condition"] == "true" for step_id, each in rows.items() if "condition" in each["outputs"]
        }
        now_at = plan(playbook, states, chosen, json.loads(row["variables"]))
        for step_id, holds in now_at.passed.items():
            if states[step_id] is not StepState.COMPLETED:
                outputs = json.dumps({"condition": holds} if holds else {})
                self._write_step(conn, run_id, step_id, state=StepState.COMPLETED.value, ended_at=now, outputs=outputs)
        waiting = {step.id for step in now_at.frontier}
        for step_id, state in states.items():
            if state.value in _WAITING_STEPS and step_id not in waiting:
                self._write_step(conn, run_id, step_id, state=StepState.PENDING.value, requested_at=None, expires_at=None)
        for step in now_at.frontier:
            if states[step.id] in (StepState.PENDING, StepState.SKIPPED):
                states[step.id] = self._reach(conn, row, step, now)
        self._conclude(conn, row, now_at.outcome, [states[step.id] for step in now_at.frontier], playbook, now_at.failed_step)

    def _reach(self, conn: Connection, row: RowMapping, step: Step, now: datetime) -> StepState:
        """A step's turn has come: it is ready, or asks for its approval."""
        approval = approval_needed(step)
        if approval is None or row["dry_run"]:
            self._write_step(conn, row["id"], step.id, state=StepState.READY.value, due_at=now + step.delay)
            return StepState.READY
        expires = now + approval.delay if approval.delay else None
        self._write_step(conn, row["id"], step.id, state=StepState.AWAITING_APPROVAL.value, requested_at=now, expires_at=expires)
        whom = ", ".join(approval.roles)
        text = f"Approbation demandée ({whom}) : {step.name}"
        self._tell(conn, row, "decision", row["requested_name"], text, f"{row['id']}:{step.id}")
        return StepState.AWAITING_APPROVAL

    def _conclude(
        self, conn: Connection, row: RowMapping, outcome: Outcome, frontier: list[StepState], playbook: Playbook, failed_step: str | None
    ) -> None:
        now = self._clock()
        if outcome is Outcome.PENDING:
            idle = all(state is StepState.AWAITING_APPROVAL for state in frontier)
            values: dict[str, Any] = {"state": (RunState.WAITING if idle else RunState.RUNNING).value, "ended_at": None, "error": ""}
            conn.execute(update(runs).where(runs.c.id == row["id"]).values(**values))
            return
        error = ""
        if outcome is Outcome.FAILED and failed_step:
            error = f"{playbook.steps[failed_step].name} n’a pas abouti"
        state = RunState.FAILED if outcome is Outcome.FAILED else RunState.COMPLETED
        conn.execute(update(runs).where(runs.c.id == row["id"]).values(state=state.value, ended_at=now, error=error))
        unused = steps.c.run_id == row["id"], steps.c.state == StepState.PENDING.value
        conn.execute(update(steps).where(*unused).values(state=StepState.SKIPPED.value))
        if row["parent_run"] is None:
            text = f"Procédure « {row['playbook_name']} » " + (f"en échec : {error}" if error else "terminée")
            self._tell(conn, row, "action", WATCH.name, text + (" (à blanc)" if row["dry_run"] else ""), row["id"])
        else:
            self._return(conn, row, state, error)

    def _return(self, conn: Connection, row: RowMapping, state: RunState, error: str) -> None:
        """A called playbook has ended: so has the step that called it."""
        parent = conn.execute(select(runs).where(runs.c.id == row["parent_run"])).mappings().one()
        step = playbook_of(parent).steps[row["parent_step"]]
        mine = json.loads(row["variables"])
        outputs = {name: mine[name] for name in step.out_args if name in mine}
        done = StepState.COMPLETED if state is RunState.COMPLETED else StepState.FAILED
        ending = _Ending(done, Result(f"Procédure « {row['playbook_name']} » terminée.", outputs), error)
        self._store(conn, _Claim(parent, step, playbook_of(parent), 1), ending)

    # ------------------------------------------------------------------------------------------ advancing
    def advance(self, limit: int) -> int:
        """Do what is due; see :meth:`siem.response.runs.Runs.advance`."""
        if not self._recovered:
            self._recover()
            self._recovered = True
        worked = self._expire()
        while worked < limit:
            claim = self._claim()
            if claim is None:
                break
            worked += 1
            if claim.step.type is StepType.PLAYBOOK:
                self._call(claim)
                continue
            ending = self._act(claim)
            with self._database.transaction() as conn:
                self._store(conn, claim, ending)
        return worked

    def _recover(self) -> None:
        """Take up what another process was doing when it died. A calling step waits for its called run and is not concerned."""
        left = steps.c.state == StepState.ONGOING.value, steps.c.worker.is_not(None), steps.c.worker != self._worker
        with self._database.reading() as conn:
            if conn.execute(select(steps.c.run_id).where(*left).limit(1)).first() is None:
                return
        with self._database.transaction() as conn:
            conn.execute(update(steps).where(*left).values(state=StepState.READY.value, due_at=None, worker=None))

    def _expire(self) -> int:
        now = self._clock()
        due = steps.c.state == StepState.AWAITING_APPROVAL.value, steps.c.expires_at <= now
        with self._database.reading() as conn:
            if conn.execute(select(steps.c.run_id).where(*due).limit(1)).first() is None:
                return 0
        with self._database.transaction() as conn:
            rows = list(
                conn.execute(select(steps).join(runs, runs.c.id == steps.c.run_id).where(*due, runs.c.state.in_(UNDER_WAY))).mappings()
            )
            for row in rows:
                run = conn.execute(select(runs).where(runs.c.id == row["run_id"])).mappings().one()
                step = playbook_of(run).steps[row["step_id"]]
                self._expire_one(conn, run, step)
                self.settle(conn, run["id"])
        return len(rows)

    def _expire_one(self, conn: Connection, run: RowMapping, step: Step) -> None:
        approval, reference = step.approval, f"{run['id']}:{step.id}"
        if approval is not None and approval.on_expiry == "escalader":
            self._write_step(conn, run["id"], step.id, expires_at=None, escalated=True)
            self._tell(conn, run, "decision", WATCH.name, f"Sans réponse dans le délai, transmis au responsable : {step.name}", reference)
            return
        self._write_step(
            conn, run["id"], step.id, state=StepState.EXPIRED.value, ended_at=self._clock(), error="Sans réponse dans le délai"
        )
        self._tell(conn, run, "decision", WATCH.name, f"Sans réponse dans le délai, donc refusé : {step.name}", reference)

    def _claim(self) -> _Claim | None:
        now = self._clock()
        ready = (
            select(steps.c.run_id, steps.c.step_id, steps.c.attempts)
            .join(runs, runs.c.id == steps.c.run_id)
            .where(
                steps.c.state == StepState.READY.value, runs.c.state.in_(UNDER_WAY), (steps.c.due_at.is_(None)) | (steps.c.due_at <= now)
            )
            .order_by(runs.c.sequence, steps.c.position)
            .limit(1)
        )
        with self._database.reading() as conn:
            if conn.execute(ready).first() is None:
                return None
        with self._database.transaction() as conn:
            found = conn.execute(ready).first()
            if found is None:
                return None
            taken = {"state": StepState.ONGOING.value, "attempts": found.attempts + 1, "started_at": now, "worker": self._worker}
            self._write_step(conn, found.run_id, found.step_id, **taken)
            run = conn.execute(select(runs).where(runs.c.id == found.run_id)).mappings().one()
            playbook = playbook_of(run)
            return _Claim(run, playbook.steps[found.step_id], playbook, found.attempts + 1)

    # ------------------------------------------------------------------------------------------ acting
    def _call(self, claim: _Claim) -> None:
        """Begin the playbook that a step calls; the step ends when it does."""
        called = self._playbooks.get(claim.step.playbook_id or "")
        with self._database.transaction() as conn:
            incident = self._incidents.load(conn, claim.run["incident_id"])
            if called is None or incident is None:
                ending = _Ending(StepState.FAILED, Result(""), f"{claim.step.playbook_id} n’est plus une procédure connue")
                self._store(conn, claim, ending)
                return
            self._write_step(conn, claim.run["id"], claim.step.id, worker=None)
            mine = json.loads(claim.run["variables"])
            row = step_rows(conn, claim.run["id"])[claim.step.id]
            child = self.create(
                conn,
                called,
                incident,
                Principal(claim.run["requested_by"], claim.run["requested_name"], frozenset(), tenant=claim.run["tenant"]),
                dry_run=bool(claim.run["dry_run"]),
                parent=(claim.run["id"], claim.step.id, row["round"]),
                given={name: mine[name] for name in claim.step.in_args},
            )
            self.begin(conn, child)

    def context(self, run: RowMapping, step: Step, key: str) -> Context:
        """What an action of this step is given. Raises ActionFailed if the incident is gone."""
        watch = Principal(WATCH.subject, WATCH.name, WATCH.roles, tenant=run["tenant"])
        with self._database.reading() as conn:
            incident = self._incidents.load(conn, run["incident_id"])
            if incident is None:
                raise ActionFailed("L’incident n’existe plus.")
            event_ids = self._incidents.event_ids(conn, incident.id)
            decided = decisions_of(conn, run["id"], step.id)
        variables = json.loads(run["variables"])
        return Context(
            incident=incident,
            alerts=self._incidents.alerts_of(watch, incident.id),
            key=key,
            arguments={name.strip("_"): variables[name] for name in step.in_args},
            actor=watch,
            reason=decided[-1].reason if decided else "",
            now=self._clock(),
            timeout_seconds=(step.timeout or DEFAULT_TIMEOUT).total_seconds(),
            event_ids=event_ids,
        )

    def _act(self, claim: _Claim) -> _Ending:
        action = self._actions.get(claim.step.action or "")
        if action is None:
            return _Ending(StepState.FAILED, Result(""), f"L’action {claim.step.action} n’existe plus")
        key = f"{claim.run['id']}:{claim.step.id}"
        try:
            context = self.context(claim.run, claim.step, key)
            if claim.run["dry_run"]:
                return _Ending(StepState.COMPLETED, Result(action.plan(context)))
            return _Ending(StepState.COMPLETED, action.execute(context))
        except OperationError as error:
            state = StepState.TIMED_OUT if isinstance(error, TimedOut) else StepState.FAILED
            return _Ending(state, Result(""), str(error), again=error.retry_helps and claim.attempts < ATTEMPTS)
        except (ActionFailed, DataError, NotFound, Forbidden, Refused) as error:
            return _Ending(StepState.FAILED, Result(""), str(error))
        except Exception as error:  # noqa: BLE001 - one action's bug must not stop the others; it is logged with its trace
            _log.exception("the action %s of run %s failed unexpectedly", claim.step.action, claim.run["id"])
            return _Ending(StepState.FAILED, Result(""), f"Erreur interne ({type(error).__name__})")

    def _store(self, conn: Connection, claim: _Claim, ending: _Ending) -> None:
        """Keep how a step ended, and settle what follows."""
        now, run_id, step = self._clock(), claim.run["id"], claim.step
        if ending.again:
            wait = FIRST_WAIT * 2 ** (claim.attempts - 1)
            self._write_step(conn, run_id, step.id, state=StepState.READY.value, due_at=now + wait, error=ending.error, worker=None)
            return
        result = ending.result
        values = {"state": ending.state.value, "ended_at": now, "result": result.text, "error": ending.error, "worker": None}
        compensation = step.approval.compensation if step.approval else None
        undo = claim.playbook.steps[compensation].name if compensation else result.undo
        values |= {"outputs": json.dumps(dict(result.outputs)), "undo": undo if ending.state is StepState.COMPLETED else ""}
        if claim.run["dry_run"]:
            values["undo"] = ""
        self._write_step(conn, run_id, step.id, **values)
        given = {name: result.outputs[name.strip("_")] for name in step.out_args if name.strip("_") in result.outputs}
        given |= {name: result.outputs[name] for name in step.out_args if name in result.outputs}
        if given:
            current = json.loads(conn.scalar(select(runs.c.variables).where(runs.c.id == run_id)) or "{}")
            conn.execute(update(runs).where(runs.c.id == run_id).values(variables=json.dumps(current | given)))
        text = f"{step.name} : {result.text}" if ending.state is StepState.COMPLETED else f"{step.name} : échec — {ending.error}"
        if claim.run["dry_run"]:
            text = f"À blanc — {text}"
        self._tell(conn, claim.run, "action", self._author(conn, run_id, step), text, f"{run_id}:{step.id}")
        self.settle(conn, run_id)

    def _author(self, conn: Connection, run_id: str, step: Step) -> str:
        """In whose name a step acted: who approved it, or the watch."""
        approved = [each for each in decisions_of(conn, run_id, step.id) if each.approved]
        return approved[-1].actor_name if approved else WATCH.name

    # ------------------------------------------------------------------------------------------ writing
    def _write_step(self, conn: Connection, run_id: str, step_id: str, **values: Any) -> None:
        conn.execute(update(steps).where(steps.c.run_id == run_id, steps.c.step_id == step_id).values(**values))

    def _tell(self, conn: Connection, run: RowMapping, kind: str, actor: str, text: str, reference: str) -> None:
        self._incidents.record(conn, run["incident_id"], kind=kind, actor=actor, text=text, reference=reference)
