"""Dossiers: open, fill, validate, file, export. The one door the console and the playbooks go through.

Every method takes the person who asks: a dossier of another establishment is absent for them
(:class:`~siem.declarations.model.DossierAbsent`, answer 404), never forbidden.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from siem.access import Principal
from siem.declarations.model import (
    Deadline,
    Difference,
    Dossier,
    DossierPage,
    DossierState,
    Facts,
    FieldError,
    Proposal,
    Receipt,
    Version,
)
from siem.incidents.model import Incident
from siem.store.database import Database


class Dossiers:
    """The dossiers of the watch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_for_incident(self, connection: Connection | None, incident: Incident, actor: Principal, facts: Facts | None = None) -> Dossier:
        """Open the incident's dossier, or bring the one it has up to date; a second call with the same facts changes nothing.

        Only facts are filled in (the incident, ``facts``, the establishment's registered data, the answers on the criteria); every other
        field is marked unknown. A value typed by a person is never overwritten. ``connection`` is an open transaction to take
        part in, None for one of its own.
        """
        raise NotImplementedError

    def list(
        self, principal: Principal, *, states: Collection[DossierState] = (), finess: str | None = None, limit: int = 200
    ) -> list[Dossier]:
        """Dossiers this person sees, last changed first."""
        raise NotImplementedError

    def get(self, dossier_id: str, principal: Principal) -> Dossier:
        """One dossier. Raises DossierAbsent."""
        raise NotImplementedError

    def of_incident(self, incident_id: str, principal: Principal) -> Dossier | None:
        """The incident's dossier if it has one that this person sees."""
        raise NotImplementedError

    def page(
        self,
        dossier_id: str,
        principal: Principal,
        *,
        language: str = "fr",
        errors: Sequence[FieldError] = (),
        typed: Mapping[str, str | list[str]] | None = None,
    ) -> DossierPage:
        """Everything the dossier's page shows. ``errors`` and ``typed`` are those of a refused :meth:`save_section`, so that nothing typed is lost."""
        raise NotImplementedError

    def save_section(
        self,
        dossier_id: str,
        section_id: str,
        values: Mapping[str, str | list[str]],
        actor: Principal,
        *,
        unknown: Collection[str] = (),
        language: str = "fr",
    ) -> list[FieldError]:
        """Save one section (``<form>.<section>``) from a submitted form; all of it or, when something is wrong, nothing.

        ``values``: field key → submitted text (a list for ``choices``); an absent or empty key empties the field. ``unknown``: keys
        ticked as «inconnu». Saving after a validation voids it (back to ``brouillon``, next version). Returns what is wrong, each named.
        Raises DossierAbsent, NotAllowed, MoveRefused.
        """
        raise NotImplementedError

    def submit(self, dossier_id: str, actor: Principal) -> Dossier:
        """Ask for validation: ``brouillon`` → ``a_valider``. Raises DossierIncomplete with the missing fields."""
        raise NotImplementedError

    def send_back(self, dossier_id: str, reason: str, actor: Principal) -> Dossier:
        """Return to ``brouillon`` from ``a_valider`` or ``valide_direction``."""
        raise NotImplementedError

    def validate(self, dossier_id: str, actor: Principal) -> Version:
        """Freeze and validate the version being worked on; only a declarant granted for this very FINESS may.

        Raises NotAllowed, DossierIncomplete (every missing or wrong field), MoveRefused. Validating twice gives the same version.
        """
        raise NotImplementedError

    def file(self, dossier_id: str, actor: Principal) -> Receipt:
        """File the validated version with the desk and keep its receipt. Safe to repeat after a failure or a kill: one receipt.

        Raises NotAllowed, MoveRefused (not validated), FilingFailed (desk unreachable or refusing; kept as pending).
        """
        raise NotImplementedError

    def resume_filings(self) -> int:
        """Finish filings that a kill or a failure left half-way; returns how many got their receipt. For the worker at start."""
        raise NotImplementedError

    def cancel(self, dossier_id: str, reason: str, actor: Principal) -> Dossier:
        """Give up before transmission, with a reason: → ``annule``."""
        raise NotImplementedError

    def move(self, dossier_id: str, state: DossierState, reason: str, actor: Principal) -> Dossier:
        """Follow what the authority answered (``pris_en_compte`` … ``clos``); ``clos`` needs the closing section."""
        raise NotImplementedError

    def record_transmission(
        self, dossier_id: str, form_id: str, stage: str, at: datetime, channel: str, reference: str, actor: Principal
    ) -> Dossier:
        """A person declared to an outside authority: when, how, with which reference. Stops that stage's clock."""
        raise NotImplementedError

    def deadlines(self, dossier: Dossier, now: datetime | None = None, *, language: str = "fr") -> tuple[Deadline, ...]:
        """The clocks of every duty of this dossier at ``now`` (default: the clock), the most urgent first."""
        raise NotImplementedError

    def deadlines_for_incident(
        self, incident: Incident, now: datetime | None = None, *, qualified_at: datetime | None = None, language: str = "fr"
    ) -> tuple[Deadline, ...]:
        """The same before a dossier exists (with one, the dossier's). The caller has checked that the person sees the incident."""
        raise NotImplementedError

    def proposal(self, criteria: Mapping[str, str], *, language: str = "fr") -> Proposal:
        """What the answers on the five criteria (key → oui, non, inconnu) lead to, with reasons; a person decides."""
        raise NotImplementedError

    def versions(self, dossier_id: str, principal: Principal) -> tuple[Version, ...]:
        """Frozen versions, oldest first."""
        raise NotImplementedError

    def differences(
        self, dossier_id: str, old: int, new: int | None, principal: Principal, *, language: str = "fr"
    ) -> tuple[Difference, ...]:
        """What changed between two frozen versions; ``new=None`` compares with what is being worked on."""
        raise NotImplementedError

    def receipts(self, dossier_id: str, principal: Principal) -> tuple[Receipt, ...]:
        """Receipts of the desk, oldest first."""
        raise NotImplementedError

    def json(self, dossier_id: str, principal: Principal, version: int | None = None) -> bytes:
        """The declaration as canonical JSON; of a frozen version the very bytes that were hashed. None: the last frozen, else the draft."""
        raise NotImplementedError

    def pdf(self, dossier_id: str, principal: Principal, version: int | None = None) -> bytes:
        """The declaration as an accessible PDF in French."""
        raise NotImplementedError

    def stix(self, dossier_id: str, principal: Principal, version: int | None = None) -> bytes:
        """The declaration as a STIX 2.1 bundle."""
        raise NotImplementedError
