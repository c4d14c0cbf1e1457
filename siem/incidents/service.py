"""The service of alerts and incidents: what the pipeline feeds and the console calls.

Every read takes the Principal who asks and answers only what they see (:func:`siem.access.visible`); every write
takes ``actor`` and leaves a Change. Three refusals, of :mod:`siem.incidents.model`: NotFound (404), Forbidden (403),
Refused (422, with the field and a French sentence).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from siem.access import Principal
from siem.detection import Detection, Rule
from siem.event import Event
from siem.incidents.filters import Absorbed, AlertFilter, Bulk, Counters, Figures, IncidentFilter, Page
from siem.incidents.model import Alert, Change, Incident, IncidentState, Severity, TimelineEntry, Verdict
from siem.store.database import Database

Clock = Callable[[], datetime]


class Incidents:
    """Alerts and incidents over one database.

    ``threshold`` is the summed risk of distinct rules from which linked alerts make an incident; ``window`` is how far
    apart in event time alerts may be to be linked; ``shared_networks`` are CIDR blocks (an establishment's own exit
    addresses) whose addresses never link two alerts.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rules: Mapping[str, Rule],
        *,
        threshold: int = 100,
        window: timedelta = timedelta(hours=24),
        shared_networks: Sequence[str] = (),
    ) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------------ the pipeline, and layers above
    def absorb(self, conn: Connection, detections: Sequence[Detection], events_by_id: Mapping[str, Event]) -> Absorbed:
        """Turn detections into alerts and alerts into incidents, inside the caller's transaction.

        ``events_by_id`` holds the events that the detections name (those of earlier batches too) and may hold every new
        event of the batch: confirmations such as ``session.revoked`` then enter the timeline of the open incident of
        that person. The same detections again change nothing; any order and any cut into batches ends in the same alerts
        and incidents.
        """
        raise NotImplementedError

    def load(self, conn: Connection, incident_id: str) -> Incident | None:
        """An incident without scoping, for the watch itself (playbooks, dossiers). A merged one answers with what it became."""
        raise NotImplementedError

    def family(self, conn: Connection, incident_id: str) -> tuple[str, ...]:
        """Ids under which the incident was ever known: its own, then those merged into it."""
        raise NotImplementedError

    def record(
        self,
        conn: Connection,
        incident_id: str,
        *,
        kind: str,
        actor: str,
        text: str,
        reference: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Add a line to the incident's story (kind: action, declaration, decision, note, event). Same kind, text and reference twice is once."""
        raise NotImplementedError

    # ------------------------------------------------------------------ alerts
    def alerts(self, principal: Principal, wanted: AlertFilter) -> Page[Alert]:
        """A page of the queue. Alerts in lists carry no ``event_ids``; :meth:`alert` does (first 1,000 in event time)."""
        raise NotImplementedError

    def alert(self, principal: Principal, alert_id: str) -> Alert:
        """One alert; one that was merged answers with what it became. Raises NotFound."""
        raise NotImplementedError

    def related_alerts(self, principal: Principal, alert_id: str) -> tuple[Alert, ...]:
        """Other alerts that share a person, session or address within the window, latest first, at most 20."""
        raise NotImplementedError

    def acknowledge(self, alert_ids: Sequence[str], actor: Principal) -> Bulk:
        """Take note; an alert without assignee becomes the actor's."""
        raise NotImplementedError

    def assign(self, alert_ids: Sequence[str], assignee: str | None, actor: Principal) -> Bulk:
        """Give to a person (Principal.subject) or to nobody. A new alert is thereby acknowledged."""
        raise NotImplementedError

    def analyse(self, alert_ids: Sequence[str], actor: Principal) -> Bulk:
        """Mark as being analysed."""
        raise NotImplementedError

    def close(self, alert_ids: Sequence[str], verdict: Verdict | str, reason: str, actor: Principal) -> Bulk:
        """Close with a verdict and a reason, both mandatory (Refused otherwise)."""
        raise NotImplementedError

    def escalate(self, alert_ids: Sequence[str], actor: Principal, reason: str = "", incident_id: str | None = None) -> Incident:
        """Make one incident of these alerts, or add them to ``incident_id``. An alert already in an incident brings it along (merge)."""
        raise NotImplementedError

    # ------------------------------------------------------------------ incidents
    def incidents(self, principal: Principal, wanted: IncidentFilter) -> Page[Incident]:
        """A page of incidents."""
        raise NotImplementedError

    def incident(self, principal: Principal, incident_id: str) -> Incident:
        """By id or number. A merged one answers with what it became (its ``id`` differs: redirect). Raises NotFound."""
        raise NotImplementedError

    def alerts_of(self, principal: Principal, incident_id: str) -> tuple[Alert, ...]:
        """The incident's alerts that this person sees, in event time."""
        raise NotImplementedError

    def timeline(self, principal: Principal, incident_id: str) -> tuple[TimelineEntry, ...]:
        """The incident's story in French, in event time: alerts, the raw events that matter, decisions, actions, notes."""
        raise NotImplementedError

    def qualify(self, incident_id: str, answers: Mapping[str, str], reason: str, actor: Principal) -> Incident:
        """Answer the criteria of CRITERIA with ``oui``, ``non`` or ``inconnu`` (all five). The first time sets ``aware_at`` if unset."""
        raise NotImplementedError

    def move(
        self, incident_id: str, state: IncidentState | str, reason: str, actor: Principal, verdict: Verdict | str | None = None
    ) -> Incident:
        """Change phase (INCIDENT_MOVES). Closing and reopening need a reason; closing with a verdict closes its open alerts too."""
        raise NotImplementedError

    def note(self, incident_id: str, text: str, actor: Principal) -> TimelineEntry:
        """Write in the log-book."""
        raise NotImplementedError

    def assign_incident(self, incident_id: str, assignee: str | None, actor: Principal) -> Incident:
        """Give to a person or to nobody. Assigning to somebody means that somebody took note: sets ``aware_at`` if unset."""
        raise NotImplementedError

    def set_severity(self, incident_id: str, severity: Severity | str, reason: str, actor: Principal) -> Incident:
        """Overrule the computed severity, with a reason; it then stays what the person said."""
        raise NotImplementedError

    # ------------------------------------------------------------------ history and figures
    def history(self, principal: Principal, object_type: str, object_id: str) -> tuple[Change, ...]:
        """Changes of an ``alert`` or ``incident``, oldest first. Raises NotFound."""
        raise NotImplementedError

    def counters(self, principal: Principal) -> Counters:
        """Numbers of the live bar."""
        raise NotImplementedError

    def figures(self, principal: Principal, since: datetime, until: datetime) -> Figures:
        """Delays and verdicts over a period of creation."""
        raise NotImplementedError
