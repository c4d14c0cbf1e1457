"""The story of an incident in French, put together when it is read: alerts, raw events, decisions, actions, notes.

Like events that follow each other closely are told in one line («43 consultations de dossiers en 17 min»), and an
event that several alerts rest on is told once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from siem.access import WATCH, Principal
from siem.detection.credit import Credit
from siem.incidents.model import Change, IncidentState, Severity, TimelineEntry
from siem.incidents.phrases import CRITERIA_LABELS, INCIDENT_STATES, SEVERITIES, credit_phrase, event_phrase
from siem.incidents.queries import changes_of, incident_row, seen_by
from siem.incidents.store import alert_events, alerts, incident_entries, incidents, names_of, to_entry

#: Like events further apart than this are told apart.
RUN_GAP: Final = timedelta(minutes=30)

#: At the same instant: what was seen, what it means, what was decided, what was done.
_ORDER: Final = {"event": 0, "alert": 1, "decision": 2, "action": 3, "declaration": 4, "note": 5}


@dataclass(slots=True)
class _Line:
    """Like events told together."""

    first: RowMapping
    last_at: datetime
    count: int
    quantity: int


def tell(conn: Connection, principal: Principal, incident_id: str) -> tuple[TimelineEntry, ...]:
    """The story as this person may see it, in order of time."""
    row = incident_row(conn, principal, incident_id)
    names = names_of(conn, row["tenant"])
    ids = (row["id"], *conn.scalars(select(incidents.c.id).where(incidents.c.merged_into == row["id"])))
    mine = alerts.c.incident_id == row["id"], alerts.c.merged_into.is_(None), seen_by(principal, alerts)
    entries = [
        _of_alert(row["id"], alert)
        for alert in conn.execute(select(alerts).where(*mine).order_by(alerts.c.last_at, alerts.c.id)).mappings()
    ]
    events = (
        select(alert_events)
        .join(alerts, alerts.c.id == alert_events.c.alert_id)
        .where(*mine, alert_events.c.at.is_not(None))
        .order_by(alert_events.c.at, alert_events.c.event_id)
    )
    entries += [_of_events(row["id"], line) for line in _runs(conn.execute(events).mappings())]
    entries += [entry for change in changes_of(conn, "incident", ids) for entry in _of_change(row["id"], change, names)]
    written = select(incident_entries).where(incident_entries.c.incident_id.in_(ids)).order_by(incident_entries.c.id)
    entries += [_named(to_entry(each), names) for each in conn.execute(written).mappings()]
    return tuple(sorted(entries, key=lambda entry: (entry.at, _ORDER.get(entry.kind, 9))))


def _named(entry: TimelineEntry, names: Mapping[str, str]) -> TimelineEntry:
    return TimelineEntry(
        id=entry.id,
        incident_id=entry.incident_id,
        at=entry.at,
        kind=entry.kind,
        actor=_name(entry.actor, names),
        text=entry.text,
        reference=entry.reference,
    )


def _name(subject: str, names: Mapping[str, str]) -> str:
    return WATCH.name if subject == WATCH.subject else names.get(subject, subject)


def _of_alert(incident_id: str, alert: RowMapping) -> TimelineEntry:
    severity = SEVERITIES[Severity(alert["severity"])]
    credit = Credit(alert["rule_id"], alert["rule_title"], alert["rule_author"], alert["rule_licence"])
    text = f"Alerte de gravité {severity} — {credit_phrase(credit, alert['title'])} : {alert['summary']}"
    if alert["watched"]:
        text += " (compte sous surveillance renforcée)"
    return TimelineEntry(
        id=alert["id"], incident_id=incident_id, at=alert["last_at"], kind="alert", actor=WATCH.name, text=text, reference=alert["id"]
    )


def _runs(rows: Iterable[RowMapping]) -> Iterator[_Line]:
    """Events in order, like ones joined while they follow each other within RUN_GAP."""
    under_way: dict[tuple[str | None, ...], _Line] = {}
    told: set[str] = set()
    lines: list[_Line] = []
    for row in rows:
        if row["event_id"] in told:
            continue
        told.add(row["event_id"])
        key = (row["action"], row["user_id"], row["source_ip"], row["service"])
        line = under_way.get(key)
        if line is not None and row["at"] - line.last_at <= RUN_GAP:
            line.last_at, line.count = row["at"], line.count + 1
            line.quantity += row["quantity"] or 0
        else:
            under_way[key] = line = _Line(row, row["at"], 1, row["quantity"] or 0)
            lines.append(line)
    return iter(lines)


def _of_events(incident_id: str, line: _Line) -> TimelineEntry:
    row = line.first
    text = event_phrase(
        row["action"],
        line.count,
        quantity=line.quantity or None,
        place=row["place"] or "",
        address=row["source_ip"] or "",
        service=row["service"] or "",
    )
    if line.count > 1:
        text += f", en {_duration(line.last_at - row['at'])}"
    actor = row["user_id"] or ""
    return TimelineEntry(
        id=row["event_id"], incident_id=incident_id, at=row["at"], kind="event", actor=actor, text=text, reference=row["event_id"]
    )


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 60:
        return f"{max(seconds, 1)} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d}"


def _of_change(incident_id: str, change: Change, names: Mapping[str, str]) -> Iterator[TimelineEntry]:
    text = _decision(change, names)
    if text is None:
        return
    if change.reason and change.field != "assignee":
        text += f" — {change.reason}"
    actor = _name(change.actor, names)
    yield TimelineEntry(id=f"c{change.id}", incident_id=incident_id, at=change.at, kind="decision", actor=actor, text=text)


def _decision(change: Change, names: Mapping[str, str]) -> str | None:
    if change.field == "state" and change.new:
        if change.old is None:
            return "Incident ouvert"
        if change.old == IncidentState.CLOSED:
            return "Incident rouvert"
        return f"Passage en phase « {INCIDENT_STATES[IncidentState(change.new)]} »"
    if change.field == "severity" and change.new:
        return f"Gravité portée à « {SEVERITIES[Severity(change.new)]} »"
    if change.field == "assignee":
        return f"Attribué à {_name(change.new, names)}" if change.new else "N’est plus attribué"
    if change.field == "qualification" and change.new:
        return "Qualification : " + _answers(json.loads(change.new))
    if change.field == "hold":
        return "Événements conservés sans limite de durée" if change.new else "Fin de la conservation sans limite de durée"
    if change.field == "merged":
        return "Incident réuni avec un autre"
    return None


def _answers(answers: Mapping[str, str]) -> str:
    return ", ".join(f"{label} {answers.get(name, 'inconnu')}" for name, label in CRITERIA_LABELS.items())
