"""The service of playbook runs: proposing, starting, approving, advancing; what the console and the background thread call.

Reads take the Principal and answer only runs of incidents they see; refusals are those of :mod:`siem.incidents.model`
(NotFound 404, Forbidden 403, Refused 422).
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from siem.access import WATCH, Permission, Principal, Role
from siem.incidents.model import Forbidden, Incident, IncidentState, NotFound, Refused
from siem.incidents.service import Clock, Incidents
from siem.incidents.store import remember_name, write_change
from siem.response.action import Action, ActionFailed
from siem.response.executor import UNDER_WAY, Executor
from siem.response.model import Approval, Run, RunState, StepState
from siem.response.plan import UNSUCCESSFUL
from siem.response.playbook import Playbook, Step, StepType
from siem.response.store import approval_needed, decisions, decisions_of, playbook_of, runs, step_rows, steps, to_run
from siem.store.database import Database

_ENDED = (RunState.COMPLETED.value, RunState.FAILED.value, RunState.CANCELLED.value)


class Runs:
    """Runs of ``playbooks`` (by id) with ``actions`` (by name, see :func:`siem.response.actions.build`) over one database."""

    def __init__(
        self, database: Database, clock: Clock, actions: Mapping[str, Action], playbooks: Mapping[str, Playbook], incidents: Incidents
    ) -> None:
        self._database = database
        self._clock = clock
        self._actions = actions
        self._incidents = incidents
        self.playbooks = playbooks
        self._executor = Executor(database, clock, actions, playbooks, incidents, secrets.token_hex(8))

    # ------------------------------------------------------------------------------------------ the watch
    def propose(self, conn: Connection, incident: Incident) -> tuple[str, ...]:
        """Propose each playbook whose trigger fits; those that say ``demarrage: automatique`` start. Once per incident and playbook.

        Returns the ids of the runs created now. Call it for every incident in ``Absorbed.incidents_touched``, in the same
        transaction or after it.
        """
        created: list[str] = []
        if incident.state is IncidentState.CLOSED:
            return ()
        watch = Principal(WATCH.subject, WATCH.name, WATCH.roles, tenant=incident.tenant)
        for playbook in self.playbooks.values():
            if playbook.trigger is None or not playbook.trigger.fits(incident) or not playbook.in_force(self._clock()):
                continue
            if self._latest(conn, incident.id, playbook.id) is not None:
                continue
            run_id = self._executor.create(conn, playbook, incident, watch)
            text = f"Procédure proposée : {playbook.name}"
            if playbook.trigger.automatic:
                text = f"Procédure démarrée automatiquement : {playbook.name}"
                self._executor.begin(conn, run_id)
            self._incidents.record(conn, incident.id, kind="decision", actor=WATCH.name, text=text, reference=run_id)
            created.append(run_id)
        return tuple(created)

    def advance(self, limit: int = 50) -> int:
        """Do what is due now: expired approvals, then ready steps. Returns how many steps were worked on; 0 means idle.

        Call it again and again from one background thread. The first call after a restart takes up what a killed
        process left, under the same idempotency keys.
        """
        return self._executor.advance(limit)

    # ------------------------------------------------------------------------------------------ people
    def start(self, incident_id: str, playbook_id: str, actor: Principal, *, dry_run: bool = False) -> Run:
        """Start a proposed playbook, or any other by hand. One that is already under way is returned as it is."""
        incident = self._incidents.incident(actor, incident_id)
        self._require(actor, Permission.HANDLE_INCIDENTS)
        playbook = self.playbooks.get(playbook_id)
        if playbook is None:
            raise NotFound("playbook", playbook_id)
        if incident.state is IncidentState.CLOSED:
            raise Refused("incident", "Un incident clos doit être rouvert avant d’y exécuter une procédure.")
        if not playbook.in_force(self._clock()):
            raise Refused("playbook_id", "Cette procédure n’est plus (ou pas encore) en vigueur.")
        with self._writing(actor) as conn:
            latest = self._latest(conn, incident.id, playbook_id, dry_run=dry_run)
            if latest is not None and latest["state"] in UNDER_WAY:
                return to_run(conn, latest, self._actions)
            if latest is not None and latest["state"] == RunState.PROPOSED:
                run_id = latest["id"]
                values = {"requested_by": actor.subject, "requested_name": actor.name}
                conn.execute(update(runs).where(runs.c.id == run_id).values(**values))
            else:
                run_id = self._executor.create(conn, playbook, incident, actor, dry_run=dry_run)
            self._executor.begin(conn, run_id)
            write_change(conn, ("run", run_id), "state", (None, RunState.RUNNING.value), actor.subject, self._clock())
            text = f"Procédure démarrée{' à blanc' if dry_run else ''} : {playbook.name}"
            self._incidents.record(conn, incident.id, kind="decision", actor=actor.name, text=text, reference=run_id)
            return self._load(conn, run_id)

    def approve(self, run_id: str, step_id: str, actor: Principal, reason: str = "") -> Run:
        """Say yes to a step that waits. Of two approvals of the same step at once one wins; the other is Refused.

        With two persons asked for, the second must be another. Raises Forbidden if no role of the actor is among the
        step's roles, Refused if the step does not wait, the delay is over, a reason is missing or roles must be separate.
        """
        with self._deciding(run_id, step_id, actor) as (conn, run, step, approval):
            if approval.reason_required and not reason.strip():
                raise Refused("motif", "Cette étape demande une justification.")
            if approval.separation and run["requested_by"] == actor.subject:
                raise Refused("approbation", "Qui a démarré la procédure ne peut pas approuver cette étape.")
            given = self._decide(conn, run, step, actor, approved=True, reason=reason)
            if given >= approval.people:
                now = self._clock()
                self._set(conn, run_id, step_id, state=StepState.READY.value, due_at=now + step.delay, expires_at=None)
                self._executor.settle(conn, run_id)
            return self._load(conn, run_id)

    def refuse(self, run_id: str, step_id: str, actor: Principal, reason: str) -> Run:
        """Say no, with a reason: the step counts as failed, and its ``on_failure`` (else the playbook's exception step) follows."""
        if not reason.strip():
            raise Refused("motif", "Le motif du refus est obligatoire.")
        with self._deciding(run_id, step_id, actor) as (conn, run, step, _):
            self._decide(conn, run, step, actor, approved=False, reason=reason)
            values = {
                "state": StepState.REFUSED.value,
                "ended_at": self._clock(),
                "error": f"Refusé : {reason.strip()}",
                "expires_at": None,
            }
            self._set(conn, run_id, step_id, **values)
            self._executor.settle(conn, run_id)
            return self._load(conn, run_id)

    def retry(self, run_id: str, step_id: str, actor: Principal, reason: str = "") -> Run:
        """Try a failed step again, under the same idempotency key; what its failure had led to is forgotten if it had not acted yet.

        A step that was refused or left without answer asks for its approval anew.
        """
        self._seen(run_id, actor)
        self._require(actor, Permission.HANDLE_INCIDENTS)
        with self._writing(actor) as conn:
            run, step, row = self._step(conn, run_id, step_id)
            state = StepState(row["state"])
            if state not in UNSUCCESSFUL:
                raise Refused("etape", "Seule une étape qui n’a pas abouti peut être relancée.")
            if run["state"] == RunState.CANCELLED:
                raise Refused("etape", "Cette procédure a été annulée.")
            asks_again = state in (StepState.REFUSED, StepState.EXPIRED) or step.type is StepType.PLAYBOOK
            values = {"state": StepState.PENDING.value if asks_again else StepState.READY.value, "attempts": 0, "due_at": None, "error": ""}
            values |= {"ended_at": None, "escalated": False, "round": row["round"] + (1 if asks_again else 0)}
            self._set(conn, run_id, step_id, **values)
            skipped = steps.c.run_id == run_id, steps.c.state == StepState.SKIPPED.value
            conn.execute(update(steps).where(*skipped).values(state=StepState.PENDING.value))
            conn.execute(update(runs).where(runs.c.id == run_id).values(state=RunState.RUNNING.value, ended_at=None, error=""))
            self._tell(conn, run, "decision", actor, f"Étape relancée : {step.name}", reason, None)
            self._executor.settle(conn, run_id)
            return self._load(conn, run_id)

    def undo(self, run_id: str, step_id: str, actor: Principal, reason: str) -> Run:
        """Undo a completed reversible step that says how (StepRun.undo not empty), with a reason."""
        self._seen(run_id, actor)
        self._require(actor, Permission.APPROVE_ACTIONS)
        if not reason.strip():
            raise Refused("motif", "Le motif est obligatoire pour lever une mesure.")
        with self._database.reading() as conn:
            run, step, row = self._step(conn, run_id, step_id)
            playbook = playbook_of(run)
        if row["state"] != StepState.COMPLETED or not row["undo"]:
            raise Refused("etape", "Cette étape n’a rien à défaire.")
        context = self._executor.context(run, step, f"{run_id}:{step_id}")
        compensation = step.approval.compensation if step.approval else None
        try:
            if compensation:
                by = playbook.steps[compensation]
                result = self._actions[by.action or ""].execute(self._executor.context(run, by, f"{run_id}:{compensation}"))
            else:
                result = self._actions[step.action or ""].undo(context)
        except (ActionFailed, KeyError) as error:
            raise Refused("etape", str(error)) from error
        with self._writing(actor) as conn:
            self._set(conn, run_id, step_id, undo="", result=f"{row['result']} {result.text}")
            write_change(conn, ("run", run_id), f"step {step_id}", ("done", "undone"), actor.subject, self._clock(), reason.strip())
            self._tell(conn, run, "action", actor, f"{row['undo']} : {result.text}", reason, f"{run_id}:{step_id}:undo")
            return self._load(conn, run_id)

    def cancel(self, run_id: str, actor: Principal, reason: str) -> Run:
        """Stop a run: steps not yet started never start."""
        self._seen(run_id, actor)
        self._require(actor, Permission.HANDLE_INCIDENTS)
        if not reason.strip():
            raise Refused("motif", "Le motif de l’annulation est obligatoire.")
        with self._writing(actor) as conn:
            run = self._row(conn, run_id)
            if run["state"] in _ENDED:
                raise Refused("etat", "Cette procédure est déjà terminée.")
            now = self._clock()
            conn.execute(update(runs).where(runs.c.id == run_id).values(state=RunState.CANCELLED.value, ended_at=now, error=reason.strip()))
            idle = [state.value for state in (StepState.PENDING, StepState.READY, StepState.AWAITING_APPROVAL)]
            waiting = steps.c.run_id == run_id, steps.c.state.in_(idle)
            conn.execute(update(steps).where(*waiting).values(state=StepState.SKIPPED.value, expires_at=None))
            write_change(conn, ("run", run_id), "state", (run["state"], RunState.CANCELLED.value), actor.subject, now, reason.strip())
            self._tell(conn, run, "decision", actor, f"Procédure annulée : {run['playbook_name']}", reason, None)
            called = list(conn.scalars(select(runs.c.id).where(runs.c.parent_run == run_id, runs.c.state.not_in(_ENDED))))
        for child in called:
            self.cancel(child, actor, reason)
        return self.get(actor, run_id)

    # ------------------------------------------------------------------------------------------ reading
    def get(self, principal: Principal, run_id: str) -> Run:
        """One run with its steps. Raises NotFound."""
        self._seen(run_id, principal)
        with self._database.reading() as conn:
            return self._load(conn, run_id)

    def of_incident(self, principal: Principal, incident_id: str) -> tuple[Run, ...]:
        """Runs of an incident (and of those merged into it), newest first, proposed ones included."""
        incident = self._incidents.incident(principal, incident_id)
        with self._database.reading() as conn:
            family = self._incidents.family(conn, incident.id)
            query = select(runs).where(runs.c.incident_id.in_(family)).order_by(runs.c.sequence.desc())
            return tuple(to_run(conn, row, self._actions) for row in list(conn.execute(query).mappings()))

    def awaiting(self, principal: Principal) -> tuple[Run, ...]:
        """Runs with a step that waits for an approval this person may give."""
        waiting = select(steps.c.run_id).where(steps.c.state == StepState.AWAITING_APPROVAL.value)
        query = select(runs).where(runs.c.id.in_(waiting), runs.c.state.in_(UNDER_WAY), runs.c.tenant == principal.tenant)
        found: list[Run] = []
        with self._database.reading() as conn:
            for row in list(conn.execute(query.order_by(runs.c.sequence)).mappings()):
                run = to_run(conn, row, self._actions)
                asked = [step for step in run.steps if step.state is StepState.AWAITING_APPROVAL and step.approval]
                allowed = any(_may(principal, step.approval, escalated=step.escalated) for step in asked if step.approval)
                if allowed and principal.sees(run.finess, run.tenant):
                    found.append(run)
        return tuple(found)

    # ------------------------------------------------------------------------------------------ inside
    @contextmanager
    def _writing(self, actor: Principal) -> Iterator[Connection]:
        with self._database.transaction() as conn:
            remember_name(conn, actor.tenant, actor.subject, actor.name)
            yield conn

    @contextmanager
    def _deciding(self, run_id: str, step_id: str, actor: Principal) -> Iterator[tuple[Connection, RowMapping, Step, Approval]]:
        """A transaction in which the step is known to wait for a decision that this person may give."""
        self._seen(run_id, actor)
        with self._writing(actor) as conn:
            run, step, row = self._step(conn, run_id, step_id)
            approval = approval_needed(step)
            if approval is None:
                raise Refused("etape", "Cette étape ne demande pas d’approbation.")
            if not _may(actor, approval, escalated=bool(row["escalated"])):
                raise Forbidden(Permission.APPROVE_ACTIONS)
            if row["state"] != StepState.AWAITING_APPROVAL or run["state"] not in UNDER_WAY:
                raise Refused("etape", "Cette étape n’attend plus de décision.")
            if row["expires_at"] is not None and row["expires_at"] <= self._clock():
                raise Refused("etape", "Le délai pour décider est écoulé.")
            yield conn, run, step, approval

    def _decide(self, conn: Connection, run: RowMapping, step: Step, actor: Principal, *, approved: bool, reason: str) -> int:
        """Keep a decision; returns how many people have now approved. One person decides once per round."""
        row = step_rows(conn, run["id"])[step.id]
        values = {"run_id": run["id"], "step_id": step.id, "round": row["round"], "actor": actor.subject, "actor_name": actor.name}
        try:
            conn.execute(insert(decisions).values(**values, approved=approved, reason=reason.strip(), at=self._clock()))
        except IntegrityError:
            raise Refused("approbation", "Vous avez déjà approuvé cette étape ; il faut une autre personne.") from None
        said = "approved" if approved else "refused"
        write_change(conn, ("run", run["id"]), f"step {step.id}", (None, said), actor.subject, self._clock(), reason.strip())
        text = f"{'Approuvé' if approved else 'Refusé'} : {step.name}"
        self._tell(conn, run, "decision", actor, text, reason, f"{run['id']}:{step.id}:{row['round']}:{actor.subject}")
        return sum(each.approved for each in decisions_of(conn, run["id"], step.id, row["round"]))

    def _seen(self, run_id: str, principal: Principal) -> None:
        """Raise NotFound unless the run exists for this person, that is: unless they see its incident."""
        with self._database.reading() as conn:
            row = conn.execute(select(runs.c.incident_id, runs.c.tenant).where(runs.c.id == run_id)).first()
        if row is None or row.tenant != principal.tenant:
            raise NotFound("run", run_id)
        try:
            self._incidents.incident(principal, row.incident_id)
        except NotFound:
            raise NotFound("run", run_id) from None

    def _row(self, conn: Connection, run_id: str) -> RowMapping:
        return conn.execute(select(runs).where(runs.c.id == run_id)).mappings().one()

    def _step(self, conn: Connection, run_id: str, step_id: str) -> tuple[RowMapping, Step, RowMapping]:
        run = self._row(conn, run_id)
        row = step_rows(conn, run_id).get(step_id)
        if row is None:
            raise NotFound("step", step_id)
        return run, playbook_of(run).steps[step_id], row

    def _latest(self, conn: Connection, incident_id: str, playbook_id: str, *, dry_run: bool = False) -> RowMapping | None:
        family = self._incidents.family(conn, incident_id)
        query = select(runs).where(
            runs.c.incident_id.in_(family), runs.c.playbook_id == playbook_id, runs.c.dry_run == dry_run, runs.c.parent_run.is_(None)
        )
        return conn.execute(query.order_by(runs.c.sequence.desc()).limit(1)).mappings().first()

    def _load(self, conn: Connection, run_id: str) -> Run:
        return to_run(conn, self._row(conn, run_id), self._actions)

    def _set(self, conn: Connection, run_id: str, step_id: str, **values: object) -> None:
        conn.execute(update(steps).where(steps.c.run_id == run_id, steps.c.step_id == step_id).values(**values))

    def _tell(self, conn: Connection, run: RowMapping, kind: str, actor: Principal, text: str, reason: str, reference: str | None) -> None:
        said = f"{text} — {reason.strip()}" if reason.strip() else text
        self._incidents.record(conn, run["incident_id"], kind=kind, actor=actor.name, text=said, reference=reference)

    def _require(self, actor: Principal, permission: Permission) -> None:
        if not actor.may(permission):
            raise Forbidden(permission)


def _may(person: Principal, approval: Approval, *, escalated: bool) -> bool:
    """Whether one of the person's roles may decide: those the step names, or after an escalation the lead alone."""
    roles = {Role.RESPONSABLE} if escalated else {Role(role) for role in approval.roles}
    return person.may(Permission.APPROVE_ACTIONS) and bool(person.roles & roles)
