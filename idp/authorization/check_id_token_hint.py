"""Whom the client expects (OpenID Connect Core §3.1.2.1 ``id_token_hint``, §5.5.1 ``sub``)."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest, LoginRequired


def check_id_token_hint(request: AuthorizationRequest) -> None:
    """A token of ours for this client, whatever its age: it names a person, and proves nothing about who is here."""
    expected = _expected(request)
    if not expected or request.account is None or expected == {request.subject_of(request.proved_client, request.account)}:
        return
    if request.interaction is not None and request.interaction.authenticated_at is not None:
        raise LoginRequired("another person than the one of id_token_hint has logged in")
    request.login_reasons.append("id_token_hint")


def _expected(request: AuthorizationRequest) -> set[object]:
    """Subjects that the request names: by the hint, and by a ``sub`` that ``claims`` demands (§5.5.1)."""
    demanded = request.id_token_claims.get("sub", {}).get("value")
    expected: set[object] = {demanded} if isinstance(demanded, str) else set()
    hint = request.get("id_token_hint")
    if hint is None:
        return expected
    claims = request.read_token(hint)
    named = claims.get("sub") if claims and claims.get("aud") == request.proved_client.client_id else None
    if not isinstance(named, str):
        raise InvalidRequest("id_token_hint is not a token of this issuer")
    return expected | {named}
