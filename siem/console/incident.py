"""Incidents: the list, and the page of one with its story, its people, its clocks and what is asked of whom."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from siem.access import WATCH, Permission
from siem.console import users
from siem.console.visit import Form, Visit
from siem.declarations.model import DeadlineStatus
from siem.incidents.filters import OPEN_INCIDENTS, IncidentFilter
from siem.incidents.model import CRITERIA, INCIDENT_MOVES, Incident, IncidentState, Refused, Severity, Verdict
from siem.response.model import Run, RunState, StepState

_PER_PAGE: Final = 50
#: Under which name each field that a service may refuse appears in our forms.
_FIELD_OF: Final = {"note": "texte", "assigne": "assigne_a", "playbook_id": "executions", "incident": "contenu"}


def index(visit: Visit) -> Response:
    """The list of incidents: etat (ouverts, tous, or one), assigne, q, page."""
    query = visit.query
    state = query.get("etat", "ouverts")
    states = {"ouverts": OPEN_INCIDENTS, "tous": frozenset[IncidentState]()}.get(state)
    if states is None:
        states = frozenset({IncidentState(state)}) if state in set(IncidentState) else OPEN_INCIDENTS
    number = query.number("page") or 1
    assignee = {"moi": visit.principal.subject, "personne": ""}.get(query.get("assigne"))
    wanted = IncidentFilter(states=states, assignee=assignee, text=query.get("q"), limit=_PER_PAGE, offset=(number - 1) * _PER_PAGE)
    found = visit.services.incidents.incidents(visit.principal, wanted)
    with visit.reading() as connection:
        names = users.names(connection, visit.principal.tenant)
    return visit.render(
        "incidents.html",
        query=query,
        incidents=found.items,
        clocks={incident.id: _next_clock(visit, incident) for incident in found.items},
        total=found.total,
        page=number,
        pages=max(1, -(-found.total // _PER_PAGE)),
        filtered=any(query.get(name) for name in ("etat", "assigne", "q")),
        names=names,
        states=list(IncidentState),
    )


def show(visit: Visit) -> Response:
    """The page of one incident; one that was merged sends on to what it became."""
    incident = visit.services.incidents.incident(visit.principal, visit.parameter("id"))
    if incident.id != visit.parameter("id"):
        return visit.redirect(f"/incidents/{incident.id}")
    return _page(visit, incident)


def qualify(visit: Visit) -> Response:
    """Answer the five criteria; what follows in law is said at once."""
    answers = {criterion: visit.form.get(criterion) for criterion in CRITERIA}
    missing = {
        name: visit.language.text("incident.qualification.missing")
        for name, answer in answers.items()
        if answer not in {"oui", "non", "inconnu"}
    }
    if missing:
        return _again(visit, missing)
    try:
        incident = visit.services.incidents.qualify(visit.parameter("id"), answers, visit.form.get("motif"), visit.principal)
    except Refused as refused:
        return _refused(visit, refused, "qualification")
    proposal = visit.services.dossiers.proposal(incident.qualification, language=visit.language.code)
    return visit.redirect(f"/incidents/{incident.id}", visit.language.text("incident.qualified", decision=proposal.decision_label))


def move(visit: Visit) -> Response:
    """Change phase."""
    form = visit.form
    verdict = form.get("verdict") or None
    try:
        incident = visit.services.incidents.move(visit.parameter("id"), form.get("etat"), form.get("motif"), visit.principal, verdict)
    except Refused as refused:
        return _refused(visit, refused, "etat")
    return visit.redirect(
        f"/incidents/{incident.id}", visit.language.text("incident.moved", state=visit.language.label("incident_state", incident.state))
    )


def note(visit: Visit) -> Response:
    """Write in the log-book."""
    try:
        visit.services.incidents.note(visit.parameter("id"), visit.form.get("texte"), visit.principal)
    except Refused as refused:
        return _refused(visit, refused, "note")
    return visit.redirect(f"/incidents/{visit.parameter('id')}#chronologie", visit.language.text("incident.noted"))


def assign(visit: Visit) -> Response:
    """Give to somebody, take, or give back; another person than the actor must be known here."""
    assignee = visit.form.get("assigne_a") or visit.principal.subject
    try:
        visit.services.incidents.assign_incident(visit.parameter("id"), None if assignee == "personne" else assignee, visit.principal)
    except Refused as refused:
        return _refused(visit, refused, "assignation")
    return visit.redirect(f"/incidents/{visit.parameter('id')}", visit.language.text("incident.assigned"))


def execute(visit: Visit) -> Response:
    """Start a proposed playbook."""
    dry_run = visit.form.get("a_blanc") == "oui"
    try:
        run = visit.services.runs.start(visit.parameter("id"), visit.form.get("playbook_id"), visit.principal, dry_run=dry_run)
    except Refused as refused:
        return _refused(visit, refused, "executions")
    return visit.redirect(f"/executions/{run.id}", visit.language.text("run.started"))


def open_dossier(visit: Visit) -> Response:
    """Open the dossier of declaration, or go to the one there is."""
    incident = visit.services.incidents.incident(visit.principal, visit.parameter("id"))
    dossier = visit.services.open_dossier(incident, visit.principal)
    return visit.redirect(f"/dossiers/{dossier.id}")


def _refused(visit: Visit, refused: Refused, form: str) -> Response:
    field = "motif-qualification" if form == "qualification" and refused.field == "motif" else refused.field
    return _again(visit, {_FIELD_OF.get(field, field): refused.problem}, form)


def _again(visit: Visit, errors: Mapping[str, str], form: str = "qualification") -> Response:
    """The page again with what was typed and what is wrong with it."""
    incident = visit.services.incidents.incident(visit.principal, visit.parameter("id"))
    return _page(visit, incident, errors=errors, form=form, typed=visit.form, status=422)


def _page(
    visit: Visit,
    incident: Incident,
    *,
    errors: Mapping[str, str] | None = None,
    form: str = "",
    typed: Form | None = None,
    status: int = 200,
) -> Response:
    services, principal = visit.services, visit.principal
    code = visit.language.code
    runs = services.runs.of_incident(principal, incident.id)
    dossier = services.dossiers.of_incident(incident.id, principal) if principal.may(Permission.READ_DOSSIERS) else None
    deadlines = (
        services.dossiers.deadlines(dossier, language=code)
        if dossier
        else services.dossiers.deadlines_for_incident(incident, language=code)
    )
    with visit.reading() as connection:
        people = users.everyone(connection, principal.tenant)
    return visit.render(
        "incident.html",
        status=status,
        incident=incident,
        alerts=services.incidents.alerts_of(principal, incident.id),
        timeline=services.incidents.timeline(principal, incident.id),
        history=services.incidents.history(principal, "incident", incident.id),
        risks=services.incidents.risks_of(principal, incident.entities) if principal.may(Permission.READ_ALERTS) else (),
        runs=runs,
        asked=_asked(visit, incident, runs),
        dossier=dossier,
        deadlines=deadlines,
        proposal=services.dossiers.proposal(incident.qualification, language=code) if incident.qualification else None,
        qualified=_qualified(incident),
        moves=[state for state in IncidentState if state in INCIDENT_MOVES[incident.state]],
        criteria=CRITERIA,
        verdicts=list(Verdict),
        severities=list(Severity),
        people=people,
        names={WATCH.subject: WATCH.name} | {person.subject: person.name for person in people},
        errors=errors or {},
        form=form,
        typed=typed or Form([]),
    )


def _asked(visit: Visit, incident: Incident, runs: tuple[Run, ...]) -> tuple[str, str]:
    """The one thing asked of this person now: a key of ``incident.asked`` and where to do it. Approvals first: somebody waits."""
    principal = visit.principal
    roles = {role.value for role in principal.roles}
    for run in runs:
        for step in run.steps:
            waits = step.state is StepState.AWAITING_APPROVAL and step.approval is not None and roles & set(step.approval.roles)
            if waits and principal.may(Permission.APPROVE_ACTIONS):
                return "approve", f"/executions/{run.id}#etape-{step.step_id}"
    if principal.may(Permission.HANDLE_INCIDENTS):
        if incident.assignee is None:
            return "take", "#assignation"
        if not _qualified(incident):
            return "qualify", "#qualification"
        proposed = next((run for run in runs if run.state is RunState.PROPOSED), None)
        if proposed is not None:
            return "execute", "#executions"
    if principal.may(Permission.VALIDATE_DOSSIERS):
        return "validate", "#dossier"
    return "nothing", ""


def _qualified(incident: Incident) -> bool:
    """Whether a person answered: until then every criterion is unknown."""
    return any(answer != "inconnu" for answer in incident.qualification.values())


def _next_clock(visit: Visit, incident: Incident) -> object:
    """The most urgent clock still running, for the list."""
    deadlines = visit.services.dossiers.deadlines_for_incident(incident, language=visit.language.code)
    running = {DeadlineStatus.RUNNING, DeadlineStatus.SOON, DeadlineStatus.OVERDUE}
    return next((deadline for deadline in deadlines if deadline.status in running), None)
