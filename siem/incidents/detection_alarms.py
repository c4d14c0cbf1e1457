"""Alarms about the detection itself, kept until somebody takes note: what went wrong with which rule, how often, on which events.

Raised in the transaction of the batch in which it happened. The same again adds to the alarm that stands; once it is acknowledged, a new
one begins.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, Connection, Index, Integer, Row, Select, String, Table, Text, insert, or_, select, update

from siem.access import Permission, Principal
from siem.detection.alarms import Kind, Raised
from siem.incidents.model import NotFound
from siem.incidents.queries import require
from siem.incidents.store import remember_name, write_change
from siem.store.database import Instant, metadata

detection_alarms = Table(
    "detection_alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("rule_id", String(64), nullable=False),
    Column("problem", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("event_ids", Text, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(64)),
    Index("ix_detection_alarms_standing", "acknowledged_at", "tenant"),
)
#: Events named by one alarm: the first ones; the others are only counted.
MOST_EVENTS: Final = 50
_MOST_SETTLED: Final = 50


@dataclass(frozen=True, slots=True)
class DetectionAlarm:
    """One alarm. An empty ``tenant`` concerns everybody. ``count`` as in :class:`siem.detection.alarms.Raised`; ``first_at`` and
    ``last_at`` are when the watch noticed. ``event_ids`` are the first of its events, where it names any.
    """

    id: int
    kind: Kind
    tenant: str
    rule_id: str
    problem: str
    count: int
    event_ids: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


def note(connection: Connection, raised: Iterable[Raised], at: datetime) -> None:
    """Add what was raised to the alarms that stand."""
    for one in raised:
        table = detection_alarms.c
        known = connection.execute(
            select(detection_alarms).where(
                table.kind == one.kind, table.tenant == one.tenant, table.rule_id == one.rule_id, table.acknowledged_at.is_(None)
            )
        ).first()
        if known is None:
            values = {"kind": one.kind.value, "tenant": one.tenant, "rule_id": one.rule_id, "problem": one.problem, "count": one.count}
            ids = json.dumps(list(one.event_ids[:MOST_EVENTS]))
            connection.execute(insert(detection_alarms).values(values | {"event_ids": ids, "first_at": at, "last_at": at}))
            continue
        alarm = _of(known)
        ids = json.dumps(list(dict.fromkeys((*alarm.event_ids, *one.event_ids)))[:MOST_EVENTS])
        changed = {"count": alarm.count + one.count, "event_ids": ids, "last_at": at, "problem": one.problem or alarm.problem}
        connection.execute(update(detection_alarms).where(table.id == alarm.id).values(changed))


def standing(connection: Connection, principal: Principal) -> list[DetectionAlarm]:
    """Alarms that nobody has taken note of, the latest first. Raises Forbidden."""
    query = _seen_by(principal).where(detection_alarms.c.acknowledged_at.is_(None))
    return [_of(row) for row in connection.execute(query.order_by(detection_alarms.c.last_at.desc(), detection_alarms.c.id))]


def settled(connection: Connection, principal: Principal) -> list[DetectionAlarm]:
    """The last alarms that were taken note of, the latest first. Raises Forbidden."""
    query = _seen_by(principal).where(detection_alarms.c.acknowledged_at.is_not(None))
    rows = connection.execute(query.order_by(detection_alarms.c.acknowledged_at.desc()).limit(_MOST_SETTLED))
    return [_of(row) for row in rows]


def acknowledge(connection: Connection, alarm_id: str, done: str, actor: Principal, at: datetime) -> DetectionAlarm:
    """Take note of an alarm; ``done`` says in the history what was decided. Raises Forbidden, and NotFound where none such stands."""
    require(actor, Permission.TUNE_RULES)
    # A number that SQLite can hold: anything else names no alarm.
    number = int(alarm_id) if alarm_id.isascii() and alarm_id.isdecimal() and len(alarm_id) < len(str(2**63)) else 0
    row = connection.execute(_seen_by(actor).where(detection_alarms.c.id == number, detection_alarms.c.acknowledged_at.is_(None))).first()
    if row is None:
        raise NotFound("alarm", alarm_id)
    alarm = _of(row)
    remember_name(connection, actor.tenant, actor.subject, actor.name)
    changed = {"acknowledged_at": at, "acknowledged_by": actor.subject}
    connection.execute(update(detection_alarms).where(detection_alarms.c.id == alarm.id).values(changed))
    write_change(connection, ("rule", alarm.rule_id), "alarm", (alarm.kind.value, done), actor.subject, at)
    return alarm


def _seen_by(principal: Principal) -> Select[tuple[object, ...]]:
    require(principal, Permission.READ_RULES)
    return select(detection_alarms).where(or_(detection_alarms.c.tenant == "", detection_alarms.c.tenant == principal.tenant))


def _of(row: Row[tuple[object, ...]]) -> DetectionAlarm:
    values = dict(row._mapping)
    return DetectionAlarm(**{**values, "kind": Kind(row.kind), "event_ids": tuple(json.loads(row.event_ids))})
