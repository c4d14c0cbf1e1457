"""Whom the client expects (OpenID Connect Core §3.1.2.1 ``id_token_hint``)."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest, LoginRequired


def check_id_token_hint(request: AuthorizationRequest) -> None:
    """A token of ours for this client, whatever its age: it names a person, and proves nothing about who is here."""
    hint = request.get("id_token_hint")
    if hint is None:
        return
    claims = request.read_token(hint)
    expected = claims.get("sub") if claims and claims.get("aud") == request.proved_client.client_id else None
    if not isinstance(expected, str):
        raise InvalidRequest("id_token_hint is not a token of this issuer")
    if request.account is None or request.subject_of(request.proved_client, request.account) == expected:
        return
    if request.interaction is not None and request.interaction.authenticated_at is not None:
        raise LoginRequired("another person than the one of id_token_hint has logged in")
    request.login_reasons.append("id_token_hint")
