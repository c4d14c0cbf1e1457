"""The end of the walk (RFC 6749 §4.1.2, RFC 9207): what a code will stand for, and what the client is told."""

from collections.abc import Mapping
from urllib.parse import urlencode

from idp.authorization.request import RESPONSE_MODES, AuthorizationRequest, Grant, ResponseMode
from idp.errors import OAuthError


def respond(request: AuthorizationRequest) -> Grant:
    """Everything has been checked: a code may be issued."""
    if request.session is None or request.account is None or request.redirect_uri is None:
        raise AssertionError("require_login comes first")
    return Grant(
        client=request.proved_client,
        account=request.account,
        session=request.session,
        redirect_uri=request.redirect_uri,
        scope=request.scope,
        nonce=request.get("nonce"),
        state=request.get("state"),
        code_challenge=request.code_challenge,
        dpop_jkt=request.get("dpop_jkt"),
        resources=request.resources,
        id_token_claims=frozenset(request.id_token_claims),
        userinfo_claims=frozenset(request.userinfo_claims),
        authorization_details=request.authorization_details,
        acr=request.acr or request.session.acr,
        acr_requested=first_level(request.get("acr_values")),
    )


def first_level(acr_values: str | None) -> str | None:
    """The level that a request prefers: its list is in order of preference (OpenID Connect Core §3.1.2.1)."""
    return next(iter((acr_values or "").split()), None)


def mode_of(parameters: Mapping[str, str]) -> ResponseMode:
    """The mode that a request asks for; the query for one that means nothing, so that even its refusal arrives."""
    return RESPONSE_MODES.get(parameters.get("response_mode", "query"), RESPONSE_MODES["query"])


def answer_members(issuer: str, state: str | None, members: Mapping[str, str | None]) -> dict[str, str]:
    """What the client is told: ``iss`` in every answer, success or error (RFC 9207 §2), ``state`` as sent."""
    return {name: value for name, value in {**members, "state": state, "iss": issuer}.items() if value is not None}


def refusal_members(error: OAuthError) -> dict[str, str | None]:
    """RFC 6749 §4.1.2.1."""
    return {"error": error.error, "error_description": error.description, "error_uri": error.error_uri or None}


def location(redirect_uri: str, members: Mapping[str, str]) -> str:
    """The client's URI with the answer in its query, after what it registered there itself."""
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(members)}"
