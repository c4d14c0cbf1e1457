"""Reading alerts and incidents: every query starts from what the person sees (:func:`siem.access.visible`)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, exists, false, func, or_, select

from siem.access import Permission, Principal, visible
from siem.incidents.correlation import final_incident
from siem.incidents.filters import OPEN_INCIDENTS, AlertFilter, Counters, IncidentFilter, Page
from siem.incidents.grouping import LINKING
from siem.incidents.model import Alert, AlertState, Change, Forbidden, Incident, NotFound
from siem.incidents.store import alert_entities, alerts, changes, entities_of, event_ids_of, incidents, to_alert, to_change, to_incident

_RELATED_SHOWN: Final = 20
#: A text longer than this stands in no column; SQLite refuses patterns of 50,000 bytes.
_LONGEST_TEXT: Final = 1000


def require(principal: Principal, permission: Permission) -> None:
    """Raise Forbidden unless one of the person's roles grants it."""
    if not principal.may(permission):
        raise Forbidden(permission)


def seen_by(principal: Principal, table: Table) -> ColumnElement[bool]:
    """The one scoping clause, for ``alerts`` or ``incidents``."""
    return visible(principal, table.c.finess, table.c.tenant)


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _contains(text: str, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    if len(text) > _LONGEST_TEXT:
        return false()
    return or_(*(column.ilike(_like(text), escape="\\") for column in columns))


def _order(table: Table, order: str) -> list[ColumnElement[Any]]:
    if order == "latest":
        return [table.c.last_at.desc(), table.c.id]
    if order == "oldest":
        return [table.c.last_at, table.c.id]
    return [table.c.severity_rank.desc(), table.c.last_at.desc(), table.c.id]


def _narrow(query: Select[Any], table: Table, wanted: AlertFilter | IncidentFilter) -> Select[Any]:
    if wanted.states:
        query = query.where(table.c.state.in_([state.value for state in wanted.states]))
    if wanted.severities:
        query = query.where(table.c.severity.in_([severity.value for severity in wanted.severities]))
    if wanted.assignee is not None:
        query = query.where(table.c.assignee == wanted.assignee if wanted.assignee else table.c.assignee.is_(None))
    if wanted.since is not None:
        query = query.where(table.c.last_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(table.c.last_at <= wanted.until)
    return query


def _page(conn: Connection, query: Select[Any], table: Table, wanted: AlertFilter | IncidentFilter) -> tuple[list[RowMapping], int]:
    total = conn.scalar(select(func.count()).select_from(query.subquery())) or 0
    ordered = query.order_by(*_order(table, wanted.order)).limit(max(1, min(wanted.limit, 1000))).offset(max(0, wanted.offset))
    return list(conn.execute(ordered).mappings()), total


def list_alerts(conn: Connection, principal: Principal, wanted: AlertFilter) -> Page[Alert]:
    """A page of alerts; merged ones only if their state is asked for by name."""
    require(principal, Permission.READ_ALERTS)
    query = _narrow(select(alerts).where(seen_by(principal, alerts)), alerts, wanted)
    if AlertState.MERGED not in wanted.states:
        query = query.where(alerts.c.merged_into.is_(None))
    for column, value in (
        (alerts.c.rule_id, wanted.rule_id),
        (alerts.c.incident_id, wanted.incident_id),
        (alerts.c.subject, wanted.subject),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.text:
        in_entities = exists().where(alert_entities.c.alert_id == alerts.c.id, _contains(wanted.text, alert_entities.c.value))
        plain = _contains(wanted.text, alerts.c.id, alerts.c.title, alerts.c.rule_title, alerts.c.subject, alerts.c.summary)
        query = query.where(or_(plain, in_entities))
    rows, total = _page(conn, query, alerts, wanted)
    entities = entities_of(conn, [row["id"] for row in rows])
    return Page(tuple(to_alert(row, entities.get(row["id"], {})) for row in rows), total)


def list_incidents(conn: Connection, principal: Principal, wanted: IncidentFilter) -> Page[Incident]:
    """A page of incidents."""
    require(principal, Permission.READ_INCIDENTS)
    query = _narrow(select(incidents).where(seen_by(principal, incidents)), incidents, wanted)
    if not wanted.merged:
        query = query.where(incidents.c.merged_into.is_(None))
    if wanted.text:
        query = query.where(_contains(wanted.text, incidents.c.number, incidents.c.title, incidents.c.entities, incidents.c.techniques))
    rows, total = _page(conn, query, incidents, wanted)
    return Page(tuple(to_incident(row) for row in rows), total)


def alert_row(conn: Connection, principal: Principal, alert_id: str) -> RowMapping:
    """The row of an alert this person sees; of a merged one, that of what it became. Raises NotFound."""
    row = conn.execute(select(alerts).where(alerts.c.id == alert_id, seen_by(principal, alerts))).mappings().first()
    if row is not None and row["merged_into"]:
        return alert_row(conn, principal, row["merged_into"])
    if row is None:
        raise NotFound("alert", alert_id)
    return row


def incident_row(conn: Connection, principal: Principal, incident_id: str) -> RowMapping:
    """The row of an incident this person sees, by id or number; of a merged one, that of what it became. Raises NotFound."""
    row = final_incident(conn, incident_id, principal.tenant)
    if row is None or not principal.sees(row["finess"], row["tenant"]):
        raise NotFound("incident", incident_id)
    return row


def one_alert(conn: Connection, principal: Principal, alert_id: str) -> Alert:
    """An alert with its events."""
    require(principal, Permission.READ_ALERTS)
    row = alert_row(conn, principal, alert_id)
    return to_alert(row, entities_of(conn, [row["id"]]).get(row["id"], {}), event_ids_of(conn, row["id"]))


def one_incident(conn: Connection, principal: Principal, incident_id: str) -> Incident:
    """An incident."""
    require(principal, Permission.READ_INCIDENTS)
    return to_incident(incident_row(conn, principal, incident_id))


def alerts_of_incident(conn: Connection, principal: Principal, incident_id: str) -> tuple[Alert, ...]:
    """Alerts of an incident, in event time, each with its events."""
    require(principal, Permission.READ_INCIDENTS)
    incident = incident_row(conn, principal, incident_id)
    query = (
        select(alerts)
        .where(alerts.c.incident_id == incident["id"], alerts.c.merged_into.is_(None), seen_by(principal, alerts))
        .order_by(alerts.c.first_at, alerts.c.id)
    )
    rows = list(conn.execute(query).mappings())
    entities = entities_of(conn, [row["id"] for row in rows])
    return tuple(to_alert(row, entities.get(row["id"], {}), event_ids_of(conn, row["id"])) for row in rows)


def related(conn: Connection, principal: Principal, alert_id: str, window: timedelta) -> tuple[Alert, ...]:
    """Alerts that share a linking entity within the window."""
    alert = one_alert(conn, principal, alert_id)
    pairs = [(kind, value) for kind in LINKING for value in alert.entities.get(kind, ())]
    if not pairs:
        return ()
    sharing = select(alert_entities.c.alert_id).where(
        or_(*((alert_entities.c.kind == kind) & (alert_entities.c.value == value) for kind, value in pairs[:200]))
    )
    query = (
        select(alerts)
        .where(
            alerts.c.id.in_(sharing),
            alerts.c.id != alert.id,
            alerts.c.merged_into.is_(None),
            alerts.c.last_at >= alert.first_at - window,
            alerts.c.first_at <= alert.last_at + window,
            seen_by(principal, alerts),
        )
        .order_by(alerts.c.last_at.desc(), alerts.c.id)
        .limit(_RELATED_SHOWN)
    )
    rows = list(conn.execute(query).mappings())
    entities = entities_of(conn, [row["id"] for row in rows])
    return tuple(to_alert(row, entities.get(row["id"], {})) for row in rows)


def changes_of(conn: Connection, object_type: str, object_ids: Sequence[str]) -> tuple[Change, ...]:
    """History of one object under all its ids, oldest first."""
    query = select(changes).where(changes.c.object_type == object_type, changes.c.object_id.in_(object_ids)).order_by(changes.c.id)
    return tuple(to_change(row) for row in conn.execute(query).mappings())


def counters(conn: Connection, principal: Principal) -> Counters:
    """Numbers of the live bar; zero for what the person may not read."""
    new_alerts = select(func.count()).select_from(alerts).where(seen_by(principal, alerts), alerts.c.state == AlertState.NEW.value)
    open_states = [state.value for state in OPEN_INCIDENTS]
    open_incidents = select(func.count()).select_from(incidents).where(seen_by(principal, incidents), incidents.c.state.in_(open_states))
    return Counters(
        (conn.scalar(new_alerts) or 0) if principal.may(Permission.READ_ALERTS) else 0,
        (conn.scalar(open_incidents) or 0) if principal.may(Permission.READ_INCIDENTS) else 0,
    )
