"""What a person does with an incident: qualify, change phase, note, assign, overrule the severity."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, insert, select, update

from siem.access import Permission, Principal
from siem.incidents.model import (
    CRITERIA,
    INCIDENT_MOVES,
    RANK,
    AlertState,
    Incident,
    IncidentState,
    Refused,
    Severity,
    TimelineEntry,
    Verdict,
)
from siem.incidents.phrases import INCIDENT_STATES
from siem.incidents.queries import incident_row, require
from siem.incidents.store import alerts, dump, incident_entries, incidents, to_entry, to_incident, write_change
from siem.incidents.triage import close_alert, set_alert, verdict_of

#: Answers to a criterion.
ANSWERS: Final = ("oui", "non", "inconnu")

#: Longest note, in characters.
NOTE_LIMIT: Final = 10_000


def _handled(conn: Connection, incident_id: str, actor: Principal) -> RowMapping:
    row = incident_row(conn, actor, incident_id)
    require(actor, Permission.HANDLE_INCIDENTS)
    return row


def _reload(conn: Connection, incident_id: str) -> Incident:
    return to_incident(conn.execute(select(incidents).where(incidents.c.id == incident_id)).mappings().one())


def _set(conn: Connection, row: RowMapping, values: dict[str, Any], actor: Principal, now: datetime, reason: str = "") -> None:
    conn.execute(update(incidents).where(incidents.c.id == row["id"]).values(**values))
    for name, new in values.items():
        if name in {"severity_rank", "severity_overruled"} or new == row[name]:
            continue
        old, shown = (value.isoformat() if isinstance(value, datetime) else value for value in (row[name], new))
        write_change(conn, ("incident", row["id"]), name, (old, shown), actor.subject, now, reason)


def _take_note(conn: Connection, row: RowMapping, person: str, actor: Principal, now: datetime) -> dict[str, Any]:
    """Columns to write when a person first takes an incident in hand; its new alerts are acknowledged with it."""
    new = select(alerts).where(alerts.c.incident_id == row["id"], alerts.c.state == AlertState.NEW.value, alerts.c.merged_into.is_(None))
    for alert in list(conn.execute(new).mappings()):
        values = {"state": AlertState.ACKNOWLEDGED.value, "assignee": alert["assignee"] or person}
        set_alert(conn, alert, values, actor.subject, now, f"Incident {row['number']} pris en charge")
    return {} if row["aware_at"] else {"aware_at": now}


def qualify(conn: Connection, incident_id: str, answers: Mapping[str, str], reason: str, actor: Principal, now: datetime) -> Incident:
    """Answer the five criteria."""
    row = _handled(conn, incident_id, actor)
    for name in CRITERIA:
        if answers.get(name) not in ANSWERS:
            raise Refused(name, "Répondez oui, non ou inconnu.")
    unknown = sorted(set(answers) - set(CRITERIA))
    if unknown:
        raise Refused(unknown[0], "Ce critère n’existe pas.")
    if row["state"] == IncidentState.CLOSED:
        raise Refused("etat", "Un incident clos doit être rouvert avant d’être qualifié.")
    values: dict[str, Any] = _take_note(conn, row, actor.subject, actor, now)
    if {name: answers[name] for name in CRITERIA} != json.loads(row["qualification"]):
        values["qualification"] = dump({name: answers[name] for name in CRITERIA})
    if row["state"] == IncidentState.NEW:
        values["state"] = IncidentState.QUALIFICATION.value
    if not row["assignee"]:
        values["assignee"] = actor.subject
    if values:
        _set(conn, row, values, actor, now, reason.strip())
    return _reload(conn, row["id"])


def move(
    conn: Connection,
    incident_id: str,
    state: IncidentState | str,
    reason: str,
    actor: Principal,
    now: datetime,
    verdict: Verdict | str | None = None,
) -> Incident:
    """Change the phase."""
    row = _handled(conn, incident_id, actor)
    old, said = IncidentState(row["state"]), reason.strip()
    try:
        new = IncidentState(state)
    except ValueError:
        raise Refused("etat", "Cette phase n’existe pas.") from None
    if new not in INCIDENT_MOVES[old]:
        raise Refused("etat", f"De « {INCIDENT_STATES[old]} », on ne peut pas passer à « {INCIDENT_STATES[new]} ».")
    if IncidentState.CLOSED in (old, new) and not said:
        raise Refused("motif", "Le motif est obligatoire pour clore ou rouvrir un incident.")
    values: dict[str, Any] = _take_note(conn, row, actor.subject, actor, now) | {"state": new.value}
    if new is IncidentState.CLOSED:
        values["closed_at"] = now
        _close_alerts(conn, row, verdict_of(verdict) if verdict else Verdict.UNDETERMINED, said, actor, now)
    elif old is IncidentState.CLOSED:
        values["closed_at"] = None
    if not row["assignee"]:
        values["assignee"] = actor.subject
    _set(conn, row, values, actor, now, said)
    return _reload(conn, row["id"])


def _close_alerts(conn: Connection, row: RowMapping, verdict: Verdict, reason: str, actor: Principal, now: datetime) -> None:
    settled = (AlertState.CLOSED.value, AlertState.MERGED.value)
    members = select(alerts).where(alerts.c.incident_id == row["id"], alerts.c.state.not_in(settled))
    for alert in list(conn.execute(members).mappings()):
        close_alert(conn, alert, verdict, f"{row['number']} clos : {reason}", actor.subject, now)


def note(conn: Connection, incident_id: str, text: str, actor: Principal, now: datetime) -> TimelineEntry:
    """Write in the log-book."""
    row = _handled(conn, incident_id, actor)
    said = text.strip()
    if not said:
        raise Refused("note", "Écrivez une note.")
    if len(said) > NOTE_LIMIT:
        raise Refused("note", f"La note dépasse {NOTE_LIMIT} caractères.")
    entry = insert(incident_entries).values(incident_id=row["id"], at=now, kind="note", actor=actor.name, text=said)
    return to_entry(conn.execute(entry.returning(*incident_entries.c)).mappings().one())


def assign(conn: Connection, incident_id: str, assignee: str | None, actor: Principal, now: datetime) -> Incident:
    """Give an incident to a person or to nobody."""
    row = _handled(conn, incident_id, actor)
    values: dict[str, Any] = {"assignee": assignee or None}
    if assignee:
        values |= _take_note(conn, row, assignee, actor, now)
    _set(conn, row, values, actor, now)
    return _reload(conn, row["id"])


def set_severity(conn: Connection, incident_id: str, severity: Severity | str, reason: str, actor: Principal, now: datetime) -> Incident:
    """Overrule the computed severity."""
    row = _handled(conn, incident_id, actor)
    if not reason.strip():
        raise Refused("motif", "Le motif est obligatoire pour changer la gravité.")
    try:
        chosen = Severity(severity)
    except ValueError:
        raise Refused("severite", "Cette gravité n’existe pas.") from None
    values = {"severity": chosen.value, "severity_rank": RANK[chosen], "severity_overruled": True}
    _set(conn, row, values, actor, now, reason.strip())
    return _reload(conn, row["id"])
