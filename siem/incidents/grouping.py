"""Which alerts are the same alert, which belong to the same incident, and when they make one: plain functions, no store.

All three are functions of the *set* of what was seen, never of its order, so that a replay, a late source or another
cut into batches ends in the same incidents:

- two detections of one rule about one subject are one alert if no more than the rule's ``repeat`` separates them
  (and whatever joins them transitively);
- two alerts are linked if they share a person or a session within the window; an address links them only if one of
  them is about an address or names nobody, since a whole hospital may go out by one address;
- linked alerts make an incident once the summed risk of their distinct rules reaches the threshold within one window.
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from siem.detection import Detection
from siem.incidents.model import ADDRESS, RANK, RISK, SESSION, USER, Severity

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Kinds of entities that can link two alerts.
LINKING: Final = (USER, SESSION, ADDRESS)

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z0-9_.]+)\}")


def gap(first_a: datetime, last_a: datetime, first_b: datetime, last_b: datetime) -> timedelta:
    """Time between two intervals; zero if they overlap."""
    return max(first_a - last_b, first_b - last_a, timedelta(0))


# ---------------------------------------------------------------------------------------------- one alert
@dataclass(frozen=True, slots=True)
class Rhythm:
    """What of one subject is one alert: no more than ``repeat`` apart, and begun less than ``again`` after it began (None: whenever)."""

    repeat: timedelta
    again: timedelta | None = None

    def joins(self, a: tuple[datetime, datetime], b: tuple[datetime, datetime]) -> bool:
        """Whether two spans are one alert."""
        return gap(*a, *b) <= self.repeat and (self.again is None or abs(a[0] - b[0]) < self.again)


#: Of a rule that is gone: each detection on its own.
_NO_RHYTHM: Final = Rhythm(timedelta(0))


@dataclass(slots=True)
class Cluster:
    """Detections of one rule about one subject that belong together, one at least. ``values`` are those of the latest.

    ``authors`` and ``licences`` are of what they rest on besides the rule.
    """

    rule_id: str
    tenant: str
    group: tuple[tuple[str, str], ...]
    first_at: datetime
    last_at: datetime
    event_ids: set[str]
    matched_fields: set[str]
    values: tuple[tuple[str, str], ...]
    values_at: datetime
    peak_count: int
    authors: set[str]
    licences: set[str]
    detections: list[Detection]

    @property
    def key(self) -> str:
        """What the alert is about: tenant, rule and group, hashed."""
        return hashlib.sha256(json.dumps([self.tenant, self.rule_id, sorted(self.group)]).encode()).hexdigest()

    def join(self, other: "Cluster") -> None:
        """Take the other in; which one takes which makes no difference."""
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)
        self.event_ids |= other.event_ids
        self.matched_fields |= other.matched_fields
        self.peak_count = max(self.peak_count, other.peak_count)
        self.authors |= other.authors
        self.licences |= other.licences
        self.detections += other.detections
        if (other.values_at, other.values) > (self.values_at, self.values):
            self.values, self.values_at = other.values, other.values_at

    def __lt__(self, other: "Cluster") -> bool:
        """In the order in which they began."""
        return (self.first_at, self.last_at, self.key) < (other.first_at, other.last_at, other.key)


def cluster_of(detection: Detection) -> Cluster:
    """A detection as a cluster of one."""
    count = dict(detection.values).get("count", "")
    return Cluster(
        rule_id=detection.rule_id,
        tenant=detection.tenant,
        group=tuple(sorted(detection.group)),
        first_at=detection.first_at,
        last_at=detection.last_at,
        event_ids=set(detection.event_ids),
        matched_fields=set(detection.matched_fields),
        values=tuple(sorted(detection.values)),
        values_at=detection.last_at,
        peak_count=int(count) if count.isdigit() else 0,
        authors=set(detection.authors),
        licences=set(detection.licences),
        detections=[detection],
    )


def joined(detections: Iterable[Detection]) -> Cluster:
    """One cluster of all of them; there is one at least."""
    first, *others = map(cluster_of, detections)
    for other in others:
        first.join(other)
    return first


def coalesce(detections: Iterable[Detection], rhythms: Mapping[str, Rhythm]) -> list[Cluster]:
    """Join detections of a batch that are one alert, in the order in which they began. ``rhythms`` are by rule id."""
    by_key: dict[str, list[Cluster]] = {}
    for detection in detections:
        cluster = cluster_of(detection)
        by_key.setdefault(cluster.key, []).append(cluster)
    found: list[Cluster] = []
    for key in sorted(by_key):
        last: Cluster | None = None
        for cluster in sorted(by_key[key], key=lambda each: (each.first_at, each.last_at)):
            rhythm = rhythms.get(cluster.rule_id, _NO_RHYTHM)
            if last is not None and rhythm.joins((last.first_at, last.last_at), (cluster.first_at, cluster.last_at)):
                last.join(cluster)
            else:
                found.append(cluster)
                last = cluster
    return sorted(found)


def fill(template: str, values: Mapping[str, str], count: int, unknown: str = "inconnu") -> str:
    """A rule's sentence with its placeholders filled; what the event does not say reads ``unknown``."""

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        return str(count) if name == "count" else values.get(name, unknown)

    return _PLACEHOLDER.sub(value_of, template)


# ---------------------------------------------------------------------------------------------- one incident
@dataclass(frozen=True, slots=True)
class Node:
    """What grouping looks at in an alert. ``keys`` are its linking entities as (kind, value)."""

    id: str
    rule_id: str
    risk: int
    first_at: datetime
    last_at: datetime
    about_address: bool
    keys: frozenset[tuple[str, str]]


def node(
    alert_id: str, rule_id: str, risk: int, span: tuple[datetime, datetime], subject_field: str, entities: Mapping[str, Sequence[str]]
) -> Node:
    """Build a Node from an alert's columns and entities."""
    keys = frozenset((kind, value) for kind in LINKING for value in entities.get(kind, ()))
    about_address = subject_field == "source.ip" or not entities.get(USER)
    return Node(alert_id, rule_id, risk, span[0], span[1], about_address, keys)


def risk_of(severity: Severity, *, watched: bool) -> int:
    """What one rule weighs; twice for a person on the watch list."""
    return RISK[severity] * (2 if watched else 1)


def is_shared(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address is an establishment's own exit: too many people behind it to link anything."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return True
    return any(parsed in network for network in networks)


def linked(a: Node, b: Node, window: timedelta, networks: Sequence[Network] = ()) -> bool:
    """Whether two alerts belong to the same story. Symmetric, and independent of any other alert."""
    if not a.risk or not b.risk or gap(a.first_at, a.last_at, b.first_at, b.last_at) > window:
        return False
    for kind, value in a.keys & b.keys:
        if kind != ADDRESS:
            return True
        if (a.about_address or b.about_address) and not is_shared(value, networks):
            return True
    return False


def total_risk(nodes: Iterable[Node]) -> int:
    """Sum over distinct rules of what each weighs at most."""
    by_rule: dict[str, int] = {}
    for each in nodes:
        by_rule[each.rule_id] = max(by_rule.get(each.rule_id, 0), each.risk)
    return sum(by_rule.values())


def makes_incident(nodes: Sequence[Node], threshold: int, window: timedelta) -> bool:
    """Whether some window of event time touches alerts whose distinct rules weigh the threshold together.

    The windows that begin where an alert ends are enough: sliding any other to the right until the first alert would
    leave it loses nothing.
    """
    if total_risk(nodes) < threshold:
        return False
    return any(
        total_risk(each for each in nodes if each.last_at >= start.last_at and each.first_at <= start.last_at + window) >= threshold
        for start in nodes
    )


def severity_of(severities: Iterable[Severity], risk: int, threshold: int) -> Severity:
    """Severity of an incident: the gravest of its alerts, and critical once its risk is twice what makes an incident."""
    if risk >= 2 * threshold:
        return Severity.CRITICAL
    return max(severities, key=RANK.__getitem__, default=Severity.INFORMATIONAL)


#: Titles by technique, gravest story first; the first that applies names the incident.
_TITLES: Final = (
    ("T1621", "Compte professionnel probablement compromis par lassitude d’approbation"),
    ("T1078", "Compte professionnel probablement compromis"),
    ("T1213", "Consultation anormale de dossiers"),
    ("T1530", "Consultation anormale de dossiers"),
    ("T1020", "Export anormal de données de santé"),
    ("T1548", "Accès « bris de glace » à vérifier"),
    ("T1110", "Force brute sur des comptes"),
    ("T1528", "Jetons volés ou rejoués"),
    ("T1550", "Jetons volés ou rejoués"),
    ("T1190", "Tentatives d’exploitation d’un service exposé"),
    ("T1595", "Reconnaissance d’un service exposé"),
)


def title_of(techniques: Iterable[str], entities: Mapping[str, Sequence[str]], fallback: str) -> str:
    """A French title: what it looks like, and whom it is about."""
    parents = {technique.split(".")[0] for technique in techniques}
    story = next((title for technique, title in _TITLES if technique in parents), fallback)
    people, addresses = entities.get(USER, ()), entities.get(ADDRESS, ())
    if len(people) == 1:
        return f"{story} — {people[0]}"
    if people:
        return f"{story} — {len(people)} personnes"
    return f"{story} — {addresses[0]}" if len(addresses) == 1 else story
