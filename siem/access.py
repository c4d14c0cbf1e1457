"""Who may do what, and who sees which establishment: the one place that decides.

Roles are granted in the watch, never taken from a token. An establishment sees its own and nothing else;
analysts, their lead and auditors see every establishment of the watch, an ARS those of its regions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, false, true


class Role(StrEnum):
    """Roles of the watch, by their French names as shown on screen."""

    ANALYSTE = "analyste"
    RESPONSABLE = "responsable"
    DECLARANT = "declarant"
    ARS = "ars"
    AUDITEUR = "auditeur"


class Permission(StrEnum):
    """What a route asks for."""

    READ_ALERTS = "alerts.read"
    TRIAGE = "alerts.triage"
    READ_INCIDENTS = "incidents.read"
    HANDLE_INCIDENTS = "incidents.handle"
    APPROVE_ACTIONS = "playbooks.approve"
    REVEAL_IDENTITY = "identities.reveal"
    SEARCH = "events.search"
    READ_DOSSIERS = "dossiers.read"
    EDIT_DOSSIERS = "dossiers.edit"
    VALIDATE_DOSSIERS = "dossiers.validate"
    DESK = "desk.handle"
    READ_RULES = "rules.read"
    TUNE_RULES = "rules.tune"
    READ_SOURCES = "sources.read"


_P = Permission
_HANDLING: Final = frozenset(
    {
        _P.READ_ALERTS,
        _P.TRIAGE,
        _P.READ_INCIDENTS,
        _P.HANDLE_INCIDENTS,
        _P.APPROVE_ACTIONS,
        _P.REVEAL_IDENTITY,
        _P.SEARCH,
        _P.READ_DOSSIERS,
        _P.EDIT_DOSSIERS,
        _P.READ_RULES,
        _P.READ_SOURCES,
    }
)
PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.ANALYSTE: _HANDLING,
    Role.RESPONSABLE: _HANDLING | {_P.DESK, _P.TUNE_RULES},
    Role.DECLARANT: frozenset({_P.READ_INCIDENTS, _P.READ_DOSSIERS, _P.EDIT_DOSSIERS, _P.VALIDATE_DOSSIERS}),
    Role.ARS: frozenset({_P.READ_DOSSIERS, _P.DESK}),
    Role.AUDITEUR: frozenset({_P.READ_ALERTS, _P.READ_INCIDENTS, _P.READ_DOSSIERS, _P.READ_RULES, _P.READ_SOURCES}),
}

#: Roles that see every establishment; the others see only those they were granted.
_SEES_ALL: Final = frozenset({Role.ANALYSTE, Role.RESPONSABLE, Role.AUDITEUR})


@dataclass(frozen=True, slots=True)
class Principal:
    """A logged-in person of the watch. ``finess`` are the establishments granted with the roles."""

    subject: str
    name: str
    roles: frozenset[Role]
    finess: frozenset[str] = frozenset()
    tenant: str = "default"

    def may(self, permission: Permission) -> bool:
        """Whether any of the roles grants it."""
        return any(permission in PERMISSIONS[role] for role in self.roles)

    def sees(self, finess: str | None, tenant: str) -> bool:
        """Whether an object of that establishment exists for this person (if not, answer 404, not 403)."""
        if tenant != self.tenant:
            return False
        return bool(self.roles & _SEES_ALL) or (finess is not None and finess in self.finess)


def visible(principal: Principal, finess_column: ColumnElement[str | None], tenant_column: ColumnElement[str]) -> ColumnElement[bool]:
    """The same decision as :meth:`Principal.sees`, as the WHERE clause every listing starts from."""
    in_tenant = tenant_column == principal.tenant
    if principal.roles & _SEES_ALL:
        return in_tenant & true()
    if not principal.finess:
        return false()
    return in_tenant & finess_column.in_(sorted(principal.finess))


#: The watch itself, for what it does without a person (a playbook's automatic steps, the pipeline).
WATCH: Final = Principal("veilleur", "Veilleur", frozenset({Role.ANALYSTE, Role.RESPONSABLE}))
