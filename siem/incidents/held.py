"""What a rule's silence holds back: the events that joined the alert which began it, and about whom they are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, select

from siem.access import Permission, Principal
from siem.incidents.queries import alert_row, require
from siem.incidents.store import alert_events

#: Lines shown of one alert, those with most events first.
MOST_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Held:
    """Events of one person and one address that one silence holds; both may be unknown."""

    user_id: str | None
    source_ip: str | None
    count: int
    first_at: datetime | None
    last_at: datetime | None


def held_by(connection: Connection, principal: Principal, alert_id: str) -> list[Held]:
    """What an alert holds, by person and address. Raises Forbidden, NotFound."""
    require(principal, Permission.READ_ALERTS)
    row, table = alert_row(connection, principal, alert_id), alert_events.c
    count = func.count()
    query = (
        select(table.user_id, table.source_ip, count, func.min(table.at), func.max(table.at))
        .where(table.alert_id == row["id"], table.suppressed)
        .group_by(table.user_id, table.source_ip)
        .order_by(count.desc(), table.user_id, table.source_ip)
        .limit(MOST_SHOWN)
    )
    return [Held(*line) for line in connection.execute(query)]
