"""What the watch knows of an incident beyond its alerts, for the dossier: counts, categories, what was done. Never a patient.

A count is over the events that the incident's alerts rest on, so that each figure can be shown with its evidence.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from siem.access import WATCH
from siem.declarations.model import Facts, Measure
from siem.event import Event
from siem.evidence import EvidenceStore
from siem.incidents.model import Incident
from siem.incidents.phrases import credit_phrase
from siem.incidents.service import Incidents
from siem.response.model import ActionClass, Run, StepRun, StepState
from siem.response.runs import Runs
from siem.store.events import EventStore, Scope
from vocabulary.audit import AuditAction

#: Answers given on a phone carry the phone's address; the questions carry the browser's.
_ANSWERED_ON_THE_PHONE: Final = frozenset(
    {
        AuditAction.DEVICE_APPROVAL_SEEN,
        AuditAction.DEVICE_APPROVAL_GRANTED,
        AuditAction.DEVICE_APPROVAL_DENIED,
        AuditAction.DEVICE_APPROVAL_REPORTED,
        AuditAction.DEVICE_APPROVAL_MISMATCHED,
    }
)


def facts_of(incident: Incident, *, incidents: Incidents, runs: Runs, events: EventStore, evidence: EvidenceStore) -> Facts:
    """Facts as of now. What was not measured stays None, and the dossier marks it unknown."""
    alerts = incidents.alerts_of(WATCH, incident.id)
    found = events.get({event_id for alert in alerts for event_id in alert.event_ids}, Scope(incident.tenant))
    patients = {event.fields["health.patient.pseudonym"] for event in found if "health.patient.pseudonym" in event.fields}
    exported = [event for event in found if event.fields.get("event.action") == "record.exported"]
    counted = [count for event in exported if isinstance(count := event.fields.get("health.record.count"), int)]
    services = {str(event.fields["service.name"]) for event in found if event.source != "idp" and "service.name" in event.fields}
    taken = runs.of_incident(WATCH, incident.id)
    return Facts(
        alert_count=len(alerts),
        event_count=len(found),
        patient_count=len(patients) or None,
        record_count=sum(counted) if counted else None,
        account_count=len(incident.entities.get("user", ())) or None,
        break_glass_count=sum(event.fields.get("event.action") == "break_glass.started" for event in found),
        export_count=len(exported),
        services=tuple(sorted(services)),
        rules=tuple(dict.fromkeys(credit_phrase(alert.credit, alert.title) for alert in alerts)),
        measures=tuple(measure for run in taken if not run.dry_run for step in run.steps if (measure := _measure(step)) is not None),
        indicators=_indicators(incident, found),
        evidence_sha256=_sealed_for(taken, evidence),
        qualified_at=_qualified_at(incident, incidents),
    )


def _indicators(incident: Incident, events: Sequence[Event]) -> tuple[tuple[str, str], ...]:
    """Addresses that the incident came from: not that of the person's own phone, which answered the questions."""
    phones = {event.fields.get("source.ip") for event in events if event.fields.get("event.action") in _ANSWERED_ON_THE_PHONE}
    addresses = [address for address in incident.entities.get("source.ip", ()) if address not in phones]
    return tuple(("ipv6-addr" if ":" in address else "ipv4-addr", address) for address in addresses)


def _measure(step: StepRun) -> Measure | None:
    """A finished step that did something; reading and keeping house are not measures."""
    if step.state is not StepState.COMPLETED or step.action is None or step.action == "open_dossier":
        return None
    if step.action_class is ActionClass.READ and step.action != "preserve_evidence":
        return None
    return Measure(step.result or step.name, step.ended_at)


def _sealed_for(runs: tuple[Run, ...], evidence: EvidenceStore) -> tuple[str, ...]:
    return tuple(manifest.sha256 for manifest in evidence.manifests() if any(manifest.reference.startswith(run.id) for run in runs))


def _qualified_at(incident: Incident, incidents: Incidents) -> datetime | None:
    if not incident.qualification:
        return None
    changes = incidents.history(WATCH, "incident", incident.id)
    return max((change.at for change in changes if change.field == "qualification"), default=None)
