"""Opening the dossier of an incident, and bringing it up to date with what is newly known; the same facts twice change nothing."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from siem.access import Principal
from siem.declarations import store
from siem.declarations.establishments import Establishment
from siem.declarations.facts import MEASURED, Known
from siem.declarations.filling import fill
from siem.declarations.model import FINAL, Content, Dossier, DossierState, Facts, FieldError
from siem.declarations.records import Records
from siem.incidents.model import Incident

_NAMESPACE: Final = uuid.UUID("5f0b6a1e-6f0e-5c39-9a6e-0d6a3f5f7c11")


def open_dossier(
    records: Records,
    establishments: Mapping[str, Establishment],
    connection: Connection,
    incident: Incident,
    actor: Principal,
    facts: Facts | None,
) -> Dossier:
    """The incident's dossier, opened or brought up to date. A validated version is left as it was validated."""
    before = store.find(connection, actor, incident_id=incident.id)
    now = records.clock()
    base = before or _new(incident, records)
    if before is not None and (base.state in FINAL or base.validated_version == base.version_number):
        return before
    after, refused = _brought_up_to_date(records, establishments.get(base.finess or ""), base, incident, facts)
    if before == after:
        return after
    if before is not None:
        return records.save(connection, after, actor, ("dossier actualisé", "faits de l’incident repris"))
    store.add(connection, after)
    store.write_journal(connection, after.id, now, actor, ("dossier ouvert", f"depuis l’incident {incident.number}"))
    for error in refused:
        store.write_journal(connection, after.id, now, actor, ("valeur écartée", f"{error.label} : {error.problem}"))
    return after


def _new(incident: Incident, records: Records) -> Dossier:
    """The id follows from the incident: opened twice at once, it is one dossier or a clash of keys, never two."""
    now = records.clock()
    return Dossier(
        id=str(uuid.uuid5(_NAMESPACE, f"{incident.tenant}/{incident.id}")),
        tenant=incident.tenant,
        finess=incident.finess,
        incident_id=incident.id,
        incident_number=incident.number,
        title=incident.title,
        state=DossierState.BROUILLON,
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


def _brought_up_to_date(
    records: Records, establishment: Establishment | None, base: Dossier, incident: Incident, facts: Facts | None
) -> tuple[Dossier, list[FieldError]]:
    # Once it has started, the legal clock does not move.
    aware_at = base.aware_at or incident.aware_at
    known = Known(replace(incident, aware_at=aware_at, finess=base.finess or incident.finess), facts or Facts(), establishment)
    keep = MEASURED if facts is None and base.content.origins else ()
    content, refused = fill(records.forms_now(), known, base.content, keep)
    after = replace(
        base,
        title=incident.title,
        finess=base.finess or incident.finess,
        criteria=dict(incident.qualification),
        aware_at=aware_at,
        qualified_at=base.qualified_at or (facts.qualified_at if facts else None),
        content=content,
    )
    return after, refused
