"""What a client is told instead of what is so, where its switches say it: another level, claims left out, emptied or added, more scope.

Services of Pro Santé Connect meet all of it, without notice (``acr_told``, ``claims_left_out``, ``claims_emptied``, ``claims_added``,
``scope_told_besides`` in :mod:`idp.profiles`); here a test of theirs meets it on purpose. Nothing is decided by what is told:
step-up, scope, revocation and the audit log go by what is so.
"""

from collections.abc import Mapping
from typing import Any, Final

from idp.model import Grant
from idp.profiles import Rules

#: What a claim says that nobody knows.
ADDED: Final = "ajouté pour un essai"
#: Members whose shape is a protocol's, where nothing is added.
_CLOSED: Final = frozenset({"cnf", "act", "authorization_details"})


def told_scope(scope: frozenset[str], rules: Rules) -> str:
    """The scope as it is told, in one order."""
    return " ".join(sorted(scope | frozenset(rules.scope_told_besides.split())))


def as_told(claims: Mapping[str, Any], grant: Grant, rules: Rules) -> dict[str, Any]:
    """The claims, changed as the switches of the client demand; as they are where it has none of them."""
    if not rules.alters_claims:
        return dict(claims)
    missing = frozenset(rules.claims_left_out.split()) | ({"acr"} if rules.acr_told == "absent" else set())
    told: dict[str, Any] = _without(claims, missing, frozenset(rules.claims_emptied.split()))
    if rules.claims_added:
        told = _with(told, dict.fromkeys(rules.claims_added.split(), ADDED))
    if "acr" in told and rules.acr_told != "reached":
        told["acr"] = (grant.acr_requested or grant.acr) if rules.acr_told == "requested" else rules.acr_told
    return told


def _without(value: Any, missing: frozenset[str], emptied: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _empty(member) if name in emptied else _without(member, missing, emptied)
            for name, member in value.items()
            if name not in missing
        }
    if isinstance(value, list):
        return [_without(member, missing, emptied) for member in value]
    return value


def _with(value: Any, added: Mapping[str, str]) -> Any:
    """``value`` with what is added to each object in it; what is there already stays."""
    if isinstance(value, Mapping):
        return {**added, **{name: member if name in _CLOSED else _with(member, added) for name, member in value.items()}}
    if isinstance(value, list):
        return [_with(member, added) for member in value]
    return value


def _empty(value: object) -> object:
    """PSC has no null: a text without a value is empty, and so is a list."""
    return type(value)() if isinstance(value, str | list | dict) else ""
