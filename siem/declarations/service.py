"""Dossiers: open, fill, validate, file, export. The one door the console and the playbooks go through.

Every method takes the person who asks: a dossier of another establishment is absent for them
(:class:`~siem.declarations.model.DossierAbsent`, answer 404), never forbidden.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from siem.access import Permission, Principal
from siem.declarations import store
from siem.declarations.deadlines import Clocks, clocks_of, compute
from siem.declarations.documents import differences
from siem.declarations.editing import next_version, read_section
from siem.declarations.establishments import Establishment
from siem.declarations.exports import Exports
from siem.declarations.facts import Known
from siem.declarations.filing import FilingClient
from siem.declarations.filling import distinct_fields, fill, situation_of
from siem.declarations.forms import Forms, sections_of
from siem.declarations.model import (
    BEFORE_TRANSMISSION,
    Content,
    Deadline,
    Difference,
    Dossier,
    DossierAbsent,
    DossierPage,
    DossierState,
    Facts,
    FieldError,
    MoveRefused,
    NotAllowed,
    Phase,
    Proposal,
    Receipt,
    Transmission,
    Version,
)
from siem.declarations.opening import open_dossier
from siem.declarations.pages import Kept, dossier_page
from siem.declarations.proposal import Circumstances, propose
from siem.declarations.records import Clock, Records, expect, expect_move, expect_reason
from siem.declarations.submission import Submissions, expect_complete
from siem.declarations.wording import STATE_LABELS, french
from siem.incidents.model import Incident
from siem.store.database import Database

FieldErrors = list[FieldError]
_S = DossierState
#: What a person may set by hand: the authority's answers and the end. The other states have their own methods.
_FOLLOWED: Final = frozenset({_S.PRIS_EN_COMPTE, _S.QUALIFIE, _S.COMPLEMENT_DEMANDE, _S.RESOLU, _S.CLOS, _S.NON_RETENU, _S.DOUBLON})


class Dossiers:
    """The dossiers of the watch. ``establishments``: registered data by FINESS; ``filing``: the way to the desk."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        forms: Forms,
        *,
        filing: FilingClient | None = None,
        establishments: Mapping[str, Establishment] | None = None,
    ) -> None:
        self._records = Records(database, clock, forms)
        self._submissions = Submissions(self._records, filing)
        self._exports = Exports(self._records)
        self._establishments = establishments or {}

    # ------------------------------------------------------------------ opening and reading
    def open_for_incident(self, connection: Connection | None, incident: Incident, actor: Principal, facts: Facts | None = None) -> Dossier:
        """Open the incident's dossier, or bring the one it has up to date; a second call with the same facts changes nothing.

        Only facts are filled in (the incident, ``facts``, the establishment's registered data, the answers on the criteria); every
        other field is marked unknown. A value typed by a person is never overwritten, a validated version never changed.
        ``connection`` is an open transaction to take part in, None for one of its own. Raises DossierAbsent, NotAllowed.
        """
        if not actor.sees(incident.finess, incident.tenant):
            raise DossierAbsent("Aucun incident de ce numéro.")
        if not actor.may(Permission.EDIT_DOSSIERS):
            raise NotAllowed("Il faut pouvoir modifier les dossiers pour en ouvrir un.")
        if connection is not None:
            return open_dossier(self._records, self._establishments, connection, incident, actor, facts)
        with self._records.database.transaction() as own:
            return open_dossier(self._records, self._establishments, own, incident, actor, facts)

    def list(
        self, principal: Principal, *, states: Collection[DossierState] = (), finess: str | None = None, limit: int = 200
    ) -> list[Dossier]:
        """Dossiers this person sees, last changed first. Raises NotAllowed."""
        expect(principal, Permission.READ_DOSSIERS)
        with self._records.database.reading() as connection:
            return store.listed(connection, principal, states, finess, limit)

    def get(self, dossier_id: str, principal: Principal) -> Dossier:
        """One dossier. Raises DossierAbsent, NotAllowed."""
        with self._records.database.reading() as connection:
            return self._records.found(connection, dossier_id, principal, Permission.READ_DOSSIERS)

    def of_incident(self, incident_id: str, principal: Principal) -> Dossier | None:
        """The incident's dossier if it has one that this person sees."""
        if not principal.may(Permission.READ_DOSSIERS):
            return None
        with self._records.database.reading() as connection:
            return store.find(connection, principal, incident_id=incident_id)

    # ------------------------------------------------------------------ the page
    def page(
        self,
        dossier_id: str,
        principal: Principal,
        *,
        language: str = "fr",
        errors: Sequence[FieldError] = (),
        typed: Mapping[str, str | Sequence[str]] | None = None,
    ) -> DossierPage:
        """Everything the dossier's page shows.

        ``errors`` and ``typed`` are those of a refused :meth:`save_section`, so that nothing typed is lost.
        """
        records = self._records
        with records.database.reading() as connection:
            dossier = records.found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            filing = store.read_filing(connection, dossier.id, dossier.validated_version or 0)
            kept = Kept(
                versions=store.read_versions(connection, dossier.id, records.desk_form().form),
                receipts=store.read_receipts(connection, dossier.id),
                transmissions=store.read_transmissions(connection, dossier.id),
                journal=store.read_journal(connection, dossier.id),
                filing_error=filing.error if filing and filing.state != "done" else "",
            )
        return dossier_page(records, dossier, kept, principal, language=language, errors=errors, typed=typed or {})

    # ------------------------------------------------------------------ filling in
    def save_section(
        self,
        dossier_id: str,
        section_id: str,
        values: Mapping[str, str | Sequence[str]],
        actor: Principal,
        *,
        unknown: Collection[str] = (),
        language: str = "fr",
    ) -> FieldErrors:
        """Save one section (``<form>.<section>``) from a submitted form; all of it or, when something is wrong, nothing.

        ``values``: field key → submitted text (a sequence for ``choices``); an empty one empties the field, an absent one leaves it as
        it is (send an empty value along with checkboxes). ``unknown``: keys ticked as «inconnu». Saving after a validation
        voids it: next version, and back to ``brouillon`` before transmission. Returns what is wrong, each named.
        Raises DossierAbsent, NotAllowed, MoveRefused.
        """
        with self._records.changing(dossier_id, actor) as (connection, dossier):
            found = sections_of(self._records.forms_now()).get(section_id)
            if found is None:
                raise MoveRefused(french(f"Aucune section «{section_id}» dans les formulaires en vigueur."))
            section = found[1]
            content, errors = read_section(section, section_id, dossier, values, unknown, language)
            if errors or content == dossier.content:
                return errors
            fields = distinct_fields(self._records.forms_now())
            changed = ", ".join(difference.label for difference in differences(fields, dossier.content, content))
            after = next_version(replace(dossier, content=content))
            if after.finess is None and "structure.finess_eg" in content.values:
                after = replace(after, finess=str(content.values["structure.finess_eg"]))
            self._records.save(connection, after, actor, ("section enregistrée", f"{section.title.text('fr')} : {changed}"))
            if after.version_number != dossier.version_number:
                line = ("version suivante", f"la version {dossier.version_number}, validée, a été modifiée")
                store.write_journal(connection, after.id, self._records.clock(), actor, line)
        return []

    # ------------------------------------------------------------------ validating
    def submit(self, dossier_id: str, actor: Principal) -> Dossier:
        """Ask for validation: ``brouillon`` → ``a_valider``. Raises DossierIncomplete with the missing fields."""
        with self._records.changing(dossier_id, actor) as (connection, dossier):
            expect_move(dossier, _S.A_VALIDER)
            expect_complete(self._records, dossier, Phase.INITIALE)
            return self._records.save(connection, replace(dossier, state=_S.A_VALIDER), actor, ("soumis à validation", ""))

    def send_back(self, dossier_id: str, reason: str, actor: Principal) -> Dossier:
        """Return to ``brouillon`` from ``a_valider`` or ``valide_direction``, with a reason."""
        with self._records.changing(dossier_id, actor) as (connection, dossier):
            expect_move(dossier, _S.BROUILLON)
            after = replace(next_version(dossier), state=_S.BROUILLON)
            return self._records.save(connection, after, actor, ("renvoyé en brouillon", expect_reason(reason)))

    def validate(self, dossier_id: str, actor: Principal) -> Version:
        """Freeze and validate the version being worked on; only a declarant granted for this very FINESS may.

        Raises NotAllowed, DossierIncomplete (every missing or wrong field), MoveRefused. Validating twice gives the same version.
        """
        return self._submissions.validate(dossier_id, actor)

    # ------------------------------------------------------------------ filing
    def file(self, dossier_id: str, actor: Principal) -> Receipt:
        """File the validated version with the desk and keep its receipt. Safe to repeat after a failure or a kill: one receipt.

        Raises DossierAbsent, NotAllowed, MoveRefused (not validated), FilingFailed (desk unreachable or refusing; kept as pending).
        """
        return self._submissions.file(dossier_id, actor)

    def resume_filings(self) -> int:
        """Finish filings that a kill or a failure left half-way; returns how many got their receipt. For the watch's worker."""
        return self._submissions.resume()

    # ------------------------------------------------------------------ what follows
    def cancel(self, dossier_id: str, reason: str, actor: Principal) -> Dossier:
        """Give up before transmission, with a reason: → ``annule``."""
        with self._records.changing(dossier_id, actor) as (connection, dossier):
            expect_move(dossier, _S.ANNULE)
            filing = store.read_filing(connection, dossier.id, dossier.validated_version or 0)
            if filing is not None and filing.state == "pending":
                raise MoveRefused("Un dépôt est en cours : le guichet l’a peut-être déjà reçu.")
            return self._records.save(connection, replace(dossier, state=_S.ANNULE), actor, ("annulé", expect_reason(reason)))

    def move(self, dossier_id: str, state: DossierState, reason: str, actor: Principal) -> Dossier:
        """Follow what the authority answered (``pris_en_compte`` … ``clos``); ``clos`` needs the closing section complete."""
        with self._records.changing(dossier_id, actor) as (connection, dossier):
            if state not in _FOLLOWED:
                raise MoveRefused(f"L’état «{STATE_LABELS[state][0]}» ne se choisit pas à la main.")
            expect_move(dossier, state)
            if state is _S.CLOS:
                expect_complete(self._records, dossier, Phase.CLOTURE)
            return self._records.save(
                connection, replace(dossier, state=state), actor, (f"état : {STATE_LABELS[state][0]}", expect_reason(reason))
            )

    def record_transmission(self, dossier_id: str, made: Transmission, actor: Principal) -> Dossier:
        """A person declared to an authority elsewhere: ``stage`` is a deadline's ``rule_id``. Stops that clock.

        For the desk's own form it also moves a validated dossier to ``transmis``. Raises MoveRefused when something is not right.
        """
        with self._records.changing(dossier_id, actor) as (connection, dossier):
            form = next((form for form in self._records.forms_now() if form.form == made.form_id), None)
            if form is None or made.stage not in {rule.id for rule in form.deadlines}:
                raise MoveRefused(f"Aucune étape «{made.stage}» dans le formulaire «{made.form_id}».")
            if made.at.tzinfo is None or made.at > self._records.clock() + timedelta(minutes=5):
                raise MoveRefused("La date de transmission est dans le futur.")
            if not made.channel.strip() or not made.reference.strip():
                raise MoveRefused("La voie et la référence reçue sont attendues.")
            after = dossier
            if form.filing == "desk" and dossier.state in BEFORE_TRANSMISSION:
                expect_move(dossier, _S.TRANSMIS)
                after = replace(dossier, state=_S.TRANSMIS, filed_version=dossier.validated_version)
            store.add_transmission(connection, dossier.id, replace(made, actor=actor.name))
            authority, label = (
                form.authority.name.text("fr"),
                next(rule.label.text("fr") for rule in form.deadlines if rule.id == made.stage),
            )
            line = (f"transmis : {authority}", f"{label}, par {made.channel.strip()}, référence {made.reference.strip()}")
            return self._records.save(connection, after, actor, line)

    # ------------------------------------------------------------------ clocks and the decision
    def deadlines(self, dossier: Dossier, now: datetime | None = None, *, language: str = "fr") -> tuple[Deadline, ...]:
        """The clocks of every duty of this dossier at ``now`` (default: the clock), the most urgent first."""
        with self._records.database.reading() as connection:
            sent = store.read_transmissions(connection, dossier.id)
        situation = situation_of(dossier.content, dossier.criteria)
        return compute(self._records.forms_now(), clocks_of(dossier, sent), situation, now or self._records.clock(), language)

    def deadlines_for_incident(
        self, incident: Incident, now: datetime | None = None, *, qualified_at: datetime | None = None, language: str = "fr"
    ) -> tuple[Deadline, ...]:
        """The same before a dossier exists (with one, the dossier's). The caller has checked that the person sees the incident."""
        with self._records.database.reading() as connection:
            dossier = store.load_of_incident(connection, incident.tenant, incident.id)
        if dossier is not None:
            current = replace(dossier, criteria=dict(incident.qualification), aware_at=dossier.aware_at or incident.aware_at)
            return self.deadlines(replace(current, qualified_at=dossier.qualified_at or qualified_at), now, language=language)
        forms = self._records.forms_now()
        known = Known(incident, Facts(), self._establishments.get(incident.finess or ""))
        situation = situation_of(fill(forms, known, Content())[0], incident.qualification)
        clocks = Clocks(detected_at=incident.detected_at, aware_at=incident.aware_at, qualified_at=qualified_at)
        return compute(forms, clocks, situation, now or self._records.clock(), language)

    def proposal(self, criteria: Mapping[str, str], circumstances: Circumstances | None = None, *, language: str = "fr") -> Proposal:
        """What the answers on the five criteria (key → oui, non, inconnu) lead to, with reasons; a person decides."""
        return propose(criteria, circumstances, language)

    # ------------------------------------------------------------------ versions and exports
    def versions(self, dossier_id: str, principal: Principal) -> tuple[Version, ...]:
        """Frozen versions of the desk's form, oldest first."""
        with self._records.database.reading() as connection:
            dossier = self._records.found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            return tuple(version for version, _ in store.read_versions(connection, dossier.id, self._records.desk_form().form))

    def differences(
        self, dossier_id: str, old: int, new: int | None, principal: Principal, *, language: str = "fr"
    ) -> tuple[Difference, ...]:
        """What changed between two frozen versions; ``new=None`` compares with what is being worked on. Raises DossierAbsent."""
        return self._exports.differences(dossier_id, old, new, principal, language)

    def receipts(self, dossier_id: str, principal: Principal) -> tuple[Receipt, ...]:
        """Receipts of the desk, oldest first."""
        with self._records.database.reading() as connection:
            dossier = self._records.found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            return store.read_receipts(connection, dossier.id)

    def json(self, dossier_id: str, principal: Principal, version: int | None = None, *, form_id: str | None = None) -> bytes:
        """The declaration as canonical JSON; of a frozen version the very bytes that were hashed.

        ``version=None``: the one being worked on if it is frozen, else a draft of it. ``form_id``: another form of the dossier.
        """
        return self._exports.json(dossier_id, principal, version, form_id)

    def pdf(self, dossier_id: str, principal: Principal, version: int | None = None, *, form_id: str | None = None) -> bytes:
        """The declaration as an accessible PDF (PDF/UA-1, PDF/A-2a) in French; same versions as :meth:`json`."""
        return self._exports.pdf(dossier_id, principal, version, form_id)

    def stix(self, dossier_id: str, principal: Principal, version: int | None = None) -> bytes:
        """The declaration as a STIX 2.1 bundle; same versions as :meth:`json`."""
        return self._exports.stix(dossier_id, principal, version)
