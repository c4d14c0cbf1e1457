"""The service of playbook runs: proposing, starting, approving, advancing; what the console and the background thread call.

Reads take the Principal and answer only runs of incidents they see; refusals are those of :mod:`siem.incidents.model`
(NotFound 404, Forbidden 403, Refused 422).
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from siem.access import Principal
from siem.incidents.model import Incident
from siem.incidents.service import Clock, Incidents
from siem.response.actions import Action
from siem.response.model import Run
from siem.response.playbook import Playbook
from siem.store.database import Database


class Runs:
    """Runs of ``playbooks`` (by id) with ``actions`` (by name, see :func:`siem.response.actions.build`) over one database."""

    def __init__(
        self, database: Database, clock: Clock, actions: Mapping[str, Action], playbooks: Mapping[str, Playbook], incidents: Incidents
    ) -> None:
        raise NotImplementedError

    def propose(self, conn: Connection, incident: Incident) -> tuple[str, ...]:
        """Propose each playbook whose trigger fits; those that say ``demarrage: automatique`` start. Once per incident and playbook.

        Returns the ids of the runs created now. Call it for every incident in ``Absorbed.incidents_touched``, in the same
        transaction or after it.
        """
        raise NotImplementedError

    def start(self, incident_id: str, playbook_id: str, actor: Principal, *, dry_run: bool = False) -> Run:
        """Start a proposed playbook, or any other by hand. One that is already under way is returned as it is."""
        raise NotImplementedError

    def approve(self, run_id: str, step_id: str, actor: Principal, reason: str = "") -> Run:
        """Say yes to a step that waits. Of two approvals of the same step at once one wins; the other is Refused.

        With two persons asked for, the second must be another. Raises Forbidden if no role of the actor is among the
        step's roles, Refused if the step does not wait, the delay is over, a reason is missing or roles must be separate.
        """
        raise NotImplementedError

    def refuse(self, run_id: str, step_id: str, actor: Principal, reason: str) -> Run:
        """Say no, with a reason: the step counts as failed, and its ``on_failure`` (else the playbook's exception step) follows."""
        raise NotImplementedError

    def retry(self, run_id: str, step_id: str, actor: Principal, reason: str = "") -> Run:
        """Try a failed step again, under the same idempotency key; what its failure had led to is forgotten if it had not acted yet."""
        raise NotImplementedError

    def undo(self, run_id: str, step_id: str, actor: Principal, reason: str) -> Run:
        """Undo a completed reversible step that says how (StepRun.undo not empty), with a reason."""
        raise NotImplementedError

    def cancel(self, run_id: str, actor: Principal, reason: str) -> Run:
        """Stop a run: steps not yet started never start."""
        raise NotImplementedError

    def advance(self, limit: int = 50) -> int:
        """Do what is due now: expired approvals, then ready steps. Returns how many steps were worked on; 0 means idle.

        Call it again and again from one background thread. The first call after a restart takes up what a killed
        process left, under the same idempotency keys.
        """
        raise NotImplementedError

    def get(self, principal: Principal, run_id: str) -> Run:
        """One run with its steps. Raises NotFound."""
        raise NotImplementedError

    def of_incident(self, principal: Principal, incident_id: str) -> tuple[Run, ...]:
        """Runs of an incident (and of those merged into it), newest first, proposed ones included."""
        raise NotImplementedError

    def awaiting(self, principal: Principal) -> tuple[Run, ...]:
        """Runs with a step that waits for an approval this person may give."""
        raise NotImplementedError
