"""Which level of login a request asks for, and whether nothing else will do (OpenID Connect Core §3.1.2.1, §5.5.1.1)."""

from collections.abc import Mapping
from typing import NamedTuple

from idp.authorization.check_claims import read_claims
from idp.model import Client
from idp.tokens.step_up import ACR_LEVELS


class WantedLevel(NamedTuple):
    """The levels that would do, none where nothing is asked; ``essential``: the ``acr`` claim must be one of them (§5.5.1.1)."""

    levels: tuple[int, ...]
    essential: bool


def wanted_level(parameters: Mapping[str, str], client: Client) -> WantedLevel:
    """Of a request whose ``claims`` were checked; a name of somebody else's framework asks for nothing."""
    conditions = read_claims(parameters.get("claims")).id_token.get("acr", {})
    essential = conditions.get("essential") is True and ("value" in conditions or "values" in conditions)
    named = _levels([conditions.get("value"), *_listed(conditions.get("values"))])
    wished = (parameters.get("acr_values") or "").split() or list(client.default_acr_values)
    return WantedLevel(named if essential else named + _levels(wished), essential)


def _levels(values: list[object] | list[str]) -> tuple[int, ...]:
    return tuple(ACR_LEVELS[value] for value in values if isinstance(value, str) and value in ACR_LEVELS)


def _listed(values: object) -> list[object]:
    return values if isinstance(values, list) else []
