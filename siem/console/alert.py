"""One alert: why it fired, in its own events, under which rule, and beside what else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from siem.access import Permission
from siem.console import habits, users
from siem.console.event_view import scope, shown
from siem.console.visit import Visit
from siem.incidents.held import held_by
from siem.incidents.model import Alert, Incident, NotFound, Verdict
from siem.store import filter_hits

#: Events shown in full; the others are one search away.
_SHOWN_EVENTS: Final = 10
#: What stands in a sentence for what a feed does not say.
_UNSAID: Final = "…"


def show(visit: Visit) -> Response:
    """The page of one alert; one that was merged sends on to what it became."""
    services, principal = visit.services, visit.principal
    alert = services.incidents.alert(principal, visit.parameter("id"))
    if alert.id != visit.parameter("id"):
        return visit.redirect(f"/alertes/{alert.id}", visit.language.text("alert.was_merged"))
    rule = services.rules.get(alert.rule_id)
    incident = _incident(visit, alert)
    suspect_from = min(alert.first_at, incident.first_at) if incident else alert.first_at
    events = services.events.get(alert.event_ids[-_SHOWN_EVENTS:], scope(principal))
    ruleset = services.ruleset()
    feeding = [one.rule.id for one in ruleset.only([alert.rule_id]).singles]
    with visit.reading() as connection:
        people = users.everyone(connection, principal.tenant)
        hidden = filter_hits.total(connection, principal.tenant, [one.key for one in ruleset.filters_of(alert.rule_id)], feeding)
        held = held_by(connection, principal, alert.id) if alert.suppressed_count else []
    return visit.render(
        "alert.html",
        alert=alert,
        rule=rule,
        incident=incident,
        held=held,
        hidden=hidden,
        warning=listed_value_of(alert),
        events=[shown(event, alert.matched_fields) for event in sorted(events, key=lambda event: event.at, reverse=True)],
        habits=habits.of_subject(services.events, scope(principal), alert, suspect_from) if principal.may(Permission.SEARCH) else None,
        risks=services.incidents.risks_of(principal, alert.entities),
        related=services.incidents.related_alerts(principal, alert.id),
        history=services.incidents.history(principal, "alert", alert.id),
        people=people,
        names={person.subject: person.name for person in people},
        verdicts=list(Verdict),
    )


@dataclass(frozen=True, slots=True)
class ListedValue:
    """What a feed said of the value that an alert is about; empty and None where it does not say. The instants are the indicator's."""

    indicator: str
    feed: str
    licence: str
    sets: str
    confidence: str
    tlp: str
    valid_from: datetime | None
    valid_until: datetime | None


def listed_value_of(alert: Alert) -> ListedValue | None:
    """The indicator that an alert rests on, where it is one of a listed value."""
    said = {name: "" if value == _UNSAID else value for name, value in alert.values}
    if "feed" not in said or "indicator" not in said:
        return None
    return ListedValue(
        indicator=said["indicator"],
        feed=said["feed"],
        licence=said.get("licence", ""),
        sets=said.get("set", ""),
        confidence=said.get("confidence", ""),
        tlp=said.get("tlp", ""),
        valid_from=_instant(said.get("valid_from")),
        valid_until=_instant(said.get("valid_until")),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _incident(visit: Visit, alert: Alert) -> Incident | None:
    if alert.incident_id is None:
        return None
    try:
        return visit.services.incidents.incident(visit.principal, alert.incident_id)
    except NotFound:
        return None
