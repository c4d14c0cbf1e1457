"""The end of the walk (RFC 6749 §4.1.2, RFC 9207): what a code will stand for, and the URL that carries the answer."""

from collections.abc import Mapping
from urllib.parse import urlencode

from idp.authorization.request import AuthorizationRequest, Grant


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
    )


def location(redirect_uri: str, issuer: str, state: str | None, members: Mapping[str, str | None]) -> str:
    """The client's URI with the answer in its query; ``iss`` in every one, success or error (RFC 9207 §2), ``state`` as sent."""
    answer = {name: value for name, value in {**members, "state": state, "iss": issuer}.items() if value is not None}
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}"


def refusal_location(redirect_uri: str, issuer: str, state: str | None, *, error: str, description: str) -> str:
    """RFC 6749 §4.1.2.1."""
    return location(redirect_uri, issuer, state, {"error": error, "error_description": description})
