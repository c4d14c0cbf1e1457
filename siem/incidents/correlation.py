"""Alerts gathered into incidents, inside the caller's transaction: finding what is linked, opening, joining, merging.

The decisions are in :mod:`.grouping`. An alert that is linked to one of an open incident belongs to that incident, so
only the alerts that changed, and those not yet in any incident that they reach, need to be walked.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, and_, bindparam, exists, func, insert, or_, select, update

from siem.access import WATCH
from siem.event import Event
from siem.incidents.grouping import (
    LINKING,
    Network,
    Node,
    is_shared,
    linked,
    makes_incident,
    node,
    risk_of,
    severity_of,
    title_of,
    total_risk,
)
from siem.incidents.model import ADDRESS, CRITERIA, RANK, USER, IncidentState, Severity, Verdict
from siem.incidents.phrases import CONFIRMATIONS
from siem.incidents.store import alert_entities, alert_events, alerts, dump, entities_of, incident_entries, incidents, write_change

#: A person said that there is nothing in it: such an alert neither links nor weighs.
DISMISSED: Final = (Verdict.FALSE_POSITIVE.value, Verdict.LEGITIMATE.value, Verdict.DUPLICATE.value)


@dataclass(frozen=True, slots=True)
class Policy:
    """What makes an incident; see :class:`siem.incidents.service.Incidents`."""

    threshold: int
    window: timedelta
    networks: tuple[Network, ...]
    half_life: timedelta = timedelta(hours=72)
    entity_threshold: int = 0


@dataclass(slots=True)
class Reached:
    """What a walk from changed alerts found: nodes of the component, open incidents touched, closed incidents it resembles."""

    nodes: dict[str, Node] = field(default_factory=dict)
    incident_ids: set[str] = field(default_factory=set)
    closed_ids: set[str] = field(default_factory=set)


def regroup(conn: Connection, alert_ids: Iterable[str], policy: Policy, now: datetime) -> tuple[list[str], list[str]]:
    """Attach the changed alerts and what they link to. Returns (incidents touched, those among them that are new), in order."""
    touched: list[str] = []
    opened: list[str] = []
    seen: set[str] = set()
    changed = list(alert_ids)
    for alert_id in changed:
        if alert_id in seen:
            continue
        reached = _walk(conn, alert_id, frozenset(changed), policy)
        seen |= reached.nodes.keys()
        incident_id = _settle(conn, reached, policy, now)
        if incident_id is None:
            continue
        if incident_id not in touched:
            touched.append(incident_id)
        if not reached.incident_ids:
            opened.append(incident_id)
    return touched, opened


def _walk(conn: Connection, alert_id: str, changed: frozenset[str], policy: Policy) -> Reached:
    reached = Reached()
    start = _nodes(conn, [alert_id]).get(alert_id)
    if start is None:
        return reached
    waiting: list[tuple[Node, str | None]] = [start]
    reached.nodes[alert_id] = start[0]
    while waiting:
        current, incident_id = waiting.pop()
        if incident_id is not None:
            reached.incident_ids.add(incident_id)
            # What an incident's alert is linked to is in the incident already, unless that alert has just changed.
            if current.id not in changed:
                continue
        for neighbour in _candidates(conn, current, policy):
            other, other_incident, closed = neighbour
            if other.id in reached.nodes or not linked(current, other, policy.window, policy.networks):
                continue
            if closed:
                reached.closed_ids.update([other_incident] if other_incident else [])
                continue
            reached.nodes[other.id] = other
            waiting.append((other, other_incident))
    return reached


# Statements of every alert are made once: making one costs several times what the database takes to answer it.
_TAKING_PART: Final = (
    select(alerts, incidents.c.state.label("incident_state"))
    .outerjoin(incidents, incidents.c.id == alerts.c.incident_id)
    .where(
        alerts.c.id.in_(bindparam("ids", expanding=True)),
        alerts.c.merged_into.is_(None),
        or_(alerts.c.verdict.is_(None), alerts.c.verdict.not_in(DISMISSED)),
    )
)
_TAKING_PART_NEAR: Final = _TAKING_PART.where(
    alerts.c.tenant == bindparam("tenant"), alerts.c.last_at >= bindparam("since"), alerts.c.first_at <= bindparam("until")
)
_of_people: Final = alert_entities.alias()
_SHARING: Final = select(alert_entities.c.alert_id).where(
    alert_entities.c.kind == bindparam("kind"), alert_entities.c.value.in_(bindparam("values", expanding=True))
)
#: The same, only alerts that an address may link to one that is about a person (:func:`.grouping.node`): a hospital goes out by one.
_SHARING_ABOUT_ADDRESSES: Final = _SHARING.join(alerts, alerts.c.id == alert_entities.c.alert_id).where(
    or_(alerts.c.subject_field == "source.ip", ~exists().where(_of_people.c.kind == USER, _of_people.c.alert_id == alerts.c.id))
)
_TENANT: Final = select(alerts.c.tenant).where(alerts.c.id == bindparam("alert_id"))


def _nodes(conn: Connection, alert_ids: Sequence[str]) -> dict[str, tuple[Node, str | None]]:
    """Nodes of alerts that take part, each with its open incident; those of closed incidents do not take part."""
    rows = list(conn.execute(_TAKING_PART, {"ids": list(alert_ids)}).mappings())
    entities = entities_of(conn, [row["id"] for row in rows])
    open_rows = (row for row in rows if row["incident_state"] != IncidentState.CLOSED)
    return {row["id"]: (_node(row, entities.get(row["id"], {})), row["incident_id"]) for row in open_rows}


def _node(row: RowMapping, entities: Mapping[str, Sequence[str]]) -> Node:
    risk = risk_of(Severity(row["severity"]), watched=bool(row["watched"]))
    return node(row["id"], row["rule_id"], risk, (row["first_at"], row["last_at"]), row["subject_field"], entities)


def _candidates(conn: Connection, around: Node, policy: Policy) -> list[tuple[Node, str | None, bool]]:
    """Alerts of the same tenant that share a linking value and lie within the window, with their incident and whether it is closed."""
    found: list[tuple[Node, str | None, bool]] = []
    tenant = conn.scalar(_TENANT, {"alert_id": around.id})
    keys = sorted(around.keys)
    sharing: set[str] = set()
    for kind in LINKING:
        values = [value for key, value in keys if key == kind and not (kind == ADDRESS and is_shared(value, policy.networks))]
        query = _SHARING_ABOUT_ADDRESSES if kind == ADDRESS and not around.about_address else _SHARING
        for start in range(0, len(values), 500):
            sharing.update(conn.scalars(query, {"kind": kind, "values": values[start : start + 500]}))
    sharing.discard(around.id)
    ids = sorted(sharing)
    for start in range(0, len(ids), 500):
        near = {"tenant": tenant, "since": around.first_at - policy.window, "until": around.last_at + policy.window}
        rows = list(conn.execute(_TAKING_PART_NEAR, {"ids": ids[start : start + 500], **near}).mappings())
        entities = entities_of(conn, [row["id"] for row in rows])
        for row in rows:
            closed = row["incident_state"] == IncidentState.CLOSED
            found.append((_node(row, entities.get(row["id"], {})), row["incident_id"], closed))
    return found


def _settle(conn: Connection, reached: Reached, policy: Policy, now: datetime) -> str | None:
    if reached.incident_ids:
        incident_id = merge(conn, sorted(reached.incident_ids), policy, now, WATCH.subject)
    elif makes_incident(list(reached.nodes.values()), policy.threshold, policy.window):
        incident_id = open_incident(conn, sorted(reached.nodes), policy, now, WATCH.subject)
        for closed_id in sorted(reached.closed_ids):
            number = conn.scalar(select(incidents.c.number).where(incidents.c.id == closed_id))
            add_entry(conn, incident_id, now, "decision", WATCH.subject, f"Fait suite à {number}, clos depuis", closed_id)
    else:
        return None
    attach(conn, incident_id, sorted(reached.nodes), policy, now, WATCH.subject)
    return incident_id


def open_incident(conn: Connection, alert_ids: Sequence[str], policy: Policy, now: datetime, actor: str) -> str:
    """Open an incident for alerts that are in none, and give it the next number of the year."""
    tenant = conn.scalar(select(alerts.c.tenant).where(alerts.c.id == alert_ids[0])) or "default"
    sequence = (conn.scalar(select(func.max(incidents.c.sequence)).where(incidents.c.tenant == tenant)) or 0) + 1
    of_year = select(func.count()).select_from(incidents).where(incidents.c.tenant == tenant, incidents.c.number.like(f"INC-{now.year}-%"))
    number = f"INC-{now.year}-{(conn.scalar(of_year) or 0) + 1:04d}"
    incident_id = "i" + hashlib.sha256(dump([tenant, number, list(alert_ids)]).encode()).hexdigest()[:20]
    conn.execute(
        insert(incidents).values(
            id=incident_id,
            number=number,
            sequence=sequence,
            tenant=tenant,
            title="",
            severity=Severity.INFORMATIONAL.value,
            severity_rank=0,
            severity_overruled=False,
            state=IncidentState.NEW.value,
            techniques=dump([]),
            entities=dump({}),
            qualification=dump(dict.fromkeys(CRITERIA, "inconnu")),
            risk=0,
            alert_count=0,
            first_at=now,
            last_at=now,
            created_at=now,
            detected_at=now,
        )
    )
    write_change(conn, ("incident", incident_id), "state", (None, IncidentState.NEW.value), actor, now)
    attach(conn, incident_id, alert_ids, policy, now, actor)
    return incident_id


def attach(conn: Connection, incident_id: str, alert_ids: Sequence[str], policy: Policy, now: datetime, actor: str) -> None:
    """Put alerts that are in no incident into this one, and recompute it. An incident under way takes note of them by itself."""
    free = select(alerts.c.id).where(alerts.c.id.in_(alert_ids), alerts.c.incident_id.is_(None)).order_by(alerts.c.first_at, alerts.c.id)
    for alert_id in list(conn.scalars(free)):
        conn.execute(update(alerts).where(alerts.c.id == alert_id).values(incident_id=incident_id))
        write_change(conn, ("alert", alert_id), "incident", (None, incident_id), actor, now)
    recompute(conn, incident_id, policy, now)


def merge(conn: Connection, incident_ids: Sequence[str], policy: Policy, now: datetime, actor: str) -> str:
    """Make one incident of several: the oldest stays, keeps what people said of it, and takes what the others had."""
    query = select(incidents).where(incidents.c.id.in_(incident_ids), incidents.c.merged_into.is_(None)).order_by(incidents.c.sequence)
    keeper, *others = list(conn.execute(query).mappings())
    for other in others:
        _swallow(conn, keeper, other, now, actor)
    if others:
        recompute(conn, keeper["id"], policy, now)
    return str(keeper["id"])


def _swallow(conn: Connection, keeper: RowMapping, other: RowMapping, now: datetime, actor: str) -> None:
    current = conn.execute(select(incidents).where(incidents.c.id == keeper["id"])).mappings().one()
    conn.execute(update(alerts).where(alerts.c.incident_id == other["id"]).values(incident_id=keeper["id"]))
    conn.execute(update(incidents).where(incidents.c.merged_into == other["id"]).values(merged_into=keeper["id"]))
    conn.execute(
        update(incidents)
        .where(incidents.c.id == other["id"])
        .values(merged_into=keeper["id"], state=IncidentState.CLOSED.value, closed_at=now)
    )
    answers = _strongest(json.loads(current["qualification"]), json.loads(other["qualification"]))
    aware = [at for at in (current["aware_at"], other["aware_at"]) if at is not None]
    conn.execute(
        update(incidents)
        .where(incidents.c.id == keeper["id"])
        .values(
            assignee=current["assignee"] or other["assignee"],
            qualification=dump(answers),
            aware_at=min(aware, default=None),
            detected_at=min(current["detected_at"], other["detected_at"]),
        )
    )
    write_change(conn, ("incident", other["id"]), "merged_into", (None, keeper["id"]), actor, now, f"Même affaire que {keeper['number']}")
    write_change(
        conn, ("incident", keeper["id"]), "merged", (None, other["id"]), actor, now, f"{other['number']} fait partie de la même affaire"
    )
    if answers != json.loads(current["qualification"]):
        write_change(
            conn,
            ("incident", keeper["id"]),
            "qualification",
            (current["qualification"], dump(answers)),
            actor,
            now,
            f"Repris de {other['number']}",
        )


def _strongest(mine: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """``oui`` of either wins; then what is known wins over ``inconnu``."""
    order = ("inconnu", "non", "oui")
    return {name: max(mine.get(name, "inconnu"), theirs.get(name, "inconnu"), key=order.index) for name in CRITERIA}


def recompute(conn: Connection, incident_id: str, policy: Policy, now: datetime) -> None:
    """Derive span, severity, title, techniques, entities and establishment from the incident's alerts."""
    current = conn.execute(select(incidents).where(incidents.c.id == incident_id)).mappings().one()
    members = select(alerts).where(alerts.c.incident_id == incident_id, alerts.c.merged_into.is_(None))
    rows = list(conn.execute(members.order_by(alerts.c.severity_rank.desc(), alerts.c.first_at, alerts.c.id)).mappings())
    if not rows:
        return
    by_alert = entities_of(conn, [row["id"] for row in rows])
    entities: dict[str, list[str]] = {}
    for kinds in by_alert.values():
        for kind, values in kinds.items():
            entities[kind] = sorted({*entities.get(kind, ()), *values})
    techniques = sorted({technique for row in rows for technique in json.loads(row["techniques"])})
    risk = total_risk(_node(row, by_alert.get(row["id"], {})) for row in rows)
    severity = severity_of((Severity(row["severity"]) for row in rows), risk, policy.threshold)
    if current["severity_overruled"]:
        severity = Severity(current["severity"])
    elif current["alert_count"] and severity.value != current["severity"]:
        reason = f"Risque cumulé {risk}"
        write_change(conn, ("incident", incident_id), "severity", (current["severity"], severity.value), WATCH.subject, now, reason)
    conn.execute(
        update(incidents)
        .where(incidents.c.id == incident_id)
        .values(
            title=title_of(techniques, entities, _fallback_title(rows[0])),
            severity=severity.value,
            severity_rank=RANK[severity],
            techniques=dump(techniques),
            entities=dump(entities),
            rules=dump(sorted({(row["rule_id"], row["rule_title"], row["rule_author"], row["rule_licence"]) for row in rows})),
            risk=risk,
            alert_count=len(rows),
            first_at=min(row["first_at"] for row in rows),
            last_at=max(row["last_at"] for row in rows),
            detected_at=min(current["detected_at"], *(row["created_at"] for row in rows)),
            finess=_main_structure(conn, incident_id),
        )
    )


def _fallback_title(alert: RowMapping) -> str:
    """The title of the gravest alert; its rule's author goes wherever the title goes."""
    return f"{alert['title']} (règle de {alert['rule_author']})" if alert["rule_author"] else str(alert["title"])


def _main_structure(conn: Connection, incident_id: str) -> str | None:
    """The establishment most events of the incident are about; of equals the first in order."""
    query = (
        select(alert_events.c.finess)
        .join(alerts, alerts.c.id == alert_events.c.alert_id)
        .where(alerts.c.incident_id == incident_id, alerts.c.merged_into.is_(None), alert_events.c.finess.is_not(None))
        .group_by(alert_events.c.finess)
        .order_by(func.count(alert_events.c.event_id.distinct()).desc(), alert_events.c.finess)
        .limit(1)
    )
    return conn.scalar(query)


def add_entry(conn: Connection, incident_id: str, at: datetime, kind: str, actor: str, text: str, reference: str | None) -> None:
    """Write a line of the story, once: the same kind, text and reference again is the same line."""
    if reference is not None:
        same = select(incident_entries.c.id).where(
            incident_entries.c.incident_id == incident_id,
            incident_entries.c.kind == kind,
            incident_entries.c.reference == reference,
            incident_entries.c.text == text,
        )
        if conn.execute(same).first() is not None:
            return
    conn.execute(insert(incident_entries).values(incident_id=incident_id, at=at, kind=kind, actor=actor, text=text, reference=reference))


def final_incident(conn: Connection, incident_id: str, tenant: str | None = None) -> RowMapping | None:
    """The row of an incident by id (or number, within a tenant); of a merged one, that of what it became."""
    known_as = incidents.c.id == incident_id
    if tenant is not None:
        known_as = and_(incidents.c.tenant == tenant, or_(known_as, incidents.c.number == incident_id))
    row = conn.execute(select(incidents).where(known_as)).mappings().first()
    if row is not None and row["merged_into"]:
        return conn.execute(select(incidents).where(incidents.c.id == row["merged_into"])).mappings().first()
    return row


def is_current(conn: Connection, incident_id: str) -> bool:
    """Whether the incident was not merged into another."""
    return conn.scalar(select(incidents.c.merged_into).where(incidents.c.id == incident_id)) is None


def confirm(conn: Connection, events: Iterable[Event]) -> None:
    """Write into the story of a person's open incidents what the identity provider's log confirms of the response."""
    for event in events:
        text = CONFIRMATIONS.get(str(event.fields.get("event.action", "")))
        user = event.fields.get("user.id")
        if text is None or not user or not event.fields.get("health.actor.id"):
            continue
        query = (
            select(alerts.c.incident_id)
            .distinct()
            .join(alert_entities, alert_entities.c.alert_id == alerts.c.id)
            .join(incidents, incidents.c.id == alerts.c.incident_id)
            .where(
                alert_entities.c.kind == USER,
                alert_entities.c.value == str(user),
                alerts.c.tenant == event.tenant,
                incidents.c.state != IncidentState.CLOSED.value,
                incidents.c.first_at <= event.at,
            )
        )
        for incident_id in list(conn.scalars(query)):
            add_entry(conn, incident_id, event.at, "event", str(user), text, event.id)
