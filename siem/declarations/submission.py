"""Validating and filing: a version is frozen and hashed, then given to the desk, in steps that a kill cannot lose or double.

The filing is written down as pending before anything is sent, and its receipt after; what was pending is sent again, which the desk answers
with the receipt it gave. Nothing is sent inside a transaction: the desk may be this very process and needs the database too.
"""

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from siem.access import Permission, Principal
from siem.declarations import store
from siem.declarations.documents import build, canonical, sha256
from siem.declarations.filing import DeskRefused, DeskUnreachable, FilingClient
from siem.declarations.filling import completeness, situation_of
from siem.declarations.model import (
    BEFORE_TRANSMISSION,
    Dossier,
    DossierIncomplete,
    DossierState,
    FilingFailed,
    MoveRefused,
    NotAllowed,
    Phase,
    Receipt,
    Transmission,
    Version,
)
from siem.declarations.records import Records, may_validate, phase_of
from siem.declarations.wording import french

#: Which clock of the desk's form a filing stops.
_STAGE: Final = {Phase.INITIALE: "declaration", Phase.COMPLEMENT: "complement", Phase.CLOTURE: "resolution"}


def expect_complete(records: Records, dossier: Dossier, phase: Phase) -> None:
    """Raises DossierIncomplete naming every missing or wrong field of the desk's form."""
    situation = situation_of(dossier.content, dossier.criteria)
    missing = completeness(records.desk_form(), dossier.content, phase, situation).missing
    if missing:
        names = " ; ".join(f"{error.label} : {error.problem}" for error in missing)
        count = "1 champ" if len(missing) == 1 else f"{len(missing)} champs"
        raise DossierIncomplete(french(f"{count} à reprendre : {names}"), missing)


class Submissions:
    """Validation and filing of dossiers. ``filing``: the way to the desk, None when no desk is set."""

    def __init__(self, records: Records, filing: FilingClient | None) -> None:
        self._records = records
        self._filing = filing

    def validate(self, dossier_id: str, actor: Principal) -> Version:
        """Freeze and validate the version being worked on; see :meth:`Dossiers.validate`."""
        records = self._records
        with records.changing(dossier_id, actor, Permission.READ_DOSSIERS) as (connection, dossier):
            if not may_validate(dossier, actor):
                raise NotAllowed("Seul un déclarant de cet établissement (directeur ou personne déléguée) peut valider la déclaration.")
            if dossier.validated_version == dossier.version_number:
                return store.read_versions(connection, dossier.id, records.desk_form().form)[-1][0]
            phase = phase_of(dossier)
            expect_complete(records, dossier, phase)
            state = DossierState.VALIDE_DIRECTION if dossier.state in BEFORE_TRANSMISSION else dossier.state
            after = replace(dossier, state=state, validated_version=dossier.version_number)
            line = ("version validée", f"version {dossier.version_number}")
            store.write_journal(connection, dossier.id, records.clock(), actor, line)
            version = self._freeze(connection, after, phase, actor)
            line = ("version figée", f"version {version.number}, SHA-256 {version.sha256}")
            records.save(connection, after, actor, line, version.sha256)
            return version

    def _freeze(self, connection: Connection, dossier: Dossier, phase: Phase, actor: Principal) -> Version:
        """Every form's bytes of this version; answers the desk's."""
        journal = store.read_journal(connection, dossier.id)
        now = self._records.clock()
        for form in self._records.forms_now():
            body = canonical(build(form, dossier, phase, dossier.state.value, journal))
            version = Version(
                dossier_id=dossier.id,
                number=dossier.version_number,
                phase=phase,
                sha256=sha256(body),
                body=body,
                frozen_at=now,
                frozen_by=actor.name,
            )
            store.freeze(connection, version, form.form, dossier.content)
        return store.read_versions(connection, dossier.id, self._records.desk_form().form)[-1][0]

    def file(self, dossier_id: str, actor: Principal) -> Receipt:
        """File the validated version; see :meth:`Dossiers.file`."""
        records = self._records
        with records.changing(dossier_id, actor) as (connection, dossier):
            if dossier.validated_version != dossier.version_number:
                raise MoveRefused("La version en cours n’est pas validée : un déclarant de l’établissement doit d’abord la valider.")
            if dossier.filed_version == dossier.version_number:
                return _kept_receipt(connection, dossier)
            version = store.read_versions(connection, dossier.id, records.desk_form().form)[-1][0]
            store.start_filing(connection, dossier.id, version, actor, records.clock())
            line = ("dépôt commencé", f"version {version.number}")
            store.write_journal(connection, dossier.id, records.clock(), actor, line, version.sha256)
        return self._send(dossier, version, actor)

    def _send(self, dossier: Dossier, version: Version, actor: Principal) -> Receipt:
        if self._filing is None:
            raise FilingFailed("Aucun guichet n’est réglé : le dépôt attend.")
        try:
            receipt = self._filing.file(version.body)
        except DeskRefused as error:
            details = "".join(f" ; {field} : {problem}" for field, problem in error.faults)
            self._failed(dossier, version, f"{error}{details}", actor, refused=True)
            raise FilingFailed(french(f"Le guichet a refusé la déclaration : {error}{details}")) from error
        except DeskUnreachable as error:
            self._failed(dossier, version, str(error), actor, refused=False)
            raise FilingFailed(french(f"Le dépôt n’a pas abouti : {error}. Rien n’est perdu, vous pouvez réessayer.")) from error
        with self._records.database.transaction() as connection:
            return self._keep(connection, dossier, version, receipt, actor)

    def _failed(self, dossier: Dossier, version: Version, why: str, actor: Principal, *, refused: bool) -> None:
        with self._records.database.transaction() as connection:
            before = store.read_filing(connection, dossier.id, version.number)
            if before is not None and before.state == "done":
                return
            store.fail_filing(connection, dossier.id, version.number, why, refused=refused)
            # The worker tries again and again: the journal tells each reason once, not each attempt.
            if before is None or before.error != why:
                line = ("dépôt refusé" if refused else "dépôt échoué", why)
                store.write_journal(connection, dossier.id, self._records.clock(), actor, line, version.sha256)

    def _keep(self, connection: Connection, seen: Dossier, version: Version, receipt: Receipt, actor: Principal) -> Receipt:
        dossier = store.find(connection, actor, dossier_id=seen.id) or seen
        filing = store.read_filing(connection, dossier.id, version.number)
        if filing is not None and filing.state == "done":
            # Two people pressed at once: the desk gave both the same receipt, and the first has kept it.
            return next(kept for kept in store.read_receipts(connection, dossier.id) if kept.version_number == version.number)
        store.finish_filing(connection, dossier.id, receipt)
        made = Transmission(
            form_id=self._records.desk_form().form,
            stage=_STAGE[version.phase],
            at=receipt.received_at,
            channel="guichet",
            reference=receipt.number,
            actor=actor.name,
        )
        store.add_transmission(connection, dossier.id, made)
        after = replace(dossier, state=_state_after(dossier, version), filed_version=version.number, receipt_number=receipt.number)
        line = ("récépissé reçu", f"n° {receipt.number}, version {version.number}")
        self._records.save(connection, after, actor, line, version.sha256)
        return receipt

    def resume(self) -> int:
        """Send again what was left pending; see :meth:`Dossiers.resume_filings`."""
        with self._records.database.reading() as connection:
            form_id = self._records.desk_form().form
            waiting = [
                (filing, found) for filing in store.pending_filings(connection) if (found := store.load_filing(connection, filing, form_id))
            ]
        count = 0
        for filing, (dossier, version) in waiting:
            try:
                self._send(dossier, version, store.filing_principal(filing, dossier))
            except FilingFailed:
                continue
            count += 1
        return count


def _kept_receipt(connection: Connection, dossier: Dossier) -> Receipt:
    for receipt in store.read_receipts(connection, dossier.id):
        if receipt.version_number == dossier.filed_version:
            return receipt
    raise MoveRefused("Cette version a déjà été transmise par une autre voie.")


def _state_after(dossier: Dossier, version: Version) -> DossierState:
    if dossier.state in BEFORE_TRANSMISSION:
        return DossierState.TRANSMIS
    return dossier.state if version.phase is Phase.CLOTURE else DossierState.COMPLETE
