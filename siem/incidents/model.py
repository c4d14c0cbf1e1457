"""Alerts and incidents: their states, and which move is allowed.

Every change is kept as a history entry (object, field, old, new, actor, instant, reason): figures such as
time to acknowledge are queries over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from siem.access import Permission
from siem.detection.credit import Credit


class Severity(StrEnum):
    """Sigma's levels, in our five words; the number of :data:`RISK` adds up per entity."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATIONAL = "informational"


RISK: Final[Mapping[Severity, int]] = {
    Severity.CRITICAL: 100,
    Severity.HIGH: 60,
    Severity.MEDIUM: 30,
    Severity.LOW: 10,
    Severity.INFORMATIONAL: 0,
}


#: Order of severities; the greater the graver.
RANK: Final[Mapping[Severity, int]] = {
    Severity.INFORMATIONAL: 0,
    Severity.LOW: 1,
    Severity.MEDIUM: 2,
    Severity.HIGH: 3,
    Severity.CRITICAL: 4,
}

#: Kinds of entities of alerts and incidents.
USER: Final = "user"
SESSION: Final = "session"
ADDRESS: Final = "source.ip"
SERVICE: Final = "service"
STRUCTURE: Final = "structure"
PATIENT: Final = "patient"
DEVICE: Final = "device"


class AlertState(StrEnum):
    """nouvelle → acquittée → en analyse → classée, escaladée or fusionnée."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    IN_ANALYSIS = "in_analysis"
    CLOSED = "closed"
    ESCALATED = "escalated"
    MERGED = "merged"


class Verdict(StrEnum):
    """Mandatory when an alert is closed."""

    TRUE_POSITIVE_IMPACT = "true_positive_impact"
    TRUE_POSITIVE_NO_IMPACT = "true_positive_no_impact"
    FALSE_POSITIVE = "false_positive"
    LEGITIMATE = "legitimate"
    DUPLICATE = "duplicate"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule's finding about one subject. ``entities`` maps a kind (user, session, source.ip, service, structure, patient, device) to
    values.

    Identifiers of people are pseudonyms. ``count`` is the number of distinct contributing events. ``title`` is the rule's French title;
    ``rule_title``, ``rule_author`` and ``rule_licence`` are its own, shown with it also once the rule is gone; author and licence with
    those of the feeds whose indicators it is about, separated by «; ». ``watched``: the person
    was on the watch list when it happened, so it weighs twice. ``suppressed_count`` of its events came while its rule was silent.
    ``found_in_history``: a rule that came later found it in stored events.
    """

    id: str
    tenant: str
    rule_id: str
    rule_title: str
    rule_author: str
    rule_licence: str = ""
    severity: Severity
    techniques: tuple[str, ...]
    subject_field: str
    subject: str
    summary: str
    state: AlertState
    verdict: Verdict | None
    assignee: str | None
    incident_id: str | None
    finess: str | None
    first_at: datetime
    last_at: datetime
    created_at: datetime
    count: int
    event_ids: tuple[str, ...]
    matched_fields: tuple[str, ...]
    entities: Mapping[str, tuple[str, ...]]
    group: tuple[tuple[str, str], ...]
    title: str = ""
    closed_at: datetime | None = None
    close_reason: str = ""
    merged_into: str | None = None
    watched: bool = False
    found_in_history: bool = False
    #: What fills the rule's sentences: fields of the last event, and ``count`` among what the detection measured.
    values: tuple[tuple[str, str], ...] = ()
    suppressed_count: int = 0

    @property
    def credit(self) -> Credit:
        """Whose rule found it."""
        return Credit(self.rule_id, self.rule_title, self.rule_author, self.rule_licence)


class IncidentState(StrEnum):
    """Phases of an incident."""

    NEW = "new"
    QUALIFICATION = "qualification"
    CONTAINMENT = "containment"
    ERADICATION = "eradication"
    RECOVERY = "recovery"
    REVIEW = "review"
    CLOSED = "closed"


#: Allowed moves; a phase may be gone back to, a closed incident reopened to qualification.
INCIDENT_MOVES: Final[Mapping[IncidentState, frozenset[IncidentState]]] = {
    IncidentState.NEW: frozenset({IncidentState.QUALIFICATION, IncidentState.CLOSED}),
    IncidentState.QUALIFICATION: frozenset({IncidentState.CONTAINMENT, IncidentState.CLOSED}),
    IncidentState.CONTAINMENT: frozenset({IncidentState.QUALIFICATION, IncidentState.ERADICATION}),
    IncidentState.ERADICATION: frozenset({IncidentState.CONTAINMENT, IncidentState.RECOVERY}),
    IncidentState.RECOVERY: frozenset({IncidentState.ERADICATION, IncidentState.REVIEW}),
    IncidentState.REVIEW: frozenset({IncidentState.RECOVERY, IncidentState.CLOSED}),
    IncidentState.CLOSED: frozenset({IncidentState.QUALIFICATION}),
}

#: The five criteria of CSP art. D.1111-16-2 II; the last two make an incident «significatif».
CRITERIA: Final = ("securite_soins", "donnees_sante", "fonctionnement_normal", "organisation_systeme_sante", "autres_structures")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Alerts about the same people and sessions, taken together.

    ``qualification`` maps each criterion of CRITERIA to ``oui``, ``non`` or ``inconnu``.
    ``aware_at`` is when a person took note of it: legal clocks start there, not at detection.
    ``risk`` is the sum of :data:`RISK` over its distinct rules, ``rules`` names them and their authors.
    An incident that was found to be part of another has ``merged_into``, is closed, and keeps its number and its history.
    """

    id: str
    number: str
    tenant: str
    title: str
    severity: Severity
    state: IncidentState
    assignee: str | None
    finess: str | None
    techniques: tuple[str, ...]
    entities: Mapping[str, tuple[str, ...]]
    qualification: Mapping[str, str]
    first_at: datetime
    last_at: datetime
    created_at: datetime
    detected_at: datetime
    aware_at: datetime | None
    closed_at: datetime | None
    risk: int = 0
    alert_count: int = 0
    merged_into: str | None = None
    rules: tuple[Credit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of an incident's story. ``kind``: alert, decision, action, note, declaration, event."""

    id: str
    incident_id: str
    at: datetime
    kind: str
    actor: str
    text: str
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of the history: who changed what, when and why."""

    id: str
    object_type: str
    object_id: str
    field: str
    old: str | None
    new: str | None
    actor: str
    at: datetime
    reason: str


class NotFound(LookupError):
    """No such object for this person: absent, or of an establishment they do not see. Answer 404 in both cases."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"{kind} {identifier} not found")
        self.kind = kind
        self.identifier = identifier


class Forbidden(PermissionError):
    """The person sees the object but none of their roles grants ``permission``. Answer 403."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"permission {permission.value} is not granted")
        self.permission = permission


class Refused(ValueError):
    """What was asked is not possible now. ``field`` names the input, ``problem`` is a French sentence for the screen. Answer 422."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
