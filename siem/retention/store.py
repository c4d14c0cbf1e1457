"""Tables of retention: what is held, what was removed and when, which instant was last believed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Connection, Index, Integer, String, Table, Text, func, insert, or_, select, update

from siem.declarations.model import FINAL
from siem.declarations.store import dossiers
from siem.incidents.model import AlertState, IncidentState
from siem.incidents.store import alert_events, alerts, incidents
from siem.store.database import Instant, metadata

holds = Table(
    "retention_holds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("incident_id", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", String(128), nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("released_at", Instant),
    Index("ix_retention_holds_incident", "incident_id"),
)
sweeps = Table(
    "retention_sweeps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("before_at", Instant, nullable=False),
    Column("removed_count", Integer, nullable=False),
    Column("held_count", Integer, nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
clock = Table(
    "retention_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("believed_at", Instant, nullable=False),
    Column("doubted_at", Instant),
)


class Purpose(StrEnum):
    """What is kept, and what for: each has a duration of its own."""

    SECURITY = "security"  # events that name no patient: to see attacks and look into them
    ACCESS = "access"  # events that name a patient: who opened whose record, imputability
    RAW = "raw"  # records as received: to read them again, and as evidence
    ALERTS = "alerts"  # alerts that people closed, and that are part of no incident


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was removed in one go. ``before_at``: what happened before, or for raw records was received before. Without ``ended_at`` it
    goes on, or was cut off; it may then have removed one batch more than ``removed_count`` says. ``held_count`` events stayed.
    """

    id: int
    purpose: Purpose
    before_at: datetime
    removed_count: int
    held_count: int
    begun_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Events of an incident that stay whatever their age, until it is released."""

    id: int
    tenant: str
    incident_id: str
    reason: str
    placed_by: str
    placed_at: datetime
    released_at: datetime | None


def held_events(connection: Connection, before: datetime) -> dict[str, set[str]]:
    """By tenant, the ids of events before that instant that stay.

    Those of alerts nobody has judged, of incidents that are open, held, or have a dossier that is not finished.
    """
    held = select(holds.c.incident_id).where(holds.c.released_at.is_(None))
    declared = select(dossiers.c.incident_id).where(dossiers.c.state.not_in(sorted(FINAL)))
    unfinished = (
        alerts.c.state.not_in((AlertState.CLOSED.value, AlertState.MERGED.value, AlertState.ESCALATED.value)),
        incidents.c.state != IncidentState.CLOSED.value,
        alerts.c.incident_id.in_(held),
        alerts.c.incident_id.in_(declared),
    )
    query = (
        select(alerts.c.tenant, alert_events.c.event_id)
        .join(alerts, alerts.c.id == alert_events.c.alert_id)
        .outerjoin(incidents, incidents.c.id == alerts.c.incident_id)
        .where(alerts.c.first_at < before, or_(alert_events.c.at < before, alert_events.c.at.is_(None)), or_(*unfinished))
    )
    found: dict[str, set[str]] = {}
    for tenant, event_id in connection.execute(query):
        found.setdefault(tenant, set()).add(event_id)
    return found


def place_hold(connection: Connection, tenant: str, incident_id: str, reason: str, by: str, at: datetime) -> None:
    """Hold the events of an incident."""
    values = {"tenant": tenant, "incident_id": incident_id, "reason": reason, "placed_by": by, "placed_at": at}
    connection.execute(insert(holds).values(**values))


def release_holds(connection: Connection, incident_id: str, at: datetime) -> int:
    """End every hold on an incident; how many there were."""
    return connection.execute(
        update(holds).where(holds.c.incident_id == incident_id, holds.c.released_at.is_(None)).values(released_at=at)
    ).rowcount


def current_holds(connection: Connection) -> list[Hold]:
    """Holds that are not released, oldest first."""
    rows: Iterable[object] = connection.execute(select(holds).where(holds.c.released_at.is_(None)).order_by(holds.c.id)).mappings()
    return [Hold(**row) for row in rows]  # type: ignore[arg-type]  # a mapping by the names of the columns


def begin_sweep(connection: Connection, purpose: Purpose, before: datetime, held_count: int, at: datetime) -> int:
    """Keep that a sweep begins; its id."""
    values = {"purpose": purpose.value, "before_at": before, "removed_count": 0, "held_count": held_count, "begun_at": at}
    return int(connection.execute(insert(sweeps).values(**values).returning(sweeps.c.id)).scalar_one())


def add_removed(connection: Connection, sweep_id: int, count: int) -> None:
    """A batch more is gone."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep_id).values(removed_count=sweeps.c.removed_count + count))


def end_sweep(connection: Connection, sweep_id: int, at: datetime) -> None:
    """Everything that had to go is gone."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep_id).values(ended_at=at))


def recent_sweeps(connection: Connection, limit: int) -> list[Sweep]:
    """Newest first."""
    rows = connection.execute(select(sweeps).order_by(sweeps.c.id.desc()).limit(limit)).mappings()
    return [Sweep(**{**row, "purpose": Purpose(row["purpose"])}) for row in rows]


def removed_counts(connection: Connection) -> dict[str, int]:
    """How much was removed ever, by purpose."""
    query = select(sweeps.c.purpose, func.sum(sweeps.c.removed_count)).group_by(sweeps.c.purpose)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def read_clock(connection: Connection) -> tuple[datetime, datetime | None] | None:
    """The instant last believed, and since when the clock is in doubt; None before the first."""
    row = connection.execute(select(clock)).mappings().first()
    return None if row is None else (row["believed_at"], row["doubted_at"])


def write_clock(connection: Connection, believed: datetime, doubted_at: datetime | None) -> None:
    """Replace both."""
    values = {"believed_at": believed, "doubted_at": doubted_at}
    if connection.execute(update(clock).values(**values)).rowcount == 0:
        connection.execute(insert(clock).values(id=1, **values))
