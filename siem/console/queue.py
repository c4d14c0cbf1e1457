"""The queue of alerts: what needs somebody, gravest first, and acting on one or on hundreds at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from siem.console import users
from siem.console.routing import safe_return
from siem.console.visit import Form, Problem, Visit
from siem.incidents.filters import OPEN_ALERTS, AlertFilter, Bulk
from siem.incidents.model import Alert, AlertState, Incident, NotFound, Refused, Severity, Verdict
from siem.store import filter_hits

_PER_PAGE: Final = 50
#: At most this many alerts are acted on at once when «all of this filter» is ticked; the number is shown beside the box.
MOST_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts of one incident, or (incident None) those of none yet."""

    incident: Incident | None
    alerts: tuple[Alert, ...]


def show(visit: Visit) -> Response:
    """The queue under the filter of the address: etat, severite, assigne, q, page."""
    return _page(visit, visit.query)


def act(visit: Visit) -> Response:
    """One action on every ticked alert; back to the queue as it was filtered, with what was done and what was not."""
    form = visit.form
    ids = _selected(visit)
    if not ids:
        return _page(visit, _filter_of(form), errors={"alerte": visit.language.text("queue.none_selected")}, status=422)
    try:
        return _do(visit, form.get("action"), ids)
    except Refused as refused:
        return _page(visit, _filter_of(form), errors={_FIELD_OF.get(refused.field, refused.field): refused.problem}, status=422)


#: Under which name a field that the service refuses appears in our form, where it is another one.
_FIELD_OF: Final = {"assigne": "assigne_a", "incident": "alerte"}


def _do(visit: Visit, action: str, ids: list[str]) -> Response:
    incidents, actor, form = visit.services.incidents, visit.principal, visit.form
    back = safe_return(form.get("retour", "/alertes"))
    if action == "escalader":
        incident = incidents.escalate(ids, actor, form.get("motif"), form.get("incident") or None)
        return visit.redirect(f"/incidents/{incident.id}", visit.language.count("queue.done.escalader", len(ids), number=incident.number))
    if action == "acquitter":
        result = incidents.acknowledge(ids, actor)
    elif action == "analyser":
        result = incidents.analyse(ids, actor)
    elif action == "assigner":
        assignee = form.get("assigne_a", actor.subject)
        result = incidents.assign(ids, None if assignee == "personne" else assignee or actor.subject, actor)
    elif action == "classer":
        result = incidents.close(ids, form.get("verdict"), form.get("motif"), actor)
    else:
        raise Problem(400, "unreadable")
    return visit.redirect(back, outcome(visit, action, result))


def outcome(visit: Visit, action: str, result: Bulk) -> str:
    """«3 alertes acquittées. 1 laissée : déjà classée.»"""
    said = visit.language.count(f"queue.done.{action}", len(result.done))
    reasons = sorted({reason for _, reason in result.left})
    return said + (" " + visit.language.count("queue.left", len(result.left), reasons=" ".join(reasons)) if reasons else "")


def _selected(visit: Visit) -> list[str]:
    if visit.form.get("tout") != "oui":
        return list(dict.fromkeys(visit.form.all("alerte")))[:MOST_AT_ONCE]
    wanted = _wanted(visit, _filter_of(visit.form), limit=MOST_AT_ONCE, offset=0)
    return [alert.id for alert in visit.services.incidents.alerts(visit.principal, wanted).items]


def _filter_of(form: Form) -> Form:
    """The queue's own filter, carried by the form of actions as ``f.etat``, ``f.severite`` …"""
    return Form([(name[2:], value) for name in form.names() if name.startswith("f.") for value in form.all(name)])


def _wanted(visit: Visit, query: Form, *, limit: int, offset: int) -> AlertFilter:
    state = query.get("etat", "ouvertes")
    states = {"ouvertes": OPEN_ALERTS, "toutes": frozenset[AlertState]()}.get(state)
    if states is None:
        states = frozenset({AlertState(state)}) if state in set(AlertState) else OPEN_ALERTS
    known = {severity.value for severity in Severity}
    assignee = {"moi": visit.principal.subject, "personne": ""}.get(query.get("assigne"))
    return AlertFilter(
        states=states,
        severities=frozenset(Severity(value) for value in query.all("severite") if value in known),
        assignee=assignee,
        text=query.get("q"),
        rule_id=query.get("regle") or None,
        order=query.get("tri") if query.get("tri") in {"latest", "oldest"} else "severity",
        limit=limit,
        offset=offset,
    )


def _page(visit: Visit, query: Form, *, errors: Mapping[str, str] | None = None, status: int = 200) -> Response:
    number = query.number("page") or 1
    found = visit.services.incidents.alerts(visit.principal, _wanted(visit, query, limit=_PER_PAGE, offset=(number - 1) * _PER_PAGE))
    filters = [one.key for one in visit.services.ruleset().filters]
    with visit.reading() as connection:
        people = users.everyone(connection, visit.principal.tenant)
        hidden = filter_hits.total(connection, visit.principal.tenant, filters)
    return visit.render(
        "queue.html",
        status=status,
        query=query,
        groups=_groups(visit, found.items),
        total=found.total,
        hidden=hidden,
        page=number,
        pages=max(1, -(-found.total // _PER_PAGE)),
        filtered=any(query.get(name) for name in ("etat", "severite", "assigne", "q", "regle")),
        counters=visit.services.incidents.counters(visit.principal),
        people=people,
        names={person.subject: person.name for person in people},
        states=list(AlertState),
        severities=list(Severity),
        verdicts=list(Verdict),
        most=MOST_AT_ONCE,
        errors=errors or {},
    )


def _groups(visit: Visit, alerts: tuple[Alert, ...]) -> list[Group]:
    """Alerts by incident, in the order in which each incident's first alert comes."""
    by_incident: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_incident.setdefault(alert.incident_id or "", []).append(alert)
    return [Group(_incident(visit, identifier), tuple(members)) for identifier, members in by_incident.items()]


def _incident(visit: Visit, identifier: str) -> Incident | None:
    if not identifier:
        return None
    try:
        return visit.services.incidents.incident(visit.principal, identifier)
    except NotFound:
        return None  # its alerts are this person's, the incident as a whole is not
