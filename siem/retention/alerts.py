"""Closed alerts that have been kept long enough, with everything that hangs on them.

An alert that is part of an incident stays as long as the incident, which is kept: declarations, holds and evidence refer to it. An alert
that nobody has closed stays too. Of one that goes, the number of its group's alerts stays, so that no id is ever given twice.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, select, update

from siem.incidents.model import AlertState
from siem.incidents.store import alert_entities, alert_events, alerts, changes, entity_risks, removed_alerts

_OF_INCIDENT = alerts.c.incident_id.is_not(None)


def due(connection: Connection, before: datetime, most: int) -> list[str]:
    """Ids of alerts that may go, those closed longest ago first: closed before that instant, about nothing that happened since."""
    query = select(alerts.c.id).where(_past(before), ~_OF_INCIDENT).order_by(alerts.c.closed_at, alerts.c.id).limit(most)
    return list(connection.scalars(query))


def held_count(connection: Connection, before: datetime) -> int:
    """How many would go if they were part of no incident."""
    return connection.scalar(select(func.count()).select_from(alerts).where(_past(before), _OF_INCIDENT)) or 0


def _past(before: datetime) -> ColumnElement[bool]:
    return and_(alerts.c.state == AlertState.CLOSED.value, alerts.c.closed_at < before, alerts.c.last_at < before)


def remove(connection: Connection, ids: Sequence[str], before: datetime) -> int:
    """Remove those of these alerts that may still go, and what was merged into them; how many. One transaction is the caller's."""
    still = list(connection.scalars(select(alerts.c.id).where(alerts.c.id.in_(ids), _past(before), ~_OF_INCIDENT)))
    gone = [*still, *connection.scalars(select(alerts.c.id).where(alerts.c.merged_into.in_(still)))]
    _remember(connection, gone)
    entities = connection.execute(
        select(alerts.c.tenant, alert_entities.c.kind, alert_entities.c.value)
        .join(alerts, alerts.c.id == alert_entities.c.alert_id)
        .where(alert_entities.c.alert_id.in_(gone))
        .distinct()
    ).all()
    connection.execute(delete(alert_events).where(alert_events.c.alert_id.in_(gone)))
    connection.execute(delete(alert_entities).where(alert_entities.c.alert_id.in_(gone)))
    connection.execute(delete(changes).where(changes.c.object_type == "alert", changes.c.object_id.in_(gone)))
    connection.execute(delete(alerts).where(alerts.c.id.in_(gone)))
    for tenant, kind, value in entities:
        _forget_risk(connection, tenant, kind, value)
    return len(gone)


def _remember(connection: Connection, ids: Sequence[str]) -> None:
    """Count them under their group, a hash: the next alert of the group is numbered after them."""
    counts = select(alerts.c.group_key, func.count()).where(alerts.c.id.in_(ids)).group_by(alerts.c.group_key)
    for key, count in connection.execute(counts).all():
        known = update(removed_alerts).where(removed_alerts.c.group_key == key).values(count=removed_alerts.c.count + count)
        if connection.execute(known).rowcount == 0:
            connection.execute(insert(removed_alerts).values(group_key=key, count=count))


def _forget_risk(connection: Connection, tenant: str, kind: str, value: str) -> None:
    """A risk that rests on no alert any more goes with the last of them."""
    here = alert_entities.c.kind == kind, alert_entities.c.value == value
    resting = exists(
        select(alerts.c.id).join(alert_entities, alert_entities.c.alert_id == alerts.c.id).where(alerts.c.tenant == tenant, *here)
    )
    row = entity_risks.c.tenant == tenant, entity_risks.c.kind == kind, entity_risks.c.value == value
    connection.execute(delete(entity_risks).where(*row, ~resting))
