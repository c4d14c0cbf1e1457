"""Whom the client expects (OpenID Connect Core §3.1.2.1 ``id_token_hint``, §5.5.1 ``sub``)."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest, LoginRequired


def check_id_token_hint(request: AuthorizationRequest) -> None:
    """A token of ours for this client, whatever its age: it names a person, and proves nothing about who is here."""
    expected = _expected(request)
    if not expected or request.account is None or _is_in_all(request.subject_of(request.proved_client, request.account), expected):
        return
    if request.interaction is not None and request.interaction.authenticated_at is not None:
        raise LoginRequired("another person than the one of id_token_hint or claims has logged in: ask with prompt=login")
    request.login_reasons.append("id_token_hint")


def _expected(request: AuthorizationRequest) -> list[list[object]]:
    """Subjects that the request names, one of each list: by a ``sub`` that ``claims`` demands of either place (§5.5.1), by the hint."""
    expected: list[list[object]] = []
    for claims in (request.id_token_claims, request.userinfo_claims):
        conditions = claims.get("sub", {})
        expected += [[conditions["value"]]] if "value" in conditions else []
        values = conditions.get("values")
        expected += [values] if isinstance(values, list) else []
    hint = request.get("id_token_hint")
    if hint is None:
        return expected
    said = request.read_token(hint)
    named = said.get("sub") if said and said.get("aud") == request.proved_client.client_id else None
    if not isinstance(named, str):
        raise InvalidRequest("id_token_hint must be an ID token of this issuer")
    return [*expected, [named]]


def _is_in_all(subject: str, expected: list[list[object]]) -> bool:
    return all(subject in allowed for allowed in expected)
