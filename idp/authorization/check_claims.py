"""Single claims asked for by name (OpenID Connect Core §5.5 ``claims``)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest

#: What may stand beside a claim's name (§5.5.1); more is allowed and means nothing to us.
_CONDITIONS: Final[Mapping[str, tuple[type, ...]]] = {"essential": (bool,), "value": (str, int, float, bool), "values": (list,)}


class RequestedClaims(NamedTuple):
    """What ``claims`` asks of the ID token and of userinfo: member name to its conditions."""

    id_token: Mapping[str, Mapping[str, object]]
    userinfo: Mapping[str, Mapping[str, object]]


def check_claims(request: AuthorizationRequest) -> None:
    """Only the shape: what is released stays within the scope that the client registered, and what we do not have is left out (§5.5.1)."""
    request.id_token_claims, request.userinfo_claims = read_claims(request.get("claims"))


def read_claims(text: str | None) -> RequestedClaims:
    """The parameter, nothing without one; raises :class:`InvalidRequest`."""
    if text is None:
        return RequestedClaims({}, {})
    try:
        document = orjson.loads(text)
    except ValueError as error:
        raise InvalidRequest("claims must be a JSON object") from error
    if not isinstance(document, dict):
        raise InvalidRequest("claims must be a JSON object")
    return RequestedClaims(_members(document, "id_token"), _members(document, "userinfo"))


def _members(document: Mapping[str, object], place: str) -> dict[str, Mapping[str, object]]:
    members = document.get(place)
    if members is None:
        return {}
    if not isinstance(members, dict):
        raise InvalidRequest(f"claims.{place} must be a JSON object")
    for name, conditions in members.items():
        if conditions is not None and not isinstance(conditions, dict):
            raise InvalidRequest(f"claims.{place}.{name[:40]} must be null or a JSON object")
        for condition, kind in _CONDITIONS.items():
            if conditions and condition in conditions and not isinstance(conditions[condition], kind):
                raise InvalidRequest(f"claims.{place}.{name[:40]}.{condition} has a type that it cannot have")
    return {name: conditions or {} for name, conditions in members.items()}
