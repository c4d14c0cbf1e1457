"""Detections folded into alerts, inside the pipeline's transaction.

An alert is known by tenant, rule and group. A detection joins the open alert of its key that lies within the rule's
repeat window; if it bridges two, they become one. What happened before a person closed an alert stays with the closed
one; what happened after opens a new one, so that a verdict never hides what it could not know of.

A rule that has begun too many alerts falls silent (:mod:`.suppression`): what begins then joins the alert that began the silence, with
its events, and is counted there. Nothing is lost, and the same detections again find their events where they were put.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, case, delete, func, insert, or_, select, update

from siem.access import WATCH
from siem.detection import Detection, Limit, Rule
from siem.event import Event, texts_of
from siem.incidents.grouping import Cluster, Rhythm, fill, joined
from siem.incidents.model import ADDRESS, DEVICE, PATIENT, RANK, SERVICE, SESSION, STRUCTURE, USER, AlertState, Severity
from siem.incidents.store import alert_entities, alert_events, alerts, dump, insert_missing, removed_alerts, watch_list, write_change
from siem.incidents.suppression import limit_key, silenced_by

#: Of a field with more values than this, only the first ones link alerts.
_MOST_VALUES: Final = 64
#: Where entities come from.
ENTITY_FIELDS: Final[Mapping[str, str]] = {
    USER: "user.id",
    SESSION: "health.session.id",
    ADDRESS: "source.ip",
    SERVICE: "service.name",
    STRUCTURE: "health.structure.finess",
    PATIENT: "health.patient.pseudonym",
    DEVICE: "health.device.id",
}

#: The further a person has taken it, the more it says; a merged alert keeps the furthest state.
_PROGRESS: Final = (AlertState.NEW, AlertState.ACKNOWLEDGED, AlertState.IN_ANALYSIS, AlertState.ESCALATED)

#: Between the authors of a rule and of the indicators that it was about.
_BETWEEN_NAMES: Final = "; "

# Statements of every alert are made once: making one costs several times what the database takes to answer it.
_OF_LIMIT: Final = select(alerts.c.id, alerts.c.first_at, alerts.c.state, alerts.c.suppressed_count).where(
    alerts.c.limit_key == bindparam("key"), alerts.c.merged_into.is_(None)
)
_OF_GROUP: Final = select(alerts).where(alerts.c.group_key == bindparam("key"), alerts.c.merged_into.is_(None))
_EVER_OF_GROUP: Final = select(func.count()).select_from(alerts).where(alerts.c.group_key == bindparam("key"))
_REMOVED_OF_GROUP: Final = select(removed_alerts.c.count).where(removed_alerts.c.group_key == bindparam("key"))
_ONE: Final = select(alerts).where(alerts.c.id == bindparam("alert_id"))
_CHANGE_ONE: Final = update(alerts).where(alerts.c.id == bindparam("alert_id"))
_CREATE: Final = insert(alerts)
_COUNTS: Final = select(func.count(), func.count(case((alert_events.c.suppressed, 1)))).where(
    alert_events.c.alert_id == bindparam("alert_id")
)
_LAST_OF_ITS_OWN: Final = select(func.max(alert_events.c.at)).where(
    alert_events.c.alert_id == bindparam("alert_id"), alert_events.c.suppressed.is_(False)
)
_MAIN_STRUCTURE: Final = (
    select(alert_events.c.finess)
    .where(alert_events.c.alert_id == bindparam("alert_id"), alert_events.c.finess.is_not(None))
    .group_by(alert_events.c.finess)
    .order_by(func.count().desc(), alert_events.c.finess)
    .limit(1)
)
_WATCHED: Final = (
    select(watch_list.c.id)
    .where(
        watch_list.c.tenant == bindparam("tenant"),
        watch_list.c.user_id.in_(
            select(alert_entities.c.value).where(alert_entities.c.alert_id == bindparam("alert_id"), alert_entities.c.kind == USER)
        ),
        watch_list.c.from_at <= bindparam("last_at"),
        watch_list.c.until_at >= bindparam("first_at"),
        or_(watch_list.c.ended_at.is_(None), watch_list.c.ended_at >= bindparam("first_at")),
    )
    .limit(1)
)


def rhythm_of(rule: Rule) -> Rhythm:
    """What of one subject is one alert of this rule."""
    again = timedelta(seconds=rule.again_seconds) if rule.again_seconds else None
    return Rhythm(timedelta(seconds=rule.repeat_seconds), again)


class Folded(NamedTuple):
    """What became of a cluster: the alert that is new or changed (None: all was known), and the incidents of alerts that it swallowed.

    ``left`` are detections that are another cluster: a silence holds the others, or has held them since an earlier time.
    """

    alert_id: str | None = None
    is_new: bool = False
    swallowed: tuple[str, ...] = ()
    left: tuple[Detection, ...] = ()


def absorb_cluster(
    conn: Connection, cluster: Cluster, rule: Rule | None, limit: Limit, events_by_id: Mapping[str, Event], now: datetime
) -> Folded:
    """Fold one cluster into the alerts."""
    key = limit_key(cluster.tenant, cluster.rule_id, cluster.group, limit)
    counted = _under_key(conn, key)
    fresh = _not_held(conn, counted, cluster)
    if len(fresh) < len(cluster.detections):
        return Folded(left=fresh)
    rows = list(conn.execute(_OF_GROUP, {"key": cluster.key}).mappings())
    near = [row for row in rows if _near(conn, row, cluster, rule)]
    live = sorted((row for row in near if row["state"] != AlertState.CLOSED), key=lambda row: (row["created_at"], row["id"]))
    closed = [row for row in near if row["state"] == AlertState.CLOSED]
    settled = _known_events(conn, [row["id"] for row in rows if row["state"] == AlertState.CLOSED], cluster.event_ids)
    if cluster.event_ids <= settled:
        return Folded()
    if live:
        keeper, *others = live
        swallowed = _merge_rows(conn, keeper, others, now)
        changed = _extend(conn, keeper["id"], cluster, events_by_id)
        return Folded(keeper["id"], swallowed=swallowed) if changed or others else Folded()
    before_closing = [row for row in closed if row["closed_at"] and cluster.last_at <= row["closed_at"]]
    if before_closing:
        kept = min(before_closing, key=lambda row: (row["created_at"], row["id"]))
        _extend(conn, kept["id"], cluster, events_by_id)
        return Folded(kept["id"])
    begun = [(row["first_at"], row["id"]) for row in counted]
    holder = silenced_by(begun, cluster.first_at, limit)
    if any(row["id"] == holder and row["state"] != AlertState.CLOSED for row in counted) and holder is not None:
        # One by one: what goes on after the silence is told, as it would be had it come in a later batch.
        inside = [silenced_by(begun, each.first_at, limit) == holder for each in cluster.detections]
        held = joined(compress(cluster.detections, inside))
        left = tuple(each for each, silent in zip(cluster.detections, inside, strict=True) if not silent)
        return Folded(holder if _hold(conn, holder, held, events_by_id) else None, left=left)
    return Folded(_create(conn, cluster, rule, key, events_by_id, now), is_new=True)


def _under_key(conn: Connection, key: str) -> Sequence[RowMapping]:
    """The alerts that a limit counts together."""
    return list(conn.execute(_OF_LIMIT, {"key": key}).mappings())


def _not_held(conn: Connection, counted: Sequence[RowMapping], cluster: Cluster) -> tuple[Detection, ...]:
    """Detections with an event that no silence has held since an earlier time."""
    held = _known_events(conn, [row["id"] for row in counted if row["suppressed_count"]], cluster.event_ids)
    return tuple(each for each in cluster.detections if not held.issuperset(each.event_ids))


def _hold(conn: Connection, alert_id: str, cluster: Cluster, events_by_id: Mapping[str, Event]) -> bool:
    """Add what a silence holds back to the alert that began it. Returns whether the alert changed; its sentence stays its own."""
    before = _counts(conn, alert_id)
    _add_events(conn, alert_id, cluster, events_by_id, suppressed=True)
    after = _counts(conn, alert_id)
    if after == before:
        return False
    row = conn.execute(_ONE, {"alert_id": alert_id}).mappings().one()
    span = {"first_at": row["first_at"], "last_at": max(row["last_at"], cluster.last_at)}
    watched = row["watched"] or _is_watched(conn, row["tenant"], alert_id, (span["first_at"], span["last_at"]))
    values = {"count": after[0], "suppressed_count": after[1], "finess": _main_structure(conn, alert_id), "watched": watched}
    conn.execute(_CHANGE_ONE, {"alert_id": alert_id, **span, **values})
    return True


def _counts(conn: Connection, alert_id: str) -> tuple[int, int]:
    """Events of an alert, and how many of them a silence holds."""
    total, held = conn.execute(_COUNTS, {"alert_id": alert_id}).one()
    return int(total), int(held)


def _near(conn: Connection, row: RowMapping, cluster: Cluster, rule: Rule | None) -> bool:
    """Whether they are one alert; what a silence holds on an alert does not draw anything to it."""
    rhythm = rhythm_of(rule) if rule else Rhythm(timedelta(seconds=row["repeat_seconds"]))
    last_at = conn.scalar(_LAST_OF_ITS_OWN, {"alert_id": row["id"]}) if row["suppressed_count"] else None
    return rhythm.joins((row["first_at"], last_at or row["last_at"]), (cluster.first_at, cluster.last_at))


def _known_events(conn: Connection, alert_ids: Sequence[str], event_ids: set[str]) -> set[str]:
    known: set[str] = set()
    wanted = sorted(event_ids)
    for start in range(0, len(wanted), 500) if alert_ids else ():
        part = wanted[start : start + 500]
        query = select(alert_events.c.event_id).where(alert_events.c.alert_id.in_(alert_ids), alert_events.c.event_id.in_(part))
        known.update(conn.scalars(query))
    return known


def _create(conn: Connection, cluster: Cluster, rule: Rule | None, key: str, events_by_id: Mapping[str, Event], now: datetime) -> str:
    earlier = conn.scalar(_EVER_OF_GROUP, {"key": cluster.key}) or 0
    earlier += conn.scalar(_REMOVED_OF_GROUP, {"key": cluster.key}) or 0
    alert_id = "a" + hashlib.sha256(f"{cluster.key}:{earlier}".encode()).hexdigest()[:20]
    severity = _severity(rule)
    subject_field, subject = _subject(cluster, rule)
    values = {
        "id": alert_id,
        "tenant": cluster.tenant,
        "group_key": cluster.key,
        "rule_id": cluster.rule_id,
        "rule_title": rule.title if rule else cluster.rule_id,
        "rule_author": _joint([rule.author if rule else ""], cluster.authors),
        "rule_licence": _joint([rule.licence if rule else ""], cluster.licences),
        "title": (rule.title_fr or rule.title) if rule else f"Règle retirée {cluster.rule_id}",
        "severity": severity.value,
        "severity_rank": RANK[severity],
        "techniques": dump(list(rule.techniques) if rule else []),
        "subject_field": subject_field,
        "subject": subject,
        "summary": "",
        "summary_template": _template(rule, subject),
        "summary_values": dump([]),
        "summary_at": cluster.first_at,
        "peak_count": 0,
        "repeat_seconds": rule.repeat_seconds if rule else 0,
        "state": AlertState.NEW.value,
        "close_reason": "",
        "first_at": cluster.first_at,
        "last_at": cluster.last_at,
        "created_at": now,
        "count": 0,
        "matched_fields": dump([]),
        "group_values": dump(cluster.group),
        "limit_key": key,
        "suppressed_count": 0,
        "watched": False,
    }
    conn.execute(_CREATE, values)
    write_change(conn, ("alert", alert_id), "state", (None, AlertState.NEW.value), WATCH.subject, now)
    _extend(conn, alert_id, cluster, events_by_id)
    return alert_id


def _joint(said: Sequence[str], more: Iterable[str] = ()) -> str:
    """Several names as one text: the rule's and those of what it rests on, each once, in whatever order they came."""
    if len(set(said)) == 1 and not more:
        return said[0]
    return _BETWEEN_NAMES.join(sorted({name for text in said for name in text.split(_BETWEEN_NAMES) if name} | set(more)))


def _severity(rule: Rule | None) -> Severity:
    # A rule that is gone or names no known level still found something: neither grave nor silent.
    return {each.value: each for each in Severity}.get(rule.level if rule else "", Severity.MEDIUM)


def _subject(cluster: Cluster, rule: Rule | None) -> tuple[str, str]:
    group, values = dict(cluster.group), dict(cluster.values)
    if rule and rule.subject and (rule.subject in group or rule.subject in values):
        return rule.subject, group.get(rule.subject) or values[rule.subject]
    return cluster.group[0] if cluster.group else ("", "")


def _template(rule: Rule | None, subject: str) -> str:
    if rule and rule.summary_fr:
        return rule.summary_fr
    title = (rule.title_fr or rule.title) if rule else "Règle retirée depuis"
    return f"{title} : {subject}".replace("{", "(").replace("}", ")")


def _extend(conn: Connection, alert_id: str, cluster: Cluster, events_by_id: Mapping[str, Event]) -> bool:
    """Add the cluster's events and entities, then recompute what follows from them. Returns whether the alert changed."""
    _add_events(conn, alert_id, cluster, events_by_id, suppressed=False)
    return _refresh(conn, conn.execute(_ONE, {"alert_id": alert_id}).mappings().one(), cluster)


def _add_events(conn: Connection, alert_id: str, cluster: Cluster, events_by_id: Mapping[str, Event], *, suppressed: bool) -> None:
    known = [(event_id, events_by_id.get(event_id)) for event_id in sorted(cluster.event_ids)]
    rows = (_event_row(alert_id, event_id, event) | {"suppressed": suppressed} for event_id, event in known)
    insert_missing(conn, alert_events, rows)
    found = {entity for _, event in known if event is not None for entity in _entities(event)}
    found |= {(kind, value) for kind, field in ENTITY_FIELDS.items() for name, value in cluster.group if name == field}
    insert_missing(conn, alert_entities, ({"alert_id": alert_id, "kind": kind, "value": value[:256]} for kind, value in sorted(found)))


def _refresh(conn: Connection, row: RowMapping, cluster: Cluster) -> bool:
    """Recompute span, count, sentence, establishment and watch flag of an alert that took the cluster in. Returns whether any changed."""
    count, held = _counts(conn, row["id"])
    peak = max(row["peak_count"], cluster.peak_count)
    values, values_at = [list(pair) for pair in cluster.values], cluster.values_at
    stored = json.loads(row["summary_values"])
    if (row["summary_at"], stored) > (values_at, values):
        values, values_at = stored, row["summary_at"]
    first_at, last_at = min(row["first_at"], cluster.first_at), max(row["last_at"], cluster.last_at)
    now = {
        "first_at": first_at,
        "last_at": last_at,
        "count": count,
        "suppressed_count": held,
        "peak_count": peak,
        "summary_values": dump(values),
        "summary_at": values_at,
        "summary": fill(row["summary_template"], dict(values), peak or count),
        "matched_fields": dump(sorted({*json.loads(row["matched_fields"]), *cluster.matched_fields})),
        "rule_author": _joint([row["rule_author"]], cluster.authors),
        "rule_licence": _joint([row["rule_licence"]], cluster.licences),
        "finess": _main_structure(conn, row["id"]),
        "watched": row["watched"] or _is_watched(conn, row["tenant"], row["id"], (first_at, last_at)),
    }
    changed = any(row[name] != value for name, value in now.items())
    if changed:
        conn.execute(_CHANGE_ONE, {"alert_id": row["id"], **now})
    return changed


def _event_row(alert_id: str, event_id: str, event: Event | None) -> dict[str, Any]:
    row: dict[str, Any] = {"alert_id": alert_id, "event_id": event_id}
    if event is None:
        return row | dict.fromkeys(("at", "action", "user_id", "source_ip", "place", "service", "finess", "quantity"))
    # Of several values, the row has the first; as entities, each links.
    text = {
        name: value[0] if isinstance(value, list) else value
        for name, value in event.fields.items()
        if isinstance(value, str | list) and value
    }
    quantity = event.fields.get("health.record.count")
    place = ", ".join(filter(None, (text.get("source.geo.city_name"), text.get("source.geo.country_iso_code"))))
    return row | {
        "at": event.at,
        "action": text.get("event.action"),
        "user_id": text.get("user.id"),
        "source_ip": text.get("source.ip"),
        "place": place or None,
        "service": text.get("service.name") or text.get("health.relying_party.id"),
        "finess": text.get("health.structure.finess"),
        "quantity": quantity if isinstance(quantity, int) else None,
    }


def _entities(event: Event) -> set[tuple[str, str]]:
    said = {kind: texts_of(event.fields[field]) for kind, field in ENTITY_FIELDS.items() if event.fields.get(field)}
    return {(kind, text) for kind, texts in said.items() for text in texts[:_MOST_VALUES]}


def _main_structure(conn: Connection, alert_id: str) -> str | None:
    """The establishment most of the events are about; of equals the first in order, so that arrival order does not matter."""
    return conn.scalar(_MAIN_STRUCTURE, {"alert_id": alert_id})


def _is_watched(conn: Connection, tenant: str, alert_id: str, span: tuple[datetime, datetime]) -> bool:
    given = {"tenant": tenant, "alert_id": alert_id, "first_at": span[0], "last_at": span[1]}
    return conn.execute(_WATCHED, given).first() is not None


def _merge_rows(conn: Connection, keeper: RowMapping, others: Sequence[RowMapping], now: datetime) -> tuple[str, ...]:
    """Make one alert of several; returns the incidents that the swallowed ones were in."""
    if not others:
        return ()
    ids = [row["id"] for row in others]
    for table in (alert_events, alert_entities):
        rows = [dict(row) | {"alert_id": keeper["id"]} for row in conn.execute(select(table).where(table.c.alert_id.in_(ids))).mappings()]
        insert_missing(conn, table, rows)
        conn.execute(delete(table).where(table.c.alert_id.in_(ids)))
    everyone = [keeper, *others]
    state = max((AlertState(row["state"]) for row in everyone), key=_PROGRESS.index)
    latest = max(everyone, key=lambda row: (row["summary_at"], json.loads(row["summary_values"])))
    conn.execute(
        update(alerts)
        .where(alerts.c.id == keeper["id"])
        .values(
            state=state.value,
            assignee=next((row["assignee"] for row in everyone if row["assignee"]), None),
            incident_id=next((row["incident_id"] for row in everyone if row["incident_id"]), None),
            first_at=min(row["first_at"] for row in everyone),
            last_at=max(row["last_at"] for row in everyone),
            peak_count=max(row["peak_count"] for row in everyone),
            summary_values=latest["summary_values"],
            summary_at=latest["summary_at"],
            matched_fields=dump(sorted({name for row in everyone for name in json.loads(row["matched_fields"])})),
            watched=any(row["watched"] for row in everyone),
            rule_author=_joint([row["rule_author"] for row in everyone]),
            rule_licence=_joint([row["rule_licence"] for row in everyone]),
        )
    )
    conn.execute(update(alerts).where(alerts.c.id.in_(ids)).values(merged_into=keeper["id"], state=AlertState.MERGED.value))
    conn.execute(update(alerts).where(alerts.c.merged_into.in_(ids)).values(merged_into=keeper["id"]))
    for row in others:
        reason = f"Même règle et même sujet que {keeper['id']}, dans la fenêtre de répétition"
        write_change(conn, ("alert", row["id"]), "state", (row["state"], AlertState.MERGED.value), WATCH.subject, now, reason)
    return tuple(sorted({row["incident_id"] for row in everyone if row["incident_id"]}))
