"""Dossiers of declaration: their states, what they hold, what a page shows of them.

brouillon → a_valider → valide_direction → transmis → pris_en_compte → qualifie → (complement_demande ↔ complete)* → resolu → clos,
beside them annule (before transmission), non_retenu (out of scope), doublon. A refused request is one of:

DeclarationRefused
├── DossierAbsent      no such dossier for this person: answer 404
├── NotAllowed         the person sees it and may not do that: 403
├── MoveRefused        the state does not allow it: 409
├── DossierIncomplete  fields are missing or wrong, each named: 422
└── FilingFailed       the desk did not take it: 502, nothing lost, trying again is safe
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from siem.declarations.fields import FieldView, Value


class DossierState(StrEnum):
    """Where a dossier stands, by the French words shown on screen (without accents)."""

    BROUILLON = "brouillon"
    A_VALIDER = "a_valider"
    VALIDE_DIRECTION = "valide_direction"
    TRANSMIS = "transmis"
    PRIS_EN_COMPTE = "pris_en_compte"
    QUALIFIE = "qualifie"
    COMPLEMENT_DEMANDE = "complement_demande"
    COMPLETE = "complete"
    RESOLU = "resolu"
    CLOS = "clos"
    ANNULE = "annule"
    NON_RETENU = "non_retenu"
    DOUBLON = "doublon"


_S = DossierState
#: Which move is allowed. The way back to ``brouillon`` is open until transmission; ``clos``, ``annule`` and the like are final.
DOSSIER_MOVES: Final[Mapping[DossierState, frozenset[DossierState]]] = {
    _S.BROUILLON: frozenset({_S.A_VALIDER, _S.VALIDE_DIRECTION, _S.ANNULE}),
    _S.A_VALIDER: frozenset({_S.BROUILLON, _S.VALIDE_DIRECTION, _S.ANNULE}),
    _S.VALIDE_DIRECTION: frozenset({_S.BROUILLON, _S.TRANSMIS, _S.ANNULE}),
    _S.TRANSMIS: frozenset({_S.PRIS_EN_COMPTE, _S.COMPLETE, _S.RESOLU, _S.DOUBLON}),
    _S.PRIS_EN_COMPTE: frozenset({_S.QUALIFIE, _S.NON_RETENU, _S.DOUBLON, _S.COMPLEMENT_DEMANDE, _S.COMPLETE, _S.RESOLU}),
    _S.QUALIFIE: frozenset({_S.COMPLEMENT_DEMANDE, _S.COMPLETE, _S.RESOLU, _S.NON_RETENU, _S.DOUBLON}),
    _S.COMPLEMENT_DEMANDE: frozenset({_S.COMPLETE, _S.RESOLU}),
    _S.COMPLETE: frozenset({_S.PRIS_EN_COMPTE, _S.QUALIFIE, _S.COMPLEMENT_DEMANDE, _S.COMPLETE, _S.RESOLU}),
    _S.RESOLU: frozenset({_S.COMPLEMENT_DEMANDE, _S.COMPLETE, _S.CLOS}),
    _S.CLOS: frozenset(),
    _S.ANNULE: frozenset(),
    _S.NON_RETENU: frozenset(),
    _S.DOUBLON: frozenset(),
}

#: States before the first transmission, in which validating moves the dossier itself.
BEFORE_TRANSMISSION: Final = frozenset({_S.BROUILLON, _S.A_VALIDER, _S.VALIDE_DIRECTION})
#: States in which nothing may change any more.
FINAL: Final = frozenset({_S.CLOS, _S.ANNULE, _S.NON_RETENU, _S.DOUBLON})


class Phase(StrEnum):
    """Which declaration a version is: the first one, a complement, the closing one."""

    INITIALE = "initiale"
    COMPLEMENT = "complement"
    CLOTURE = "cloture"


class Origin(StrEnum):
    """Where a field's value comes from."""

    VEILLE = "veille"  # a fact of the incident, its alerts or its evidence
    REFERENTIEL = "referentiel"  # the establishment's registered data
    QUALIFICATION = "qualification"  # what a person answered on the legal criteria
    SAISIE = "saisie"  # typed by a person


@dataclass(frozen=True, slots=True)
class Measure:
    """Something done (or planned) about the incident, in one sentence without any identity."""

    text: str
    at: datetime | None
    done: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the watch knows of an incident beyond the incident itself: counts, categories and sentences, never a patient.

    A count that was not measured stays None and becomes an unknown field; ``services`` are service names,
    ``rules`` titles with their authors, ``measures`` the playbook's finished steps, ``indicators`` pairs of a kind (``ipv4-addr`` …) and a
    value.
    """

    alert_count: int = 0
    event_count: int | None = None
    patient_count: int | None = None
    record_count: int | None = None
    account_count: int | None = None
    break_glass_count: int | None = None
    export_count: int | None = None
    services: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    indicators: tuple[tuple[str, str], ...] = ()
    evidence_sha256: tuple[str, ...] = ()
    qualified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field, in the reader's language. ``key`` is dotted (``impact.territoire``)."""

    key: str
    label: str
    problem: str
    section: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a dossier says: values by key, keys said to be unknown, the origin of each value or unknown."""

    values: Mapping[str, Value] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    origins: Mapping[str, Origin] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """One incident's dossier; it feeds every declaration due. ``version_number`` is the version being worked on.

    ``aware_at`` starts the legal clocks and is frozen once something was sent. ``validated_version`` is the last
    version a declarant validated, ``filed_version`` the last one a desk has a receipt for (None: none yet).
    """

    id: str
    tenant: str
    finess: str | None
    incident_id: str
    incident_number: str
    title: str
    state: DossierState
    version_number: int
    validated_version: int | None
    filed_version: int | None
    content: Content
    criteria: Mapping[str, str]
    detected_at: datetime
    aware_at: datetime | None
    qualified_at: datetime | None
    created_at: datetime
    updated_at: datetime
    receipt_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A frozen version: its exact bytes are kept and hashed (SHA-256, hexadecimal)."""

    dossier_id: str
    number: int
    phase: Phase
    sha256: str
    body: bytes
    frozen_at: datetime
    frozen_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs between two versions; None where the version has no value, ``inconnu`` where it says unknown."""

    key: str
    label: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of a dossier's journal. ``sha256`` is that of the version concerned, where there is one."""

    at: datetime
    actor: str
    action: str
    detail: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the desk answers: its number, when it received, what it received (SHA-256), signed as a compact JWS (ES256)."""

    number: str
    received_at: datetime
    sha256: str
    declaration_id: str
    version_number: int
    jws: str
    issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """A declaration made outside the desk, as a person entered it: when, by which channel, with which reference."""

    form_id: str
    stage: str
    at: datetime
    channel: str
    reference: str
    actor: str


class DeadlineStatus(StrEnum):
    """How a clock stands. ``waiting``: its trigger has not happened; ``soon``: inside the warning time of its rule."""

    WAITING = "waiting"
    RUNNING = "running"
    SOON = "soon"
    OVERDUE = "overdue"
    DONE = "done"
    DONE_LATE = "done_late"


class Applicability(StrEnum):
    """Whether a duty applies; ``a_confirmer`` is shown like a yes until a person knows."""

    OUI = "oui"
    A_CONFIRMER = "a_confirmer"
    NON = "non"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One clock of one duty at a given instant.

    ``force``: ``legal`` (binding), ``directive`` (European text not yet in French law) or ``target`` (ours, where the law says
    ``due_word``, for instance «sans délai»).
    ``provisional`` means that the trigger itself has not happened and was taken at its own latest instant.
    ``remaining`` is negative once overdue, None while waiting or when done.
    """

    form_id: str
    rule_id: str
    authority: str
    label: str
    force: str
    due_word: str
    legal_basis: str
    applicability: Applicability
    started_at: datetime | None
    due_at: datetime | None
    done_at: datetime | None
    remaining: timedelta | None
    provisional: bool
    status: DeadlineStatus

    @property
    def legal(self) -> bool:
        """Whether missing it breaks the law, not just our own target."""
        return self.force == "legal"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """One section of one form. ``id`` is ``<form>.<section>`` and is what :meth:`Dossiers.save_section` takes."""

    id: str
    form_id: str
    title: str
    intro: str
    fields: tuple[FieldView, ...]
    missing_count: int
    unknown_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """One declaration this dossier feeds, with its law, its recipients and its sections."""

    id: str
    title: str
    authority: str
    legal_basis: str
    legal_source: str
    note: str
    applicability: Applicability
    applicability_reason: str
    recipients: tuple["Contact", ...]
    sections: tuple[SectionView, ...]
    filled_ratio: float
    missing_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A line of the directory: who, through which channel, since when it is known to be right."""

    id: str
    name: str
    channel: str
    value: str
    note: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionView:
    """One of the five criteria of D.1111-16-2, as answered on the incident."""

    key: str
    label: str
    answer: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the criteria lead to: ``a_declarer``, ``recommande`` or ``non``. A person decides.

    ``level``: ``significatif``, ``grave`` or ``""``. ``reasons`` are sentences in the reader's language.
    """

    decision: str
    decision_label: str
    level: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """How far the declaration is for its phase: counts of mandatory fields, and what is missing, each named."""

    mandatory_count: int
    filled_count: int
    unknown_count: int
    missing: tuple[FieldError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierPage:
    """Everything the page of a dossier shows, in one language and for one person (what they may do is in the ``may_`` flags)."""

    dossier: Dossier
    state_label: str
    phase: Phase
    phase_label: str
    forms: tuple[FormView, ...]
    criteria: tuple[CriterionView, ...]
    proposal: Proposal
    completeness: Completeness
    deadlines: tuple[Deadline, ...]
    versions: tuple[Version, ...]
    differences: tuple[Difference, ...]
    receipts: tuple[Receipt, ...]
    transmissions: tuple[Transmission, ...]
    journal: tuple[JournalEntry, ...]
    filing_error: str
    may_edit: bool
    may_submit: bool
    may_validate: bool
    may_file: bool


class DeclarationRefused(Exception):
    """A request about a dossier that cannot be done; the message says why, in French."""


class DossierAbsent(DeclarationRefused):
    """There is no such dossier for this person."""


class NotAllowed(DeclarationRefused):
    """This person may not do that."""


class MoveRefused(DeclarationRefused):
    """The dossier's state does not allow it."""


class FilingFailed(DeclarationRefused):
    """The desk could not be reached or refused; the filing is kept and may be tried again."""


class DossierIncomplete(DeclarationRefused):
    """Fields are missing or wrong; ``errors`` names each."""

    def __init__(self, message: str, errors: tuple[FieldError, ...]) -> None:
        super().__init__(message)
        self.errors = errors
