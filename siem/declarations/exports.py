"""What goes out of a dossier: the JSON that was hashed, the PDF, the STIX bundle, the differences between versions."""

from siem.access import Permission, Principal
from siem.declarations import store
from siem.declarations.documents import build, canonical, differences
from siem.declarations.filling import distinct_fields
from siem.declarations.form import Form
from siem.declarations.model import Difference, DossierAbsent, Receipt, Version
from siem.declarations.pdf import render
from siem.declarations.records import Records, phase_of
from siem.declarations.stix import bundle


class Exports:
    """Exports of one version: a frozen one by its number, or by default the one being worked on (a draft while it is not frozen)."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def json(self, dossier_id: str, principal: Principal, version: int | None, form_id: str | None) -> bytes:
        """Canonical JSON."""
        return self._version(dossier_id, principal, version, form_id)[1]

    def pdf(self, dossier_id: str, principal: Principal, version: int | None, form_id: str | None) -> bytes:
        """Accessible PDF in French, with the receipt when this version has one."""
        form, body, frozen, receipts = self._version(dossier_id, principal, version, form_id)
        receipt = next((receipt for receipt in receipts if frozen and receipt.sha256 == frozen.sha256), None)
        return render(form, body, frozen, receipt, self._records.clock())

    def stix(self, dossier_id: str, principal: Principal, version: int | None) -> bytes:
        """STIX 2.1 bundle."""
        form, body, frozen, _ = self._version(dossier_id, principal, version, None)
        return bundle(form, body, frozen.frozen_at if frozen else self._records.clock())

    def differences(self, dossier_id: str, old: int, new: int | None, principal: Principal, language: str) -> tuple[Difference, ...]:
        """What changed between two frozen versions, or since one."""
        records = self._records
        with records.database.reading() as connection:
            dossier = records.found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            kept = store.read_versions(connection, dossier.id, records.desk_form().form)
        frozen = {version.number: content for version, content in kept}
        if old not in frozen or (new is not None and new not in frozen):
            raise DossierAbsent("Aucune version figée sous ce numéro.")
        after = dossier.content if new is None else frozen[new]
        return differences(distinct_fields(records.forms_now()), frozen[old], after, language)

    def _version(
        self, dossier_id: str, principal: Principal, version: int | None, form_id: str | None
    ) -> tuple[Form, bytes, Version | None, tuple[Receipt, ...]]:
        records = self._records
        with records.database.reading() as connection:
            dossier = records.found(connection, dossier_id, principal, Permission.READ_DOSSIERS)
            form = records.form_named(form_id)
            frozen = {kept.number: kept for kept, _ in store.read_versions(connection, dossier.id, form.form)}
            receipts = store.read_receipts(connection, dossier.id)
            journal = store.read_journal(connection, dossier.id)
        if version is not None and version not in frozen:
            raise DossierAbsent("Aucune version figée sous ce numéro.")
        kept = frozen.get(version if version is not None else dossier.version_number)
        body = kept.body if kept else canonical(build(form, dossier, phase_of(dossier), dossier.state.value, journal))
        return form, body, kept, receipts
