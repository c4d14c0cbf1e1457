"""The service of alerts and incidents: what the pipeline feeds and the console calls.

Every read takes the Principal who asks and answers only what they see (:func:`siem.access.visible`); every write
takes ``actor`` and leaves a Change. Three refusals, of :mod:`siem.incidents.model`: NotFound (404), Forbidden (403),
Refused (422, with the field and a French sentence).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from heapq import heappop, heappush
from ipaddress import ip_network

from sqlalchemy import Connection, func, select, update

from siem.access import WATCH, Permission, Principal
from siem.detection import Detection, Limit, Rule
from siem.event import Event
from siem.incidents import correlation, exposure, figures, handling, queries, set_matches, timeline, triage
from siem.incidents.alerting import absorb_cluster, rhythm_of
from siem.incidents.correlation import Policy
from siem.incidents.exposure import Explained, Exposure
from siem.incidents.filters import Absorbed, AlertFilter, Bulk, Counters, Figures, IncidentFilter, Page
from siem.incidents.grouping import coalesce
from siem.incidents.model import Alert, Change, Incident, IncidentState, NotFound, Severity, TimelineEntry, Verdict
from siem.incidents.store import alert_events, alerts, incidents, remember_name, to_incident, write_change
from siem.incidents.suppression import PLAIN, AlertPolicy
from siem.store.database import Database

Clock = Callable[[], datetime]


class Incidents:
    """Alerts and incidents over one database.

    ``threshold`` is the summed risk of distinct rules from which linked alerts make an incident; ``window`` is how far
    apart in event time alerts may be to be linked; ``shared_networks`` are CIDR blocks (an establishment's own exit
    addresses) whose addresses never link two alerts; ``alerting`` is when rules fall silent and how the weight of alerts fades.
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
        alerting: AlertPolicy = PLAIN,
    ) -> None:
        self._database = database
        self._clock = clock
        self.rules = rules
        self._default_limit = alerting.limit
        networks = tuple(ip_network(each, strict=False) for each in shared_networks)
        self._policy = Policy(threshold, window, networks, alerting.half_life, alerting.entity_threshold)

    @property
    def policy(self) -> Policy:
        """What makes an incident."""
        return self._policy

    # ------------------------------------------------------------------ the pipeline, and layers above
    def absorb(self, conn: Connection, detections: Sequence[Detection], events_by_id: Mapping[str, Event]) -> Absorbed:
        """Turn detections into alerts and alerts into incidents, inside the caller's transaction.

        ``events_by_id`` holds the events that the detections name (those of earlier batches too) and may hold every new
        event of the batch: confirmations such as ``session.revoked`` then enter the timeline of the open incident of
        that person. The same detections again change nothing; any order and any cut into batches ends in the same alerts
        and incidents.
        """
        now = self._clock()
        new: list[str] = []
        updated: list[str] = []
        swallowed: list[tuple[str, ...]] = []
        found = {detection.rule_id for detection in detections}
        rhythms = {rule_id: rhythm_of(rule) for rule_id in found if (rule := self.rules.get(rule_id)) is not None}
        waiting = coalesce(detections, rhythms)
        while waiting:
            cluster = heappop(waiting)
            rule = self.rules.get(cluster.rule_id)
            folded = absorb_cluster(conn, cluster, rule, self._limit_of(rule), events_by_id, now)
            for rest in coalesce(folded.left, rhythms):
                heappush(waiting, rest)
            if folded.alert_id is None:
                continue
            if folded.alert_id not in new:
                (new if folded.is_new else updated).append(folded.alert_id)
            swallowed.append(folded.swallowed)
        for of_incidents in swallowed:
            if len(of_incidents) > 1:
                correlation.merge(conn, of_incidents, self._policy, now, WATCH.subject)
        touched, opened = correlation.regroup(conn, [*new, *updated], self._policy, now)
        for incident_id in exposure.refresh(conn, [*new, *updated], self._policy, now):
            (touched if incident_id not in touched else []).append(incident_id)
        correlation.confirm(conn, events_by_id.values())
        set_matches.note(conn, detections)
        existing = tuple(each for each in touched if correlation.is_current(conn, each))
        return Absorbed(tuple(new), tuple(dict.fromkeys(updated)), existing, tuple(each for each in opened if each in existing))

    def _limit_of(self, rule: Rule | None) -> Limit:
        return self._default_limit if rule is None or rule.limit is None else rule.limit

    def mark_found_in_history(self, conn: Connection, alert_ids: Sequence[str], run_id: int) -> None:
        """Say of alerts that a look back at stored events raised them, not the live watch; ``run_id`` is that look."""
        for alert_id in alert_ids:
            conn.execute(update(alerts).where(alerts.c.id == alert_id).values(found_in_history=True))
            write_change(conn, ("alert", alert_id), "found_in_history", (None, str(run_id)), WATCH.subject, self._clock())

    def load(self, conn: Connection, incident_id: str) -> Incident | None:
        """An incident without scoping, for the watch itself (playbooks, dossiers). A merged one answers with what it became."""
        row = correlation.final_incident(conn, incident_id)
        return None if row is None else to_incident(row)

    def family(self, conn: Connection, incident_id: str) -> tuple[str, ...]:
        """Ids under which the incident was ever known: its own, then those merged into it."""
        row = correlation.final_incident(conn, incident_id)
        if row is None:
            return ()
        merged = select(incidents.c.id).where(incidents.c.merged_into == row["id"]).order_by(incidents.c.sequence)
        return (row["id"], *conn.scalars(merged))

    def event_ids(self, conn: Connection, incident_id: str) -> tuple[str, ...]:
        """Every event that the incident's alerts rest on, once each, in event time."""
        query = (
            select(alert_events.c.event_id)
            .join(alerts, alerts.c.id == alert_events.c.alert_id)
            .where(alerts.c.incident_id == incident_id)
            .group_by(alert_events.c.event_id)
            .order_by(func.min(alert_events.c.at), alert_events.c.event_id)
        )
        return tuple(conn.scalars(query))

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
        """Add a line to the incident's story (kind: action, declaration, decision, note, event).

        The same kind, text and reference again is the same line. ``at`` defaults to now.
        """
        row = correlation.final_incident(conn, incident_id)
        if row is not None:
            correlation.add_entry(conn, row["id"], at or self._clock(), kind, actor, text, reference)

    # ------------------------------------------------------------------ alerts
    def alerts(self, principal: Principal, wanted: AlertFilter) -> Page[Alert]:
        """A page of the queue. Alerts in lists carry no ``event_ids``; :meth:`alert` does (first 1,000 in event time)."""
        with self._database.reading() as conn:
            return queries.list_alerts(conn, principal, wanted)

    def alert(self, principal: Principal, alert_id: str) -> Alert:
        """One alert; one that was merged answers with what it became. Raises NotFound."""
        with self._database.reading() as conn:
            return queries.one_alert(conn, principal, alert_id)

    def related_alerts(self, principal: Principal, alert_id: str) -> tuple[Alert, ...]:
        """Other alerts that share a person, session or address within the window, latest first, at most 20."""
        with self._database.reading() as conn:
            return queries.related(conn, principal, alert_id, self._policy.window)

    def acknowledge(self, alert_ids: Sequence[str], actor: Principal) -> Bulk:
        """Take note; an alert without assignee becomes the actor's."""
        with self._writing(actor) as (conn, now):
            return triage.acknowledge(conn, alert_ids, actor, now)

    def assign(self, alert_ids: Sequence[str], assignee: str | None, actor: Principal) -> Bulk:
        """Give to a person (Principal.subject) or to nobody. A new alert is thereby acknowledged."""
        with self._writing(actor) as (conn, now):
            return triage.assign(conn, alert_ids, assignee, actor, now)

    def analyse(self, alert_ids: Sequence[str], actor: Principal) -> Bulk:
        """Mark as being analysed."""
        with self._writing(actor) as (conn, now):
            return self._weighed(conn, triage.analyse(conn, alert_ids, actor, now), now)

    def close(self, alert_ids: Sequence[str], verdict: Verdict | str, reason: str, actor: Principal) -> Bulk:
        """Close with a verdict and a reason, both mandatory (Refused otherwise)."""
        with self._writing(actor) as (conn, now):
            return self._weighed(conn, triage.close(conn, alert_ids, verdict, reason, actor, now), now)

    def _weighed(self, conn: Connection, done: Bulk, now: datetime) -> Bulk:
        """A verdict changes what an alert weighs."""
        exposure.refresh(conn, done.done, self._policy, now)
        return done

    def escalate(self, alert_ids: Sequence[str], actor: Principal, reason: str = "", incident_id: str | None = None) -> Incident:
        """Make one incident of these alerts, or add them to ``incident_id``. An alert already in an incident brings it along (merge)."""
        with self._writing(actor) as (conn, now):
            return triage.escalate(conn, alert_ids, actor, reason, incident_id, self._policy, now)

    # ------------------------------------------------------------------ incidents
    def incidents(self, principal: Principal, wanted: IncidentFilter) -> Page[Incident]:
        """A page of incidents."""
        with self._database.reading() as conn:
            return queries.list_incidents(conn, principal, wanted)

    def incident(self, principal: Principal, incident_id: str) -> Incident:
        """By id or number. A merged one answers with what it became (its ``id`` differs: redirect). Raises NotFound."""
        with self._database.reading() as conn:
            return queries.one_incident(conn, principal, incident_id)

    def alerts_of(self, principal: Principal, incident_id: str) -> tuple[Alert, ...]:
        """The incident's alerts that this person sees, in event time."""
        with self._database.reading() as conn:
            return queries.alerts_of_incident(conn, principal, incident_id)

    def timeline(self, principal: Principal, incident_id: str) -> tuple[TimelineEntry, ...]:
        """The incident's story in French, in event time: alerts, the raw events that matter, decisions, actions, notes."""
        with self._database.reading() as conn:
            queries.require(principal, Permission.READ_INCIDENTS)
            return timeline.tell(conn, principal, incident_id)

    def qualify(self, incident_id: str, answers: Mapping[str, str], reason: str, actor: Principal) -> Incident:
        """Answer the criteria of CRITERIA with ``oui``, ``non`` or ``inconnu`` (all five). The first time sets ``aware_at`` if unset."""
        with self._writing(actor) as (conn, now):
            return handling.qualify(conn, incident_id, answers, reason, actor, now)

    def move(
        self, incident_id: str, state: IncidentState | str, reason: str, actor: Principal, verdict: Verdict | str | None = None
    ) -> Incident:
        """Change phase (INCIDENT_MOVES). Closing and reopening need a reason; closing with a verdict closes its open alerts too."""
        with self._writing(actor) as (conn, now):
            moved = handling.move(conn, incident_id, state, reason, actor, now, verdict)
            exposure.refresh(conn, conn.scalars(select(alerts.c.id).where(alerts.c.incident_id == moved.id)), self._policy, now)
            return moved

    def note(self, incident_id: str, text: str, actor: Principal) -> TimelineEntry:
        """Write in the log-book."""
        with self._writing(actor) as (conn, now):
            return handling.note(conn, incident_id, text, actor, now)

    def assign_incident(self, incident_id: str, assignee: str | None, actor: Principal) -> Incident:
        """Give to a person or to nobody. Assigning to somebody means that somebody took note: sets ``aware_at`` if unset."""
        with self._writing(actor) as (conn, now):
            return handling.assign(conn, incident_id, assignee, actor, now)

    def set_severity(self, incident_id: str, severity: Severity | str, reason: str, actor: Principal) -> Incident:
        """Overrule the computed severity, with a reason; it then stays what the person said."""
        with self._writing(actor) as (conn, now):
            return handling.set_severity(conn, incident_id, severity, reason, actor, now)

    # ------------------------------------------------------------------ risk
    def risks(self, principal: Principal, *, kind: str = "", limit: int = 100) -> tuple[Exposure, ...]:
        """People, patients, devices and establishments at greatest risk now; of one kind (:data:`.exposure.KINDS`) or of all."""
        with self._database.reading() as conn:
            return tuple(exposure.ranked(conn, principal, self._policy.half_life, self._clock(), kind=kind, limit=limit))

    def risks_of(self, principal: Principal, entities: Mapping[str, Sequence[str]]) -> tuple[Exposure, ...]:
        """The risk of what an alert or an incident is about, the greatest first."""
        with self._database.reading() as conn:
            return tuple(exposure.of_entities(conn, principal, entities, self._policy.half_life, self._clock()))

    def risk_of(self, principal: Principal, kind: str, value: str) -> Explained | None:
        """One entity's risk, alert by alert; None where it has none."""
        with self._database.reading() as conn:
            return exposure.explained(conn, principal, kind, value, self._policy.half_life, self._clock())

    def keep_risks(self) -> int:
        """Compute the kept risks anew where the half-life has changed since; how many there then are."""
        with self._database.transaction() as conn:
            return exposure.rebuild(conn, self._policy, self._clock())

    # ------------------------------------------------------------------ history and figures
    def history(self, principal: Principal, object_type: str, object_id: str) -> tuple[Change, ...]:
        """Changes of an ``alert``, an ``incident`` or a ``rule``, oldest first. Raises NotFound."""
        with self._database.reading() as conn:
            if object_type == "alert":
                queries.require(principal, Permission.READ_ALERTS)
                found = queries.alert_row(conn, principal, object_id)["id"]
            elif object_type == "incident":
                queries.require(principal, Permission.READ_INCIDENTS)
                found = queries.incident_row(conn, principal, object_id)["id"]
            elif object_type == "rule":
                queries.require(principal, Permission.READ_RULES)
                found = object_id
            else:
                raise NotFound(object_type, object_id)
            return queries.changes_of(conn, object_type, [found])

    def counters(self, principal: Principal) -> Counters:
        """Numbers of the live bar."""
        with self._database.reading() as conn:
            return queries.counters(conn, principal)

    def figures(self, principal: Principal, since: datetime, until: datetime) -> Figures:
        """Delays and verdicts over a period of creation."""
        with self._database.reading() as conn:
            return figures.figures(conn, principal, since, until)

    @contextmanager
    def _writing(self, actor: Principal) -> Iterator[tuple[Connection, datetime]]:
        """A transaction of a person's act: all of it, with its history, or nothing."""
        with self._database.transaction() as conn:
            remember_name(conn, actor.tenant, actor.subject, actor.name)
            yield conn, self._clock()
