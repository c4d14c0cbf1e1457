"""Dossiers: open, fill, validate, file, export. The one door the console and the playbooks go through.

Every method takes the person who asks: a dossier of another establishment is absent for them
(:class:`~siem.declarations.model.DossierAbsent`, answer 404), never forbidden.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from siem.access import Permission, Principal
from siem.declarations import store
from siem.declarations.deadlines import Clocks, compute
from siem.declarations.documents import build, canonical, differences, sha256
from siem.declarations.editing import read_section
from siem.declarations.establishments import Establishment
from siem.declarations.facts import MEASURED, Known
from siem.declarations.filing import DeskRefused, DeskUnreachable, FilingClient
from siem.declarations.filling import completeness, distinct_fields, fill, situation_of
from siem.declarations.form import Form
from siem.declarations.forms import Forms
from siem.declarations.model import (
    BEFORE_TRANSMISSION,
    DOSSIER_MOVES,
    FINAL,
    Content,
    Deadline,
    Difference,
    Dossier,
    DossierAbsent,
    DossierIncomplete,
    DossierPage,
    DossierState,
    Facts,
    FieldError,
    FilingFailed,
    MoveRefused,
    NotAllowed,
    Phase,
    Proposal,
    Receipt,
    Transmission,
    Version,
)
from siem.declarations.pages import Showing, criteria_view, errors_by_key, form_view
from siem.declarations.pdf import render
from siem.declarations.proposal import Circumstances, circumstances_of, propose
from siem.declarations.stix import bundle
from siem.declarations.wording import PARIS, PHASE_LABELS, STATE_LABELS, french, pick
from siem.incidents.model import Incident
from siem.store.database import Database

Clock = Callable[[], datetime]
FieldErrors = list[FieldError]
_NAMESPACE: Final = uuid.UUID("5f0b6a1e-6f0e-5c39-9a6e-0d6a3f5f7c11")
_S = DossierState
_STAGE: Final = {Phase.INITIALE: "declaration", Phase.COMPLEMENT: "complement", Phase.CLOTURE: "resolution"}
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
        self._database = database
        self._clock = clock
        self._forms = forms
        self._filing = filing
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
            return self._open(connection, incident, actor, facts)
        with self._database.transaction() as own:
            return self._open(own, incident, actor, facts)

    def _open(self, connection: Connection, incident: Incident, actor: Principal, facts: Facts | None) -> Dossier:
        before = store.find(connection, actor, incident_id=incident.id)
        now = self._clock()
        base = before or Dossier(
            id=str(uuid.uuid5(_NAMESPACE, f"{incident.tenant}/{incident.id}")),
            tenant=incident.tenant,
            finess=incident.finess,
            incident_id=incident.id,
            incident_number=incident.number,
            title=incident.title,
            state=_S.BROUILLON,
            version_number=1,
            validated_version=None,
            filed_version=None,
            content=Content(),
            criteria={},
            detected_at=incident.detected_at,
            aware_at=None,
            qualified_at=None,
            created_at=now,
            updated_at=now,
            receipt_number=None,
        )
        if before is not None and (base.state in FINAL or base.validated_version == base.version_number):
            return before
        after, refused = self._brought_up_to_date(base, incident, facts)
        if before == after:
            return after
        if before is None:
            store.add(connection, after)
            store.write_journal(connection, after.id, now, actor, ("dossier ouvert", f"depuis l’incident {incident.number}"))
        else:
            after = replace(after, updated_at=now)
            store.save(connection, after)
            store.write_journal(connection, after.id, now, actor, ("dossier actualisé", "faits de l’incident repris"))
        for error in refused if before is None else ():
            store.write_journal(connection, after.id, now, actor, ("valeur écartée", f"{error.label} : {error.problem}"))
        return after

    def _brought_up_to_date(self, base: Dossier, incident: Incident, facts: Facts | None) -> tuple[Dossier, FieldErrors]:
        aware_at = base.aware_at or incident.aware_at
        criteria = dict(incident.qualification)
        known = Known(replace(incident, aware_at=aware_at), facts or Facts(), self._establishments.get(incident.finess or ""))
        keep = MEASURED if facts is None and base.content.origins else ()
        content, refused = fill(self._forms_now(), known, base.content, keep)
        after = replace(
            base,
            title=incident.title,
            finess=base.finess or incident.finess,
            criteria=criteria,
            aware_at=aware_at,
            qualified_at=base.qualified_at or (facts.qualified_at if facts else None),
            content=content,
        )
        return after, refused

    def _forms_now(self) -> tuple[Form, ...]:
        return self._forms.in_force(self._clock().astimezone(PARIS).date())

    def _desk_form(self) -> Form:
        form = next((form for form in self._forms_now() if form.filing == "desk"), None)
        if form is None:
            raise MoveRefused("Aucun formulaire à déposer au guichet n’est en vigueur.")
        return form

    def list(
        self, principal: Principal, *, states: Collection[DossierState] = (), finess: str | None = None, limit: int = 200
    ) -> list[Dossier]:
        """Dossiers this person sees, last changed first. Raises NotAllowed."""
        self._expect(principal, Permission.READ_DOSSIERS)
        with self._database.reading() as connection:
            return store.listed(connection, principal, states, finess, limit)

    def get(self, dossier_id: str, principal: Principal) -> Dossier:
        """One dossier. Raises DossierAbsent, NotAllowed."""
        with self._database.reading() as connection:
            return self._found(connection, dossier_id, principal, Permission.READ_DOSSIERS)

    def of_incident(self, incident_id: str, principal: Principal) -> Dossier | None:
        """The incident's dossier if it has one that this person sees."""
        if not principal.may(Permission.READ_DOSSIERS):
            return None
        with self._database.reading() as connection:
            return store.find(connection, principal, incident_id=incident_id)

    def _found(self, connection: Connection, dossier_id: str, principal: Principal, permission: Permission) -> Dossier:
        """The dossier if it exists for this person and they may do that: first absent, then not allowed."""
        dossier = store.find(connection, principal, dossier_id=dossier_id)
        if dossier is None:
            raise DossierAbsent("Aucun dossier sous cette adresse.")
        self._expect(principal, permission)
        return dossier

    @staticmethod
    def _expect(principal: Principal, permission: Permission) -> None:
        if not principal.may(permission):
            raise NotAllowed("Votre rôle ne permet pas cette action sur les dossiers.")

    @contextmanager
    def _changing(
        self, dossier_id: str, actor: Principal, permission: Permission = Permission.EDIT_DOSSIERS
    ) -> Iterator[tuple[Connection, Dossier]]:
        """A transaction with the dossier as it is now, still open to changes."""
        with self._database.transaction() as connection:
            dossier = self._found(connection, dossier_id, actor, permission)
            if dossier.state in FINAL:
                raise MoveRefused(f"Le dossier est à l’état «{STATE_LABELS[dossier.state][0]}» : il ne change plus.")
            yield connection, dossier

    def _saved(self, connection: Connection, dossier: Dossier, actor: Principal, line: tuple[str, str], sha: str | None = None) -> Dossier:
        now = self._clock()
        dossier = replace(dossier, updated_at=now)
        store.save(connection, dossier)
        store.write_journal(connection, dossier.id, now, actor, line, sha)
        return dossier

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
        with self._database.reading() as connection:
            dossier = self._found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            frozen = store.read_versions(connection, dossier.id, self._desk_form().form)
            receipts = store.read_receipts(connection, dossier.id)
            sent = store.read_transmissions(connection, dossier.id)
            journal = store.read_journal(connection, dossier.id)
            filing = store.read_filing(connection, dossier.id, dossier.validated_version or 0)
        now, forms = self._clock(), self._forms_now()
        phase, situation = _phase(dossier), situation_of(dossier.content, dossier.criteria)
        showing = Showing(
            dossier=dossier,
            phase=phase,
            situation=situation,
            language=language,
            errors=errors_by_key(errors),
            typed=typed or {},
            read_only=frozenset({"structure.finess_eg"}) if dossier.finess else frozenset(),
        )
        validated = dossier.validated_version == dossier.version_number
        open_to_changes = dossier.state not in FINAL
        may_edit = open_to_changes and principal.may(Permission.EDIT_DOSSIERS)
        return DossierPage(
            dossier=dossier,
            state_label=pick(STATE_LABELS[dossier.state], language),
            phase=phase,
            phase_label=pick(PHASE_LABELS[phase], language),
            forms=tuple(form_view(form, self._forms, now.astimezone(PARIS).date(), showing) for form in forms),
            criteria=criteria_view(dossier.criteria, language),
            proposal=propose(dossier.criteria, circumstances_of(dossier.content), language),
            completeness=completeness(self._desk_form(), dossier.content, phase, situation, language),
            deadlines=compute(forms, _clocks(dossier, sent), situation, now, language),
            versions=tuple(version for version, _ in frozen),
            differences=differences(distinct_fields(forms), frozen[-1][1], dossier.content, language) if frozen else (),
            receipts=receipts,
            transmissions=sent,
            journal=journal,
            filing_error=filing.error if filing and filing.state != "done" else "",
            may_edit=may_edit,
            may_submit=may_edit and dossier.state is _S.BROUILLON,
            may_validate=open_to_changes and not validated and _may_validate(dossier, principal),
            may_file=may_edit and validated and dossier.filed_version != dossier.version_number,
        )

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
        with self._changing(dossier_id, actor) as (connection, dossier):
            section = next(
                (section for form in self._forms_now() for section in form.sections if f"{form.form}.{section.id}" == section_id), None
            )
            if section is None:
                raise MoveRefused(f"Aucune section «{section_id}» dans les formulaires en vigueur.")
            content, errors = read_section(section, section_id, dossier, values, unknown, language)
            if errors or content == dossier.content:
                return errors
            fields = distinct_fields(self._forms_now())
            changed = ", ".join(difference.label for difference in differences(fields, dossier.content, content))
            after = replace(dossier, content=content)
            if after.finess is None and "structure.finess_eg" in content.values:
                after = replace(after, finess=str(content.values["structure.finess_eg"]))
            after = _next_version(after)
            self._saved(connection, after, actor, ("section enregistrée", f"{section.title.text('fr')} : {changed}"))
            if after.state is not dossier.state:
                line = ("validation annulée", f"la version {dossier.version_number} a été modifiée")
                store.write_journal(connection, after.id, self._clock(), actor, line)
        return []

    # ------------------------------------------------------------------ validating
    def submit(self, dossier_id: str, actor: Principal) -> Dossier:
        """Ask for validation: ``brouillon`` → ``a_valider``. Raises DossierIncomplete with the missing fields."""
        with self._changing(dossier_id, actor) as (connection, dossier):
            _expect_move(dossier, _S.A_VALIDER)
            self._expect_complete(dossier, _phase(dossier))
            return self._saved(connection, replace(dossier, state=_S.A_VALIDER), actor, ("soumis à validation", ""))

    def send_back(self, dossier_id: str, reason: str, actor: Principal) -> Dossier:
        """Return to ``brouillon`` from ``a_valider`` or ``valide_direction``, with a reason."""
        with self._changing(dossier_id, actor) as (connection, dossier):
            _expect_move(dossier, _S.BROUILLON)
            after = replace(_next_version(dossier), state=_S.BROUILLON)
            return self._saved(connection, after, actor, ("renvoyé en brouillon", _reason(reason)))

    def validate(self, dossier_id: str, actor: Principal) -> Version:
        """Freeze and validate the version being worked on; only a declarant granted for this very FINESS may.

        Raises NotAllowed, DossierIncomplete (every missing or wrong field), MoveRefused. Validating twice gives the same version.
        """
        with self._changing(dossier_id, actor, Permission.READ_DOSSIERS) as (connection, dossier):
            if not _may_validate(dossier, actor):
                raise NotAllowed("Seul un déclarant de cet établissement (directeur ou personne déléguée) peut valider la déclaration.")
            form = self._desk_form()
            if dossier.validated_version == dossier.version_number:
                return store.read_versions(connection, dossier.id, form.form)[-1][0]
            phase = _phase(dossier)
            self._expect_complete(dossier, phase)
            state = _S.VALIDE_DIRECTION if dossier.state in BEFORE_TRANSMISSION else dossier.state
            after = replace(dossier, state=state, validated_version=dossier.version_number)
            now = self._clock()
            store.write_journal(connection, dossier.id, now, actor, ("version validée", f"version {dossier.version_number}"))
            journal = store.read_journal(connection, dossier.id)
            frozen: Version | None = None
            for each in (form, *(other for other in self._forms_now() if other is not form)):
                body = canonical(build(each, after, phase, state.value, journal))
                version = Version(
                    dossier_id=dossier.id,
                    number=dossier.version_number,
                    phase=phase,
                    sha256=sha256(body),
                    body=body,
                    frozen_at=now,
                    frozen_by=actor.name,
                )
                store.freeze(connection, version, each.form, dossier.content)
                frozen = frozen or version
            assert frozen is not None
            line = ("version figée", f"version {dossier.version_number}, SHA-256 {frozen.sha256}")
            self._saved(connection, after, actor, line, frozen.sha256)
            return frozen

    def _expect_complete(self, dossier: Dossier, phase: Phase) -> None:
        situation = situation_of(dossier.content, dossier.criteria)
        missing = completeness(self._desk_form(), dossier.content, phase, situation).missing
        if missing:
            names = " ; ".join(f"{error.label} : {error.problem}" for error in missing)
            raise DossierIncomplete(french(f"{len(missing)} champ(s) à reprendre : {names}"), missing)

    # ------------------------------------------------------------------ filing
    def file(self, dossier_id: str, actor: Principal) -> Receipt:
        """File the validated version with the desk and keep its receipt. Safe to repeat after a failure or a kill: one receipt.

        Raises DossierAbsent, NotAllowed, MoveRefused (not validated), FilingFailed (desk unreachable or refusing; kept as pending).
        """
        with self._changing(dossier_id, actor) as (connection, dossier):
            if dossier.validated_version != dossier.version_number:
                raise MoveRefused("La version en cours n’est pas validée : un déclarant de l’établissement doit d’abord la valider.")
            if dossier.filed_version == dossier.version_number:
                done = [
                    receipt for receipt in store.read_receipts(connection, dossier.id) if receipt.version_number == dossier.filed_version
                ]
                if done:
                    return done[0]
                raise MoveRefused("Cette version a déjà été transmise par une autre voie.")
            version = store.read_versions(connection, dossier.id, self._desk_form().form)[-1][0]
            store.start_filing(connection, dossier.id, version, actor, self._clock())
            line = ("dépôt commencé", f"version {version.number}")
            store.write_journal(connection, dossier.id, self._clock(), actor, line, version.sha256)
        return self._send(dossier, version, actor)

    def _send(self, dossier: Dossier, version: Version, actor: Principal) -> Receipt:
        """Outside any transaction: the desk may be this very process, and it needs the database too."""
        if self._filing is None:
            raise FilingFailed("Aucun guichet n’est réglé.")
        try:
            receipt = self._filing.file(version.body)
        except (DeskUnreachable, DeskRefused) as error:
            refused = isinstance(error, DeskRefused)
            details = "".join(f" ; {field} : {problem}" for field, problem in error.faults) if isinstance(error, DeskRefused) else ""
            with self._database.transaction() as connection:
                store.fail_filing(connection, dossier.id, version.number, f"{error}{details}", refused=refused)
                store.write_journal(connection, dossier.id, self._clock(), actor, ("dépôt échoué", f"{error}{details}"), version.sha256)
            again = "" if refused else " Rien n’est perdu : le dépôt sera repris."
            raise FilingFailed(french(f"Le dépôt a échoué : {error}{details}.{again}")) from error
        with self._database.transaction() as connection:
            return self._keep(connection, dossier, version, receipt, actor)

    def _keep(self, connection: Connection, seen: Dossier, version: Version, receipt: Receipt, actor: Principal) -> Receipt:
        dossier = store.find(connection, actor, dossier_id=seen.id) or seen
        filing = store.read_filing(connection, dossier.id, version.number)
        if filing is not None and filing.state == "done":
            # Two people pressed at once: the desk gave both the same receipt.
            return next(kept for kept in store.read_receipts(connection, dossier.id) if kept.version_number == version.number)
        store.finish_filing(connection, dossier.id, receipt)
        state = _S.TRANSMIS if dossier.state in BEFORE_TRANSMISSION else dossier.state if version.phase is Phase.CLOTURE else _S.COMPLETE
        made = Transmission(
            form_id=self._desk_form().form,
            stage=_STAGE[version.phase],
            at=receipt.received_at,
            channel="guichet",
            reference=receipt.number,
            actor=actor.name,
        )
        store.add_transmission(connection, dossier.id, made)
        after = replace(dossier, state=state, filed_version=version.number, receipt_number=receipt.number)
        self._saved(connection, after, actor, ("récépissé reçu", f"n° {receipt.number}, version {version.number}"), version.sha256)
        return receipt

    def resume_filings(self) -> int:
        """Finish filings that a kill or a failure left half-way; returns how many got their receipt. For the watch's worker."""
        with self._database.reading() as connection:
            pending = store.pending_filings(connection)
            waiting = [(filing, *found) for filing in pending if (found := store.load_filing(connection, filing, self._desk_form().form))]
        count = 0
        for filing, dossier, version in waiting:
            # On behalf of who asked for it, within the dossier's own tenant and establishment.
            actor = store.filing_principal(filing, dossier)
            try:
                self._send(dossier, version, actor)
            except FilingFailed:
                continue
            count += 1
        return count

    # ------------------------------------------------------------------ what follows
    def cancel(self, dossier_id: str, reason: str, actor: Principal) -> Dossier:
        """Give up before transmission, with a reason: → ``annule``."""
        with self._changing(dossier_id, actor) as (connection, dossier):
            _expect_move(dossier, _S.ANNULE)
            filing = store.read_filing(connection, dossier.id, dossier.validated_version or 0)
            if filing is not None and filing.state == "pending":
                raise MoveRefused("Un dépôt est en cours : le guichet l’a peut-être déjà reçu.")
            return self._saved(connection, replace(dossier, state=_S.ANNULE), actor, ("annulé", _reason(reason)))

    def move(self, dossier_id: str, state: DossierState, reason: str, actor: Principal) -> Dossier:
        """Follow what the authority answered (``pris_en_compte`` … ``clos``); ``clos`` needs the closing section complete."""
        with self._changing(dossier_id, actor) as (connection, dossier):
            if state not in _FOLLOWED:
                raise MoveRefused(f"L’état «{STATE_LABELS[state][0]}» ne se choisit pas à la main.")
            _expect_move(dossier, state)
            if state is _S.CLOS:
                self._expect_complete(dossier, Phase.CLOTURE)
            return self._saved(connection, replace(dossier, state=state), actor, (f"état : {STATE_LABELS[state][0]}", _reason(reason)))

    def record_transmission(self, dossier_id: str, made: Transmission, actor: Principal) -> Dossier:
        """A person declared to an authority elsewhere: ``stage`` is a deadline's ``rule_id``. Stops that clock.

        For the desk's own form it also moves a validated dossier to ``transmis``. Raises MoveRefused when something is not right.
        """
        with self._changing(dossier_id, actor) as (connection, dossier):
            form = next((form for form in self._forms_now() if form.form == made.form_id), None)
            if form is None or made.stage not in {rule.id for rule in form.deadlines}:
                raise MoveRefused(f"Aucune étape «{made.stage}» dans le formulaire «{made.form_id}».")
            if made.at.tzinfo is None or made.at > self._clock() + timedelta(minutes=5):
                raise MoveRefused("La date de transmission est dans le futur.")
            if not made.channel.strip() or not made.reference.strip():
                raise MoveRefused("La voie et la référence reçue sont attendues.")
            after = dossier
            if form.filing == "desk" and dossier.state in BEFORE_TRANSMISSION:
                _expect_move(dossier, _S.TRANSMIS)
                after = replace(dossier, state=_S.TRANSMIS, filed_version=dossier.validated_version)
            store.add_transmission(connection, dossier.id, replace(made, actor=actor.name))
            authority, label = (
                form.authority.name.text("fr"),
                next(rule.label.text("fr") for rule in form.deadlines if rule.id == made.stage),
            )
            line = (f"transmis : {authority}", f"{label}, par {made.channel.strip()}, référence {made.reference.strip()}")
            return self._saved(connection, after, actor, line)

    # ------------------------------------------------------------------ clocks and the decision
    def deadlines(self, dossier: Dossier, now: datetime | None = None, *, language: str = "fr") -> tuple[Deadline, ...]:
        """The clocks of every duty of this dossier at ``now`` (default: the clock), the most urgent first."""
        with self._database.reading() as connection:
            sent = store.read_transmissions(connection, dossier.id)
        situation = situation_of(dossier.content, dossier.criteria)
        return compute(self._forms_now(), _clocks(dossier, sent), situation, now or self._clock(), language)

    def deadlines_for_incident(
        self, incident: Incident, now: datetime | None = None, *, qualified_at: datetime | None = None, language: str = "fr"
    ) -> tuple[Deadline, ...]:
        """The same before a dossier exists (with one, the dossier's). The caller has checked that the person sees the incident."""
        with self._database.reading() as connection:
            dossier = store.load_of_incident(connection, incident.tenant, incident.id)
        if dossier is not None:
            current = replace(dossier, criteria=dict(incident.qualification), aware_at=dossier.aware_at or incident.aware_at)
            return self.deadlines(replace(current, qualified_at=dossier.qualified_at or qualified_at), now, language=language)
        forms = self._forms_now()
        known = Known(incident, Facts(), self._establishments.get(incident.finess or ""))
        situation = situation_of(fill(forms, known, Content())[0], incident.qualification)
        clocks = Clocks(detected_at=incident.detected_at, aware_at=incident.aware_at, qualified_at=qualified_at)
        return compute(forms, clocks, situation, now or self._clock(), language)

    def proposal(self, criteria: Mapping[str, str], circumstances: Circumstances | None = None, *, language: str = "fr") -> Proposal:
        """What the answers on the five criteria (key → oui, non, inconnu) lead to, with reasons; a person decides."""
        return propose(criteria, circumstances, language)

    # ------------------------------------------------------------------ versions and exports
    def versions(self, dossier_id: str, principal: Principal) -> tuple[Version, ...]:
        """Frozen versions of the desk's form, oldest first."""
        with self._database.reading() as connection:
            dossier = self._found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            return tuple(version for version, _ in store.read_versions(connection, dossier.id, self._desk_form().form))

    def differences(
        self, dossier_id: str, old: int, new: int | None, principal: Principal, *, language: str = "fr"
    ) -> tuple[Difference, ...]:
        """What changed between two frozen versions; ``new=None`` compares with what is being worked on. Raises DossierAbsent."""
        with self._database.reading() as connection:
            dossier = self._found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            frozen = {version.number: content for version, content in store.read_versions(connection, dossier.id, self._desk_form().form)}
        if old not in frozen or (new is not None and new not in frozen):
            raise DossierAbsent("Aucune version figée sous ce numéro.")
        after = dossier.content if new is None else frozen[new]
        return differences(distinct_fields(self._forms_now()), frozen[old], after, language)

    def receipts(self, dossier_id: str, principal: Principal) -> tuple[Receipt, ...]:
        """Receipts of the desk, oldest first."""
        with self._database.reading() as connection:
            dossier = self._found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            return store.read_receipts(connection, dossier.id)

    def json(self, dossier_id: str, principal: Principal, version: int | None = None, *, form_id: str | None = None) -> bytes:
        """The declaration as canonical JSON; of a frozen version the very bytes that were hashed.

        ``version=None``: the one being worked on if it is frozen, else a draft of it. ``form_id``: another form of the dossier.
        """
        return self._exported(dossier_id, principal, version, form_id)[1]

    def pdf(self, dossier_id: str, principal: Principal, version: int | None = None, *, form_id: str | None = None) -> bytes:
        """The declaration as an accessible PDF (PDF/UA-1, PDF/A-2a) in French; same versions as :meth:`json`."""
        form, body, frozen, receipts = self._exported(dossier_id, principal, version, form_id)
        return render(form, body, frozen, next((r for r in receipts if frozen and r.sha256 == frozen.sha256), None), self._clock())

    def stix(self, dossier_id: str, principal: Principal, version: int | None = None) -> bytes:
        """The declaration as a STIX 2.1 bundle; same versions as :meth:`json`."""
        form, body, frozen, _ = self._exported(dossier_id, principal, version, None)
        return bundle(form, body, frozen.frozen_at if frozen else self._clock())

    def _exported(
        self, dossier_id: str, principal: Principal, version: int | None, form_id: str | None
    ) -> tuple[Form, bytes, Version | None, tuple[Receipt, ...]]:
        with self._database.reading() as connection:
            dossier = self._found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            form = next((form for form in self._forms_now() if form.form == form_id), None) if form_id else self._desk_form()
            if form is None:
                raise DossierAbsent("Aucun formulaire en vigueur sous ce nom.")
            frozen = {kept.number: kept for kept, _ in store.read_versions(connection, dossier.id, form.form)}
            receipts = store.read_receipts(connection, dossier.id)
            journal = store.read_journal(connection, dossier.id)
        if version is not None and version not in frozen:
            raise DossierAbsent("Aucune version figée sous ce numéro.")
        kept = frozen.get(version if version is not None else dossier.version_number)
        body = kept.body if kept else canonical(build(form, dossier, _phase(dossier), dossier.state.value, journal))
        return form, body, kept, receipts


def _phase(dossier: Dossier) -> Phase:
    """Which declaration the version being worked on is."""
    if dossier.filed_version is None:
        return Phase.INITIALE
    return Phase.CLOTURE if dossier.state in (_S.RESOLU, _S.CLOS) else Phase.COMPLEMENT


def _may_validate(dossier: Dossier, actor: Principal) -> bool:
    """Seeing every establishment is not signing for it: the FINESS must be granted by name."""
    return actor.may(Permission.VALIDATE_DOSSIERS) and dossier.finess is not None and dossier.finess in actor.finess


def _expect_move(dossier: Dossier, state: DossierState) -> None:
    if state not in DOSSIER_MOVES[dossier.state]:
        here, there = STATE_LABELS[dossier.state][0], STATE_LABELS[state][0]
        raise MoveRefused(french(f"Un dossier à l’état «{here}» ne peut pas passer à l’état «{there}»."))


def _next_version(dossier: Dossier) -> Dossier:
    """A change after a validation belongs to the next version; before transmission it also voids the validation."""
    if dossier.validated_version != dossier.version_number:
        return replace(dossier, state=_S.BROUILLON) if dossier.state is _S.A_VALIDER else dossier
    state = _S.BROUILLON if dossier.state in BEFORE_TRANSMISSION else dossier.state
    return replace(dossier, version_number=dossier.version_number + 1, state=state)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise MoveRefused("Un motif est attendu.")
    return reason.strip()[:1000]


def _clocks(dossier: Dossier, sent: Sequence[Transmission]) -> Clocks:
    first: dict[tuple[str, str], datetime] = {}
    for made in sent:
        key = (made.form_id, made.stage)
        first[key] = min(made.at, first.get(key, made.at))
    ended = dossier.content.values.get("incident.date_fin")
    return Clocks(
        detected_at=dossier.detected_at,
        aware_at=dossier.aware_at,
        qualified_at=dossier.qualified_at,
        resolved_at=datetime.fromisoformat(ended) if isinstance(ended, str) else None,
        sent=first,
    )
