"""The desk: receives declarations, gives each a number and a signed receipt, and never receives the same one twice.

A declaration is one (id, SHA-256 of its bytes): filed again, it gets the receipt it had. Its complements keep its number under a higher
``version_number``. The desk has its own tables and knows nothing of the dossiers of the sender, which may be another watch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Column, Connection, Integer, LargeBinary, Row, String, Table, Text, UniqueConstraint, func, insert, select, update

from siem.access import Permission, Principal, visible
from siem.declarations.documents import rfc3339, sha256
from siem.declarations.forms import Forms
from siem.declarations.inspection import Fault, Inspected, Unacceptable, inspect, load_schema
from siem.declarations.model import DossierAbsent, MoveRefused, NotAllowed, Receipt
from siem.declarations.receipt import ReceiptSigner
from siem.declarations.wording import PARIS
from siem.store.database import Database, Instant, metadata

Clock = Callable[[], datetime]

received = Table(
    "desk_declarations",
    metadata,
    Column("declaration_id", String(36), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("number", String(32), nullable=False, index=True),
    Column("year", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("phase", String(16), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("sender", String(64), nullable=False),
    Column("finess", String(9), nullable=False),
    Column("structure_name", Text, nullable=False),
    Column("region", String(8), nullable=False),
    Column("incident_type", String(64), nullable=False),
    Column("state", String(32), nullable=False),
    Column("decision", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("jws", Text, nullable=False),
    UniqueConstraint("number", "version_number"),
)


class DeskState(StrEnum):
    """How the desk handles a declaration; the words are those of the sender's dossier."""

    RECU = "recu"
    PRIS_EN_COMPTE = "pris_en_compte"
    QUALIFIE = "qualifie"
    COMPLEMENT_DEMANDE = "complement_demande"
    NON_RETENU = "non_retenu"
    DOUBLON = "doublon"


_D = DeskState
_MOVES: Final = {
    _D.RECU: frozenset({_D.PRIS_EN_COMPTE, _D.DOUBLON}),
    _D.PRIS_EN_COMPTE: frozenset({_D.QUALIFIE, _D.COMPLEMENT_DEMANDE, _D.NON_RETENU, _D.DOUBLON}),
    _D.QUALIFIE: frozenset({_D.COMPLEMENT_DEMANDE, _D.NON_RETENU, _D.DOUBLON}),
    _D.COMPLEMENT_DEMANDE: frozenset({_D.QUALIFIE, _D.NON_RETENU, _D.DOUBLON}),
    _D.NON_RETENU: frozenset[DeskState](),
    _D.DOUBLON: frozenset[DeskState](),
}


class Conflict(Exception):
    """Another content was already received under that id and version number, or a later version was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One line of the desk's list: the latest version received of a declaration."""

    number: str
    declaration_id: str
    version_number: int
    phase: str
    sender: str
    finess: str
    structure_name: str
    region: str
    incident_type: str
    state: DeskState
    decision: str
    received_at: datetime
    sha256: str
    jws: str


class Desk:
    """The receiving side. ``issuer`` names it in receipts; ``schema`` is the JSON Schema of declarations."""

    def __init__(self, database: Database, clock: Clock, signer: ReceiptSigner, forms: Forms, *, schema: Path, issuer: str) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._forms = forms
        self._schema = load_schema(schema)
        self.issuer = issuer

    def jwks(self) -> dict[str, Any]:
        """The published keys that receipts are signed with."""
        return self._signer.jwks()

    def receive(self, body: bytes, sender: str, tenant: str = "default") -> tuple[Receipt, bool]:
        """Take a declaration; answers its receipt and whether it is new. The same bytes again give the same receipt.

        Raises Unacceptable (every fault named), Conflict.
        """
        inspected = inspect(body, self._schema, self._forms)
        digest = sha256(body)
        with self._database.transaction() as connection:
            versions = self._versions(connection, inspected.declaration_id)
            for row in versions:
                if row.sender != sender:
                    raise Unacceptable((Fault("id", "cet identifiant est celui d’une déclaration d’un autre expéditeur"),))
                if row.sha256 == digest:
                    return _receipt(row, self.issuer), False
            if any(row.version_number >= inspected.version_number for row in versions):
                raise Conflict(f"la version {inspected.version_number} ou une suivante a déjà été reçue avec un autre contenu")
            receipt = self._record(connection, inspected, body, (sender, tenant), versions)
        return receipt, True

    def _versions(self, connection: Connection, declaration_id: str) -> list[Row[Any]]:
        return list(
            connection.execute(select(received).where(received.c.declaration_id == declaration_id).order_by(received.c.version_number))
        )

    def _record(
        self, connection: Connection, inspected: Inspected, body: bytes, origin: tuple[str, str], before: list[Row[Any]]
    ) -> Receipt:
        now = self._clock().replace(microsecond=0)
        year, rank = (before[0].year, before[0].rank) if before else self._next_number(connection, now)
        number = f"VEI-{year:04d}-{rank:06d}"
        claims = {
            "iss": self.issuer,
            "number": number,
            "received_at": rfc3339(now),
            "sha256": sha256(body),
            "declaration_id": inspected.declaration_id,
            "version_number": inspected.version_number,
        }
        token = self._signer.sign(claims)
        connection.execute(
            insert(received).values(
                declaration_id=inspected.declaration_id,
                sha256=claims["sha256"],
                number=number,
                year=year,
                rank=rank,
                version_number=inspected.version_number,
                phase=inspected.phase,
                tenant=origin[1],
                sender=origin[0],
                finess=inspected.finess,
                structure_name=inspected.structure_name,
                region=inspected.region,
                incident_type=inspected.incident_type,
                state=_state_after(before).value,
                decision="",
                received_at=now,
                body=body,
                jws=token,
            )
        )
        row = next(row for row in self._versions(connection, inspected.declaration_id) if row.sha256 == claims["sha256"])
        return _receipt(row, self.issuer)

    def _next_number(self, connection: Connection, now: datetime) -> tuple[int, int]:
        """The year in Paris and the next rank in it; the write lock of the transaction makes it unique."""
        year = now.astimezone(PARIS).year
        last = connection.execute(select(func.max(received.c.rank)).where(received.c.year == year)).scalar_one()
        return year, (last or 0) + 1

    def receipts(self, number: str, sender: str) -> tuple[Receipt, ...]:
        """Every receipt under a number, oldest version first; empty when that sender has none."""
        with self._database.reading() as connection:
            wanted = (received.c.number == number) & (received.c.sender == sender)
            rows = connection.execute(select(received).where(wanted).order_by(received.c.version_number))
            return tuple(_receipt(row, self.issuer) for row in rows)

    def list(
        self, principal: Principal, *, state: DeskState | None = None, region: str | None = None, limit: int = 200
    ) -> list[Declaration]:
        """Declarations this person handles, latest first, one line each. Raises NotAllowed."""
        if not principal.may(Permission.DESK):
            raise NotAllowed("Le guichet est réservé au responsable et à l’ARS.")
        latest = (
            select(received.c.declaration_id, func.max(received.c.version_number).label("version"))
            .group_by(received.c.declaration_id)
            .subquery()
        )
        query = (
            select(received)
            .join(latest, (received.c.declaration_id == latest.c.declaration_id) & (received.c.version_number == latest.c.version))
            .where(visible(principal, received.c.finess, received.c.tenant))
            .order_by(received.c.received_at.desc(), received.c.number.desc())
            .limit(limit)
        )
        if state is not None:
            query = query.where(received.c.state == state.value)
        if region is not None:
            query = query.where(received.c.region == region)
        with self._database.reading() as connection:
            return [_declaration(row) for row in connection.execute(query)]

    def get(self, number: str, principal: Principal) -> tuple[Declaration, bytes]:
        """The latest version under a number, with its bytes. Raises NotAllowed, DossierAbsent."""
        if not principal.may(Permission.DESK):
            raise NotAllowed("Le guichet est réservé au responsable et à l’ARS.")
        with self._database.reading() as connection:
            row = self._latest(connection, number, principal)
            return _declaration(row), row.body

    def decide(self, number: str, state: DeskState, reason: str, actor: Principal) -> Declaration:
        """Acknowledge, qualify, ask for a complement, set aside. Raises NotAllowed, DossierAbsent, MoveRefused."""
        if not actor.may(Permission.DESK):
            raise NotAllowed("Le guichet est réservé au responsable et à l’ARS.")
        if state is not DeskState.PRIS_EN_COMPTE and not reason.strip():
            raise MoveRefused("Un motif est attendu.")
        with self._database.transaction() as connection:
            row = self._latest(connection, number, actor)
            if state not in _MOVES[DeskState(row.state)]:
                raise MoveRefused(f"Une déclaration à l’état «{row.state}» ne peut pas passer à «{state.value}».")
            wanted = (received.c.declaration_id == row.declaration_id) & (received.c.sha256 == row.sha256)
            connection.execute(update(received).where(wanted).values(state=state.value, decision=reason.strip()))
            return _declaration(self._latest(connection, number, actor))

    def _latest(self, connection: Connection, number: str, principal: Principal) -> Row[Any]:
        wanted = (received.c.number == number) & visible(principal, received.c.finess, received.c.tenant)
        row = connection.execute(select(received).where(wanted).order_by(received.c.version_number.desc()).limit(1)).one_or_none()
        if row is None:
            raise DossierAbsent("Aucune déclaration sous ce numéro.")
        return row


def _state_after(before: list[Row[Any]]) -> DeskState:
    """A complement goes on from where the declaration stood; one that was asked for has now come."""
    if not before:
        return DeskState.RECU
    state = DeskState(before[-1].state)
    return DeskState.PRIS_EN_COMPTE if state is DeskState.COMPLEMENT_DEMANDE else state


def _receipt(row: Row[Any], issuer: str) -> Receipt:
    return Receipt(
        number=row.number,
        received_at=row.received_at,
        sha256=row.sha256,
        declaration_id=row.declaration_id,
        version_number=row.version_number,
        jws=row.jws,
        issuer=issuer,
    )


def _declaration(row: Row[Any]) -> Declaration:
    return Declaration(
        number=row.number,
        declaration_id=row.declaration_id,
        version_number=row.version_number,
        phase=row.phase,
        sender=row.sender,
        finess=row.finess,
        structure_name=row.structure_name,
        region=row.region,
        incident_type=row.incident_type,
        state=DeskState(row.state),
        decision=row.decision,
        received_at=row.received_at,
        sha256=row.sha256,
        jws=row.jws,
    )
