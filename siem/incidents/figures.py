"""Figures of a period, as queries over what was kept: no counter of its own that could disagree with the history."""

from collections.abc import Iterable
from datetime import datetime
from statistics import median

from sqlalchemy import Connection, func, select

from siem.access import Permission, Principal
from siem.incidents.filters import Figures
from siem.incidents.model import IncidentState
from siem.incidents.queries import require, seen_by
from siem.incidents.store import alerts, changes, incidents


def figures(conn: Connection, principal: Principal, since: datetime, until: datetime) -> Figures:
    """Delays of the incidents created in [since, until), and verdicts of the alerts created in it."""
    require(principal, Permission.READ_INCIDENTS)
    created = incidents.c.created_at >= since, incidents.c.created_at < until, incidents.c.merged_into.is_(None)
    rows = list(conn.execute(select(incidents).where(seen_by(principal, incidents), *created)).mappings())
    contained = _contained(conn, [row["id"] for row in rows])
    raised = seen_by(principal, alerts), alerts.c.created_at >= since, alerts.c.created_at < until, alerts.c.merged_into.is_(None)
    verdicts = select(alerts.c.verdict, func.count()).where(*raised, alerts.c.verdict.is_not(None)).group_by(alerts.c.verdict)
    return Figures(
        incident_count=len(rows),
        alert_count=conn.scalar(select(func.count()).select_from(alerts).where(*raised)) or 0,
        detect_seconds=_median((row["first_at"], row["detected_at"]) for row in rows),
        acknowledge_seconds=_median((row["created_at"], row["aware_at"]) for row in rows),
        contain_seconds=_median((row["created_at"], contained.get(row["id"])) for row in rows),
        close_seconds=_median((row["created_at"], row["closed_at"]) for row in rows),
        verdicts={str(row[0]): int(row[1]) for row in conn.execute(verdicts)},
    )


def _contained(conn: Connection, incident_ids: list[str]) -> dict[str, datetime]:
    """When each incident first went from containment to eradication."""
    query = (
        select(changes.c.object_id, changes.c.at)
        .where(
            changes.c.object_type == "incident",
            changes.c.object_id.in_(incident_ids),
            changes.c.field == "state",
            changes.c.old == IncidentState.CONTAINMENT.value,
            changes.c.new == IncidentState.ERADICATION.value,
        )
        .order_by(changes.c.id.desc())
    )
    return {row.object_id: row.at for row in conn.execute(query)}


def _median(spans: Iterable[tuple[datetime, datetime | None]]) -> float | None:
    seconds = [(end - start).total_seconds() for start, end in spans if end is not None]
    return median(seconds) if seconds else None
