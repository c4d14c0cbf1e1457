"""What a person does with alerts, one or many at a time. Each change leaves its Change; what cannot be done says why."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, update

from siem.access import Permission, Principal
from siem.incidents.correlation import Policy, attach, final_incident, merge, open_incident
from siem.incidents.filters import Bulk
from siem.incidents.model import AlertState, Incident, IncidentState, NotFound, Refused, Verdict
from siem.incidents.phrases import ALERT_STATES
from siem.incidents.queries import alert_row, incident_row, require
from siem.incidents.store import alerts, to_incident, write_change

#: Alerts one call may act on; a longer selection is refused rather than cut.
BULK_LIMIT: Final = 1000

#: From which states an alert may be taken to another. A closed alert can be taken up again; a merged one is history.
ALERT_MOVES: Final = {
    AlertState.ACKNOWLEDGED: frozenset({AlertState.NEW}),
    AlertState.IN_ANALYSIS: frozenset({AlertState.NEW, AlertState.ACKNOWLEDGED, AlertState.CLOSED}),
    AlertState.CLOSED: frozenset({AlertState.NEW, AlertState.ACKNOWLEDGED, AlertState.IN_ANALYSIS, AlertState.ESCALATED}),
    AlertState.ESCALATED: frozenset({AlertState.NEW, AlertState.ACKNOWLEDGED, AlertState.IN_ANALYSIS}),
}


def set_alert(conn: Connection, row: RowMapping, values: dict[str, Any], actor: str, now: datetime, reason: str = "") -> None:
    """Write columns of an alert and a Change for each that is different (``close_reason`` and ``closed_at`` follow the state)."""
    conn.execute(update(alerts).where(alerts.c.id == row["id"]).values(**values))
    for name, new in values.items():
        if name in {"close_reason", "closed_at"} or new == row[name]:
            continue
        write_change(conn, ("alert", row["id"]), name, (row[name], new), actor, now, reason)


def move_alert(conn: Connection, row: RowMapping, state: AlertState, actor: str, now: datetime, *, reason: str = "", **values: Any) -> None:
    """Take an alert to a state if it may go there; raises Refused. Other columns to write with it are given by name."""
    old = AlertState(row["state"])
    if old is not state and old not in ALERT_MOVES[state]:
        raise Refused("etat", f"Une alerte {ALERT_STATES[old]} ne peut pas devenir {ALERT_STATES[state]}.")
    if state is not AlertState.CLOSED:
        values = {"verdict": None, "close_reason": "", "closed_at": None} | values
    set_alert(conn, row, {"state": state.value} | values, actor, now, reason)


def _bulk(conn: Connection, alert_ids: Sequence[str], actor: Principal, act: Callable[[RowMapping], None]) -> Bulk:
    require(actor, Permission.TRIAGE)
    if len(alert_ids) > BULK_LIMIT:
        raise Refused("alerte", f"Au plus {BULK_LIMIT} alertes à la fois ; {len(alert_ids)} sont sélectionnées.")
    done: list[str] = []
    left: list[tuple[str, str]] = []
    for alert_id in dict.fromkeys(alert_ids):
        try:
            act(alert_row(conn, actor, alert_id))
        except NotFound:
            left.append((alert_id, "Alerte introuvable."))
        except Refused as error:
            left.append((alert_id, error.problem))
        else:
            done.append(alert_id)
    return Bulk(tuple(done), tuple(left))


def acknowledge(conn: Connection, alert_ids: Sequence[str], actor: Principal, now: datetime) -> Bulk:
    """Take note of alerts."""

    def act(row: RowMapping) -> None:
        if row["state"] == AlertState.ACKNOWLEDGED:
            return
        move_alert(conn, row, AlertState.ACKNOWLEDGED, actor.subject, now, assignee=row["assignee"] or actor.subject)

    return _bulk(conn, alert_ids, actor, act)


def assign(conn: Connection, alert_ids: Sequence[str], assignee: str | None, actor: Principal, now: datetime) -> Bulk:
    """Give alerts to a person or to nobody."""
    person = assignee or None

    def act(row: RowMapping) -> None:
        if row["state"] in {AlertState.CLOSED, AlertState.MERGED}:
            raise Refused("assigne", "Une alerte classée n’est plus attribuée.")
        if person and row["state"] == AlertState.NEW:
            move_alert(conn, row, AlertState.ACKNOWLEDGED, actor.subject, now, assignee=person)
        else:
            set_alert(conn, row, {"assignee": person}, actor.subject, now)

    return _bulk(conn, alert_ids, actor, act)


def analyse(conn: Connection, alert_ids: Sequence[str], actor: Principal, now: datetime) -> Bulk:
    """Mark alerts as being analysed; a closed one is thereby taken up again."""

    def act(row: RowMapping) -> None:
        move_alert(conn, row, AlertState.IN_ANALYSIS, actor.subject, now, assignee=row["assignee"] or actor.subject)

    return _bulk(conn, alert_ids, actor, act)


def verdict_of(value: Verdict | str) -> Verdict:
    """The verdict by its value; raises Refused for anything else."""
    try:
        return Verdict(value)
    except ValueError:
        raise Refused("verdict", "Choisissez un verdict.") from None


def close(conn: Connection, alert_ids: Sequence[str], verdict: Verdict | str, reason: str, actor: Principal, now: datetime) -> Bulk:
    """Close alerts with a verdict and a reason."""
    final = verdict_of(verdict)
    said = reason.strip()
    if not said:
        raise Refused("motif", "Le motif du classement est obligatoire.")

    def act(row: RowMapping) -> None:
        if row["state"] == AlertState.CLOSED:
            raise Refused("etat", "Cette alerte est déjà classée.")
        close_alert(conn, row, final, said, actor.subject, now)

    return _bulk(conn, alert_ids, actor, act)


def close_alert(conn: Connection, row: RowMapping, verdict: Verdict, reason: str, actor: str, now: datetime) -> None:
    """Close one alert."""
    move_alert(conn, row, AlertState.CLOSED, actor, now, reason=reason, verdict=verdict.value, close_reason=reason, closed_at=now)


def escalate(
    conn: Connection, alert_ids: Sequence[str], actor: Principal, reason: str, incident_id: str | None, policy: Policy, now: datetime
) -> Incident:
    """Make one incident of the alerts, with those of the incidents they are already in."""
    require(actor, Permission.TRIAGE)
    rows = [alert_row(conn, actor, alert_id) for alert_id in dict.fromkeys(alert_ids)]
    if not rows:
        raise Refused("alerte", "Sélectionnez au moins une alerte.")
    joined = {row["incident_id"] for row in rows if row["incident_id"]}
    if incident_id:
        joined.add(incident_row(conn, actor, incident_id)["id"])
    for each in sorted(joined):
        final = final_incident(conn, each)
        if final is None or final["state"] == IncidentState.CLOSED:
            raise Refused("incident", "Un incident clos doit être rouvert avant de recevoir une alerte.")
    for row in rows:
        if row["state"] != AlertState.ESCALATED:
            move_alert(conn, row, AlertState.ESCALATED, actor.subject, now, reason=reason, assignee=row["assignee"] or actor.subject)
    ids = sorted(row["id"] for row in rows)
    target = merge(conn, sorted(joined), policy, now, actor.subject) if joined else open_incident(conn, ids, policy, now, actor.subject)
    attach(conn, target, ids, policy, now, actor.subject)
    final = final_incident(conn, target)
    if final is None:
        raise NotFound("incident", target)
    return to_incident(final)
