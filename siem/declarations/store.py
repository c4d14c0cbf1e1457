"""Tables of dossiers, their versions, journal, filings and transmissions; every function takes an open connection."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from siem.access import Principal, Role, visible
from siem.declarations.documents import content_from_json, content_to_json
from siem.declarations.model import Content, Dossier, DossierState, JournalEntry, Phase, Receipt, Transmission, Version
from siem.store.database import Instant, metadata

dossiers = Table(
    "declaration_dossiers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("finess", String(9), index=True),
    Column("incident_id", String(64), nullable=False),
    Column("incident_number", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("state", String(32), nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("validated_version", Integer),
    Column("filed_version", Integer),
    Column("content", Text, nullable=False),
    Column("criteria", Text, nullable=False),
    Column("detected_at", Instant, nullable=False),
    Column("aware_at", Instant),
    Column("qualified_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("receipt_number", String(32)),
    UniqueConstraint("tenant", "incident_id"),
)

versions = Table(
    "declaration_versions",
    metadata,
    Column("dossier_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("form_id", String(64), primary_key=True),
    Column("phase", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("content", Text, nullable=False),
    Column("frozen_at", Instant, nullable=False),
    Column("frozen_by", Text, nullable=False),
)

journal = Table(
    "declaration_journal",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("dossier_id", String(36), nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_subject", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("sha256", String(64)),
)

filings = Table(
    "declaration_filings",
    metadata,
    Column("dossier_id", String(36), primary_key=True),
    Column("version_number", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_subject", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("receipt_number", String(32)),
    Column("received_at", Instant),
    Column("jws", Text),
    Column("issuer", Text),
)

transmissions = Table(
    "declaration_transmissions",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("dossier_id", String(36), nullable=False, index=True),
    Column("form_id", String(64), nullable=False),
    Column("stage", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("actor", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """One version on its way to the desk: ``pending`` until its receipt is kept (``done``) or the desk says no (``refused``)."""

    dossier_id: str
    version_number: int
    sha256: str
    state: str
    actor: str
    actor_subject: str
    attempt_count: int
    error: str


def scope(principal: Principal) -> ColumnElement[bool]:
    """The WHERE clause of every reading on behalf of a person."""
    return visible(principal, dossiers.c.finess, dossiers.c.tenant)


def find(connection: Connection, principal: Principal, *, dossier_id: str | None = None, incident_id: str | None = None) -> Dossier | None:
    """One dossier by its id or its incident's, if this person sees it."""
    wanted = dossiers.c.id == dossier_id if dossier_id is not None else dossiers.c.incident_id == incident_id
    row = connection.execute(select(dossiers).where(wanted, scope(principal))).one_or_none()
    return None if row is None else _dossier(row)


def listed(connection: Connection, principal: Principal, states: Collection[DossierState], finess: str | None, limit: int) -> list[Dossier]:
    """Dossiers this person sees, last changed first."""
    query = select(dossiers).where(scope(principal))
    if states:
        query = query.where(dossiers.c.state.in_([state.value for state in states]))
    if finess is not None:
        query = query.where(dossiers.c.finess == finess)
    query = query.order_by(dossiers.c.updated_at.desc(), dossiers.c.id).limit(limit)
    return [_dossier(row) for row in connection.execute(query)]


def _dossier(row: Row[Any]) -> Dossier:
    data = dict(row._mapping)
    data["state"] = DossierState(data["state"])
    data["content"] = content_from_json(data["content"])
    data["criteria"] = json.loads(data["criteria"])
    return Dossier(**data)


def _columns(dossier: Dossier) -> dict[str, object]:
    columns: dict[str, object] = {column.name: getattr(dossier, column.name) for column in dossiers.columns}
    columns |= {
        "state": dossier.state.value,
        "content": content_to_json(dossier.content),
        "criteria": json.dumps(dict(dossier.criteria), sort_keys=True),
    }
    return columns


def add(connection: Connection, dossier: Dossier) -> None:
    """A new dossier."""
    connection.execute(insert(dossiers).values(_columns(dossier)))


def save(connection: Connection, dossier: Dossier) -> None:
    """The dossier as it now is."""
    connection.execute(update(dossiers).where(dossiers.c.id == dossier.id).values(_columns(dossier)))


def write_journal(
    connection: Connection, dossier_id: str, at: datetime, actor: Principal, line: tuple[str, str], sha256: str | None = None
) -> None:
    """One line, ``(action, detail)``, of the journal."""
    connection.execute(
        insert(journal).values(
            dossier_id=dossier_id, at=at, actor=actor.name, actor_subject=actor.subject, action=line[0], detail=line[1], sha256=sha256
        )
    )


def read_journal(connection: Connection, dossier_id: str) -> tuple[JournalEntry, ...]:
    """The journal, oldest first."""
    rows = connection.execute(select(journal).where(journal.c.dossier_id == dossier_id).order_by(journal.c.position))
    return tuple(JournalEntry(at=row.at, actor=row.actor, action=row.action, detail=row.detail, sha256=row.sha256) for row in rows)


def freeze(connection: Connection, version: Version, form_id: str, content: Content) -> None:
    """Keep a frozen version of one form; a second time under the same number is an error of the caller (unique key)."""
    connection.execute(
        insert(versions).values(
            dossier_id=version.dossier_id,
            number=version.number,
            form_id=form_id,
            phase=version.phase.value,
            sha256=version.sha256,
            body=version.body,
            content=content_to_json(content),
            frozen_at=version.frozen_at,
            frozen_by=version.frozen_by,
        )
    )


def read_versions(connection: Connection, dossier_id: str, form_id: str) -> tuple[tuple[Version, Content], ...]:
    """Frozen versions of one form with the dossier's whole content at that time, oldest first."""
    wanted = (versions.c.dossier_id == dossier_id) & (versions.c.form_id == form_id)
    rows = connection.execute(select(versions).where(wanted).order_by(versions.c.number))
    return tuple(
        (
            Version(
                dossier_id=row.dossier_id,
                number=row.number,
                phase=Phase(row.phase),
                sha256=row.sha256,
                body=row.body,
                frozen_at=row.frozen_at,
                frozen_by=row.frozen_by,
            ),
            content_from_json(row.content),
        )
        for row in rows
    )


def start_filing(connection: Connection, dossier_id: str, version: Version, actor: Principal, at: datetime) -> Filing:
    """The filing of that version: the one there is, or a new one, pending."""
    there = read_filing(connection, dossier_id, version.number)
    if there is None:
        connection.execute(
            insert(filings).values(
                dossier_id=dossier_id,
                version_number=version.number,
                sha256=version.sha256,
                state="pending",
                actor=actor.name,
                actor_subject=actor.subject,
                started_at=at,
                attempt_count=0,
                error="",
            )
        )
    _update_filing(connection, dossier_id, version.number, attempt_count=filings.c.attempt_count + 1)
    filing = read_filing(connection, dossier_id, version.number)
    assert filing is not None
    return filing


def _update_filing(connection: Connection, dossier_id: str, number: int, **values: object) -> None:
    wanted = (filings.c.dossier_id == dossier_id) & (filings.c.version_number == number)
    connection.execute(update(filings).where(wanted).values(**values))


def fail_filing(connection: Connection, dossier_id: str, number: int, error: str, *, refused: bool) -> None:
    """The attempt failed: keep why. ``refused``: the desk said no, so trying the same again is of no use by itself."""
    _update_filing(connection, dossier_id, number, state="refused" if refused else "pending", error=error)


def finish_filing(connection: Connection, dossier_id: str, receipt: Receipt) -> None:
    """The receipt is here."""
    _update_filing(
        connection,
        dossier_id,
        receipt.version_number,
        state="done",
        error="",
        receipt_number=receipt.number,
        received_at=receipt.received_at,
        jws=receipt.jws,
        issuer=receipt.issuer,
    )


def read_filing(connection: Connection, dossier_id: str, number: int) -> Filing | None:
    """The filing of one version."""
    wanted = (filings.c.dossier_id == dossier_id) & (filings.c.version_number == number)
    row = connection.execute(select(filings).where(wanted)).one_or_none()
    return None if row is None else _filing(row)


def load_of_incident(connection: Connection, tenant: str, incident_id: str) -> Dossier | None:
    """The dossier of an incident that the caller has already checked the person sees."""
    row = connection.execute(select(dossiers).where(dossiers.c.tenant == tenant, dossiers.c.incident_id == incident_id)).one_or_none()
    return None if row is None else _dossier(row)


def load_filing(connection: Connection, filing: Filing, form_id: str) -> tuple[Dossier, Version] | None:
    """The dossier and the frozen version of a filing, for the watch's worker."""
    row = connection.execute(select(dossiers).where(dossiers.c.id == filing.dossier_id)).one_or_none()
    version = next((v for v, _ in read_versions(connection, filing.dossier_id, form_id) if v.number == filing.version_number), None)
    return None if row is None or version is None else (_dossier(row), version)


def filing_principal(filing: Filing, dossier: Dossier) -> Principal:
    """Who asked for a filing, limited to its own establishment: in whose name the worker goes on with it."""
    finess = frozenset({dossier.finess}) if dossier.finess else frozenset[str]()
    return Principal(filing.actor_subject, filing.actor, frozenset({Role.DECLARANT}), finess, dossier.tenant)


def pending_filings(connection: Connection) -> list[Filing]:
    """Filings without a receipt that the desk has not refused, oldest first. Not on behalf of a person: for the watch's worker."""
    rows = connection.execute(select(filings).where(filings.c.state == "pending").order_by(filings.c.started_at))
    return [_filing(row) for row in rows]


def _filing(row: Row[Any]) -> Filing:
    return Filing(
        dossier_id=row.dossier_id,
        version_number=row.version_number,
        sha256=row.sha256,
        state=row.state,
        actor=row.actor,
        actor_subject=row.actor_subject,
        attempt_count=row.attempt_count,
        error=row.error,
    )


def read_receipts(connection: Connection, dossier_id: str) -> tuple[Receipt, ...]:
    """Receipts, oldest first."""
    wanted = (filings.c.dossier_id == dossier_id) & (filings.c.state == "done")
    rows = connection.execute(select(filings).where(wanted).order_by(filings.c.version_number))
    return tuple(
        Receipt(
            number=row.receipt_number,
            received_at=row.received_at,
            sha256=row.sha256,
            declaration_id=row.dossier_id,
            version_number=row.version_number,
            jws=row.jws,
            issuer=row.issuer,
        )
        for row in rows
    )


def add_transmission(connection: Connection, dossier_id: str, made: Transmission) -> None:
    """Something was sent to an authority."""
    connection.execute(
        insert(transmissions).values(
            dossier_id=dossier_id,
            form_id=made.form_id,
            stage=made.stage,
            at=made.at,
            channel=made.channel,
            reference=made.reference,
            actor=made.actor,
        )
    )


def read_transmissions(connection: Connection, dossier_id: str) -> tuple[Transmission, ...]:
    """What was sent, in the order it was entered."""
    rows: Sequence[Row[Any]] = connection.execute(
        select(transmissions).where(transmissions.c.dossier_id == dossier_id).order_by(transmissions.c.position)
    ).all()
    return tuple(
        Transmission(form_id=row.form_id, stage=row.stage, at=row.at, channel=row.channel, reference=row.reference, actor=row.actor)
        for row in rows
    )
