"""Whom the client expects (OpenID Connect Core §3.1.2.1 ``id_token_hint``)."""

from idp.authorization.request import AuthorizationRequest
from idp.errors import InvalidRequest, LoginRequired


def check_id_token_hint(request: AuthorizationRequest) -> None:
    """The endpoint has verified the signature; here the person is compared."""
    if request.get("id_token_hint") is None:
        return
    if not request.hinted_subject:
        raise InvalidRequest("id_token_hint is not a token of this issuer")
    if request.subject is None or request.subject == request.hinted_subject:
        return
    if request.interaction is not None and request.interaction.authenticated_at is not None:
        raise LoginRequired("another person than the one of id_token_hint has logged in")
    request.login_reasons.append("id_token_hint")
