"""What a list of alerts or incidents is asked for, and what it answers with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from siem.incidents.model import AlertState, IncidentState, Severity

Item = TypeVar("Item")

#: Alerts that still need a person.
OPEN_ALERTS: Final = frozenset({AlertState.NEW, AlertState.ACKNOWLEDGED, AlertState.IN_ANALYSIS})
#: Incidents that still need a person.
OPEN_INCIDENTS: Final = frozenset(IncidentState) - {IncidentState.CLOSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts. An empty set means all; ``text`` is looked for in summary, subject, rule title and id.

    ``assignee`` is a Principal.subject, or ``""`` for the unassigned. ``since`` and ``until`` bound ``last_at``.
    Order: gravest first, then latest first; ``order="latest"`` or ``"oldest"`` by event time alone.
    """

    states: frozenset[AlertState] = frozenset()
    severities: frozenset[Severity] = frozenset()
    assignee: str | None = None
    text: str = ""
    rule_id: str | None = None
    incident_id: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: str = "severity"
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents. An empty set means all; merged incidents appear only with ``merged=True``. ``text``: number, title, entity."""

    states: frozenset[IncidentState] = frozenset()
    severities: frozenset[Severity] = frozenset()
    assignee: str | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    merged: bool = False
    order: str = "severity"
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list; ``total`` counts all pages."""

    items: tuple[Item, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What a batch of detections changed. All ids; ``incidents_touched`` are of incidents that exist (never merged ones)."""

    new_alerts: tuple[str, ...] = ()
    updated_alerts: tuple[str, ...] = ()
    incidents_touched: tuple[str, ...] = ()
    new_incidents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bulk:
    """Result of an action on several alerts: ids done, and ids left with a French reason each."""

    done: tuple[str, ...]
    left: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Counters:
    """Numbers of the live bar: alerts in state NEW, and incidents not closed."""

    alerts: int
    incidents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Delays over a period, medians in seconds over the incidents created in it; None where none applies yet.

    detect: first event → incident opened; acknowledge: opened → a person took note; contain: opened → first left
    CONTAINMENT for ERADICATION; close: opened → closed. ``verdicts`` counts closed alerts by verdict value.
    """

    incident_count: int
    alert_count: int
    detect_seconds: float | None
    acknowledge_seconds: float | None
    contain_seconds: float | None
    close_seconds: float | None
    verdicts: dict[str, int]
