"""Tables of alerts, incidents, their history and the watch list, and rows turned into the model's records."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Insert,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    false,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from siem.detection.credit import Credit
from siem.incidents.model import Alert, AlertState, Change, Incident, IncidentState, Severity, TimelineEntry, Verdict
from siem.store.database import Instant, metadata

#: Event ids handed out with one alert; ``Alert.count`` tells how many there are.
EVENT_IDS_SHOWN: Final = 1000

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("group_key", String(64), nullable=False),
    Column("rule_id", String(64), nullable=False),
    Column("rule_title", Text, nullable=False),
    Column("rule_author", Text, nullable=False),
    Column("rule_licence", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("techniques", Text, nullable=False),
    Column("subject_field", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("summary_template", Text, nullable=False),
    Column("summary_values", Text, nullable=False),
    Column("summary_at", Instant, nullable=False),
    Column("peak_count", Integer, nullable=False),
    Column("repeat_seconds", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("verdict", String(32)),
    Column("close_reason", Text, nullable=False),
    Column("assignee", String(128)),
    Column("incident_id", String(32)),
    Column("finess", String(16)),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("count", Integer, nullable=False),
    Column("matched_fields", Text, nullable=False),
    Column("group_values", Text, nullable=False),
    Column("merged_into", String(32)),
    Column("watched", Boolean, nullable=False),
    Column("limit_key", String(64)),
    Column("suppressed_count", Integer, nullable=False, server_default="0"),
    Column("found_in_history", Boolean, nullable=False, server_default=false()),
    Index("ix_alerts_group_key", "group_key"),
    Index("ix_alerts_queue", "tenant", "state", "severity_rank", "last_at"),
    Index("ix_alerts_incident", "incident_id"),
    Index("ix_alerts_limit_key", "limit_key"),
    Index("ix_alerts_closed", "closed_at"),
)

#: How many alerts of a group have been removed after their time: ids are numbered on from there.
removed_alerts = Table(
    "removed_alerts",
    metadata,
    Column("group_key", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("alert_id", String(32), primary_key=True),
    Column("event_id", String(80), primary_key=True),
    Column("at", Instant),
    Column("action", String(64)),
    Column("user_id", String(128)),
    Column("source_ip", String(64)),
    Column("place", String(128)),
    Column("service", String(128)),
    Column("finess", String(16)),
    Column("quantity", Integer),
    Column("suppressed", Boolean, nullable=False, server_default=false()),
    Index("ix_alert_events_event", "event_id"),
)

alert_entities = Table(
    "alert_entities",
    metadata,
    Column("alert_id", String(32), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("value", String(256), primary_key=True),
    Index("ix_alert_entities_value", "kind", "value"),
)

entity_risks = Table(
    "entity_risks",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("value", String(256), primary_key=True),
    Column("score", Float, nullable=False),
    Column("at", Instant, nullable=False),
    Column("rank", Float, nullable=False),
    Column("alert_count", Integer, nullable=False),
    Column("half_life_seconds", Integer, nullable=False),
    Index("ix_entity_risks_rank", "tenant", "rank"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", String(24), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("severity_overruled", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("assignee", String(128)),
    Column("finess", String(16)),
    Column("techniques", Text, nullable=False),
    Column("entities", Text, nullable=False),
    Column("qualification", Text, nullable=False),
    Column("risk", Integer, nullable=False),
    Column("alert_count", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("detected_at", Instant, nullable=False),
    Column("aware_at", Instant),
    Column("closed_at", Instant),
    Column("merged_into", String(32)),
    Column("rules", Text, nullable=False, server_default="[]"),
    UniqueConstraint("tenant", "number", name="uq_incidents_number"),
    Index("ix_incidents_queue", "tenant", "state", "severity_rank", "last_at"),
    Index("ix_incidents_merged", "merged_into"),
)

incident_entries = Table(
    "incident_entries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident_id", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("actor", String(256), nullable=False),
    Column("text", Text, nullable=False),
    Column("reference", String(128)),
    Index("ix_incident_entries_incident", "incident_id", "at"),
)

changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("object_type", String(32), nullable=False),
    Column("object_id", String(128), nullable=False),
    Column("field", String(64), nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("actor", String(256), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_changes_object", "object_type", "object_id"),
)

#: Names of people by subject, as last seen: a history outlives the grant of whoever wrote it.
actors = Table(
    "actors",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("name", String(256), nullable=False),
)

watch_list = Table(
    "watch_list",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("user_id", String(128), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("incident_id", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", String(128), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    UniqueConstraint("reference", "user_id", name="uq_watch_list_reference"),
    Index("ix_watch_list_user", "tenant", "user_id"),
)


def dump(value: object) -> str:
    """JSON text of a small value, always the same for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


_ENTITIES: Final = (
    select(alert_entities)
    .where(alert_entities.c.alert_id.in_(bindparam("ids", expanding=True)))
    .order_by(alert_entities.c.kind, alert_entities.c.value)
)


def entities_of(conn: Connection, alert_ids: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Entities by alert and kind, values sorted."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in conn.execute(_ENTITIES, {"ids": list(alert_ids)}) if alert_ids else ():
        found.setdefault(row.alert_id, {}).setdefault(row.kind, []).append(row.value)
    return {alert_id: {kind: tuple(values) for kind, values in kinds.items()} for alert_id, kinds in found.items()}


def event_ids_of(conn: Connection, alert_id: str, limit: int = EVENT_IDS_SHOWN) -> tuple[str, ...]:
    """Contributing events of one alert, in event time."""
    query = (
        select(alert_events.c.event_id)
        .where(alert_events.c.alert_id == alert_id)
        .order_by(alert_events.c.at, alert_events.c.event_id)
        .limit(limit)
    )
    return tuple(conn.scalars(query))


def to_alert(row: RowMapping, entities: Mapping[str, tuple[str, ...]], event_ids: tuple[str, ...] = ()) -> Alert:
    """A row of ``alerts`` as the record."""
    return Alert(
        id=row["id"],
        tenant=row["tenant"],
        rule_id=row["rule_id"],
        rule_title=row["rule_title"],
        rule_author=row["rule_author"],
        rule_licence=row["rule_licence"],
        title=row["title"],
        severity=Severity(row["severity"]),
        techniques=tuple(json.loads(row["techniques"])),
        subject_field=row["subject_field"],
        subject=row["subject"],
        summary=row["summary"],
        state=AlertState(row["state"]),
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        close_reason=row["close_reason"],
        assignee=row["assignee"],
        incident_id=row["incident_id"],
        finess=row["finess"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        created_at=row["created_at"],
        closed_at=row["closed_at"],
        count=row["count"],
        event_ids=event_ids,
        matched_fields=tuple(json.loads(row["matched_fields"])),
        entities=entities,
        group=tuple((name, value) for name, value in json.loads(row["group_values"])),
        merged_into=row["merged_into"],
        watched=bool(row["watched"]),
        found_in_history=bool(row["found_in_history"]),
        values=_values(row),
        suppressed_count=row["suppressed_count"],
    )


def _values(row: RowMapping) -> tuple[tuple[str, str], ...]:
    """What the last detection said, with the highest count of all."""
    values: dict[str, str] = dict(json.loads(row["summary_values"]))
    values["count"] = str(row["peak_count"] or row["count"])
    return tuple(values.items())


def to_incident(row: RowMapping) -> Incident:
    """A row of ``incidents`` as the record."""
    return Incident(
        id=row["id"],
        number=row["number"],
        tenant=row["tenant"],
        title=row["title"],
        severity=Severity(row["severity"]),
        state=IncidentState(row["state"]),
        assignee=row["assignee"],
        finess=row["finess"],
        techniques=tuple(json.loads(row["techniques"])),
        entities={kind: tuple(values) for kind, values in json.loads(row["entities"]).items()},
        qualification=json.loads(row["qualification"]),
        first_at=row["first_at"],
        last_at=row["last_at"],
        created_at=row["created_at"],
        detected_at=row["detected_at"],
        aware_at=row["aware_at"],
        closed_at=row["closed_at"],
        risk=row["risk"],
        alert_count=row["alert_count"],
        merged_into=row["merged_into"],
        rules=tuple(Credit(*each) for each in json.loads(row["rules"])),
    )


def to_entry(row: RowMapping) -> TimelineEntry:
    """A row of ``incident_entries`` as the record."""
    return TimelineEntry(
        id=f"e{row['id']}",
        incident_id=row["incident_id"],
        at=row["at"],
        kind=row["kind"],
        actor=row["actor"],
        text=row["text"],
        reference=row["reference"],
    )


def to_change(row: RowMapping) -> Change:
    """A row of ``changes`` as the record."""
    values = dict(row)
    return Change(**{**values, "id": str(values["id"])})


_ADD_CHANGE: Final = insert(changes)


def write_change(
    conn: Connection, on: tuple[str, str], field: str, values: tuple[str | None, str | None], actor: str, at: datetime, reason: str = ""
) -> None:
    """Keep who changed what: ``on`` is (object type, id), ``values`` (old, new)."""
    said = {"object_type": on[0], "object_id": on[1], "field": field, "old": values[0], "new": values[1]}
    conn.execute(_ADD_CHANGE, {**said, "actor": actor, "at": at, "reason": reason})


def remember_name(conn: Connection, tenant: str, subject: str, name: str) -> None:
    """Keep how a person is called, for histories and timelines."""
    known = conn.scalar(select(actors.c.name).where(actors.c.tenant == tenant, actors.c.subject == subject))
    if known is None:
        insert_missing(conn, actors, [{"tenant": tenant, "subject": subject, "name": name}])
    elif known != name:
        conn.execute(update(actors).where(actors.c.tenant == tenant, actors.c.subject == subject).values(name=name))


def names_of(conn: Connection, tenant: str) -> dict[str, str]:
    """Names by subject of everybody who ever acted in the tenant."""
    return {row.subject: row.name for row in conn.execute(select(actors).where(actors.c.tenant == tenant))}


def insert_missing(conn: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows whose primary key is not there yet."""
    listed = list(rows)
    if listed:
        conn.execute(_insert_missing(table, conn.dialect.name), listed)


@lru_cache
def _insert_missing(table: Table, dialect: str) -> Insert:
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return made.on_conflict_do_nothing()
