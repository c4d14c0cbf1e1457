"""Dossiers on behalf of a person: found or absent, allowed or not, changed in one transaction with a line in the journal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection

from siem.access import Permission, Principal
from siem.declarations import store
from siem.declarations.form import Form
from siem.declarations.forms import Forms
from siem.declarations.model import DOSSIER_MOVES, FINAL, Dossier, DossierAbsent, DossierState, MoveRefused, NotAllowed, Phase
from siem.declarations.wording import PARIS, STATE_LABELS, french
from siem.store.database import Database

Clock = Callable[[], datetime]


class Records:
    """What every part of the service stands on: the database, the clock and the forms in force."""

    def __init__(self, database: Database, clock: Clock, forms: Forms) -> None:
        self.database = database
        self.clock = clock
        self.forms = forms

    def today(self) -> date:
        """The day in Paris: forms change at midnight there."""
        return self.clock().astimezone(PARIS).date()

    def forms_now(self) -> tuple[Form, ...]:
        """The forms in force."""
        return self.forms.in_force(self.today())

    def desk_form(self) -> Form:
        """The form that is filed with the desk. Raises MoveRefused when none is in force."""
        form = next((form for form in self.forms_now() if form.filing == "desk"), None)
        if form is None:
            raise MoveRefused("Aucun formulaire à déposer au guichet n’est en vigueur.")
        return form

    def form_named(self, form_id: str | None) -> Form:
        """The form of that name, the desk's when None. Raises DossierAbsent."""
        if form_id is None:
            return self.desk_form()
        form = next((form for form in self.forms_now() if form.form == form_id), None)
        if form is None:
            raise DossierAbsent("Aucun formulaire en vigueur sous ce nom.")
        return form

    def found(self, connection: Connection, dossier_id: str, principal: Principal, permission: Permission) -> Dossier:
        """The dossier if it exists for this person and they may do that: first absent, then not allowed."""
        dossier = store.find(connection, principal, dossier_id=dossier_id)
        if dossier is None:
            raise DossierAbsent("Aucun dossier sous cette adresse.")
        expect(principal, permission)
        return dossier

    @contextmanager
    def changing(
        self, dossier_id: str, actor: Principal, permission: Permission = Permission.EDIT_DOSSIERS
    ) -> Iterator[tuple[Connection, Dossier]]:
        """A transaction with the dossier as it is now, still open to changes."""
        with self.database.transaction() as connection:
            dossier = self.found(connection, dossier_id, actor, permission)
            if dossier.state in FINAL:
                raise MoveRefused(french(f"Le dossier est à l’état «{STATE_LABELS[dossier.state][0]}» : il ne change plus."))
            yield connection, dossier

    def save(self, connection: Connection, dossier: Dossier, actor: Principal, line: tuple[str, str], sha256: str | None = None) -> Dossier:
        """Keep the dossier as it now is, with a line ``(action, detail)`` in its journal."""
        now = self.clock()
        dossier = replace(dossier, updated_at=now)
        store.save(connection, dossier)
        store.write_journal(connection, dossier.id, now, actor, line, sha256)
        return dossier


def expect(principal: Principal, permission: Permission) -> None:
    """Raises NotAllowed when no role of the person grants it."""
    if not principal.may(permission):
        raise NotAllowed("Votre rôle ne permet pas cette action sur les dossiers.")


def expect_move(dossier: Dossier, state: DossierState) -> None:
    """Raises MoveRefused when the dossier cannot go there from where it is."""
    if state not in DOSSIER_MOVES[dossier.state]:
        here, there = STATE_LABELS[dossier.state][0], STATE_LABELS[state][0]
        raise MoveRefused(french(f"Un dossier à l’état «{here}» ne peut pas passer à l’état «{there}»."))


def expect_reason(reason: str) -> str:
    """The reason a person gave, trimmed. Raises MoveRefused when there is none."""
    if not reason.strip():
        raise MoveRefused("Un motif est attendu.")
    return reason.strip()[:1000]


def phase_of(dossier: Dossier) -> Phase:
    """Which declaration the version being worked on is."""
    if dossier.filed_version is None:
        return Phase.INITIALE
    return Phase.CLOTURE if dossier.state in (DossierState.RESOLU, DossierState.CLOS) else Phase.COMPLEMENT


def may_validate(dossier: Dossier, actor: Principal) -> bool:
    """Seeing every establishment is not signing for it: the FINESS must be granted by name."""
    return actor.may(Permission.VALIDATE_DOSSIERS) and dossier.finess is not None and dossier.finess in actor.finess
