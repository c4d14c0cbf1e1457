"""One run of a playbook, as a path of steps: what was done, what waits for whom, what can be undone."""

from starlette.responses import Response

from siem.access import WATCH, Permission
from siem.console import users
from siem.console.visit import Problem, Visit
from siem.incidents.model import Refused
from siem.response.model import StepState

_RETRIABLE = frozenset({StepState.FAILED, StepState.TIMED_OUT, StepState.REFUSED, StepState.EXPIRED})


def show(visit: Visit) -> Response:
    """The page of one run."""
    return _page(visit)


def decide(visit: Visit) -> Response:
    """Approve, refuse, try again or undo one step."""
    runs, form, actor = visit.services.runs, visit.form, visit.principal
    run_id, step_id, reason = visit.parameter("run"), visit.parameter("step"), form.get("motif")
    decisions = {"approuver": runs.approve, "refuser": runs.refuse, "relancer": runs.retry, "annuler": runs.undo}
    decision = decisions.get(form.get("decision"))
    if decision is None:
        raise Problem(400, "unreadable")
    try:
        decision(run_id, step_id, actor, reason)
    except Refused as refused:
        return _page(visit, errors={f"motif-{step_id}" if refused.field == "motif" else f"etape-{step_id}": refused.problem}, status=422)
    return visit.redirect(f"/executions/{run_id}#etape-{step_id}", visit.language.text(f"run.done.{form.get('decision')}"))


def cancel(visit: Visit) -> Response:
    """Stop the run; steps not yet started never start."""
    try:
        visit.services.runs.cancel(visit.parameter("run"), visit.principal, visit.form.get("motif"))
    except Refused as refused:
        return _page(visit, errors={"motif-arret": refused.problem}, status=422)
    return visit.redirect(f"/executions/{visit.parameter('run')}", visit.language.text("run.cancelled"))


def _page(visit: Visit, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    run = visit.services.runs.get(visit.principal, visit.parameter("run"))
    roles = {role.value for role in visit.principal.roles}
    decidable = {
        step.step_id
        for step in run.steps
        if step.state is StepState.AWAITING_APPROVAL
        and step.approval is not None
        and roles & set(step.approval.roles)
        and visit.principal.may(Permission.APPROVE_ACTIONS)
        and visit.principal.subject not in {decision.actor for decision in step.decisions}
    }
    with visit.reading() as connection:
        names = {WATCH.subject: WATCH.name} | users.names(connection, visit.principal.tenant)
    return visit.render(
        "run.html",
        status=status,
        run=run,
        incident=visit.services.incidents.incident(visit.principal, run.incident_id),
        decidable=decidable,
        retriable=_RETRIABLE,
        names=names,
        errors=errors or {},
        typed=visit.form,
    )
