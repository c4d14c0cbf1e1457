"""When each set of indicators last matched, in each tenant: noted with the alerts that come of it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Column, Connection, String, Table, insert, select, update

from siem.detection import Detection
from siem.store.database import Instant, metadata

set_matches = Table(
    "indicator_set_matches",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("set_name", String(64), primary_key=True),
    Column("last_at", Instant, nullable=False),
)


def note(connection: Connection, detections: Iterable[Detection]) -> None:
    """Remember the latest event, in its own time, of each set that detections name."""
    latest: dict[tuple[str, str], datetime] = {}
    for one in detections:
        said = dict(one.values)
        for name in said["set"].split(", ") if "set" in said and "indicator" in said else ():
            latest[one.tenant, name] = max(latest.get((one.tenant, name), one.last_at), one.last_at)
    for (tenant, name), at in latest.items():
        here = set_matches.c.tenant == tenant, set_matches.c.set_name == name
        known = connection.scalar(select(set_matches.c.last_at).where(*here))
        if known is None:
            connection.execute(insert(set_matches).values(tenant=tenant, set_name=name, last_at=at))
        elif known < at:
            connection.execute(update(set_matches).where(*here).values(last_at=at))


def read(connection: Connection, tenant: str) -> dict[str, datetime]:
    """The instants of a tenant, by set."""
    return {row.set_name: row.last_at for row in connection.execute(select(set_matches).where(set_matches.c.tenant == tenant))}
