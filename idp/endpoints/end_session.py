"""Logout asked by a relying party (OpenID Connect RP-Initiated Logout 1.0), by GET or POST."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp import sessions
from idp.endpoints.error_page import error_page
from idp.endpoints.pages import pages
from idp.errors import InvalidRequest, OAuthError
from idp.http import parse_parameters, read_form
from idp.model import Cause, Client, Initiator, Session
from idp.provider import Provider, provider_of
from vocabulary.audit import AuditAction, Outcome

_BY_THE_PERSON = Cause(initiator=Initiator.USER, reason="the person logged out")


@dataclass(frozen=True, slots=True)
class _Hint:
    client_id: str
    session_id: str


async def end_session(request: Request) -> Response:
    """End the session that ``id_token_hint`` names, and go where the client registered that it wants to go (§2, §3).

    Without a hint of ours the person is asked first: a link on any page must not log people out. A
    ``post_logout_redirect_uri`` that is not registered is a page, never a redirect.
    """
    provider = provider_of(request)
    try:
        parameters = parse_parameters(request.scope["query_string"])
        if request.method == "POST":
            parameters |= await read_form(request)
        hint = _read_hint(provider, parameters)
        client = await _client(provider, parameters, hint)
        target = _target(parameters, client)
    except OAuthError as error:
        return error_page(request, error)
    browser = await sessions.current(provider, request)
    if hint is None:
        return await _ask_or_end(request, provider, browser, parameters, target)
    session = await provider.store.sessions.get(hint.session_id, provider.clock())
    if session is not None:
        await _end(request, provider, session, client)
    response = _done(request, target)
    if browser is None or browser.id == hint.session_id:
        sessions.clear_cookie(response, https=provider.https)
    return response


async def _ask_or_end(
    request: Request, provider: Provider, browser: Session | None, parameters: dict[str, str], target: str | None
) -> Response:
    """Our own page asks; its form comes back by POST from this site, which the Lax cookie and the form token prove."""
    if browser is not None:
        token = sessions.hash_secret(f"logout\0{browser.cookie_hash}")
        if request.method != "POST" or parameters.get("csrf") != token:
            return pages().render(request, "logged_out.html", asked=True, csrf=token)
        await _end(request, provider, browser, None)
    response = _done(request, target)
    sessions.clear_cookie(response, https=provider.https)
    return response


def _done(request: Request, target: str | None) -> Response:
    return RedirectResponse(target, 303) if target else pages().render(request, "logged_out.html", asked=False)


def _read_hint(provider: Provider, parameters: dict[str, str]) -> _Hint | None:
    value = parameters.get("id_token_hint")
    if value is None:
        return None
    claims = provider.tokens.verified_claims(value)
    # Its age does not matter (§2), but it must be an ID token: an access token has no such audience.
    if claims is None or not isinstance(claims.get("aud"), str) or not isinstance(claims.get("sid"), str) or "at_hash" not in claims:
        raise InvalidRequest("id_token_hint is not a token of this issuer")
    return _Hint(client_id=claims["aud"], session_id=claims["sid"])


async def _client(provider: Provider, parameters: dict[str, str], hint: _Hint | None) -> Client | None:
    named = parameters.get("client_id")
    if hint is not None and named is not None and named != hint.client_id:
        raise InvalidRequest("client_id is not the audience of id_token_hint")
    client_id = hint.client_id if hint else named
    return await provider.store.clients.get(client_id) if client_id else None


def _target(parameters: dict[str, str], client: Client | None) -> str | None:
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        return None
    if client is not None and client.disabled:
        return None
    if client is None:
        raise InvalidRequest("post_logout_redirect_uri needs id_token_hint or client_id")
    if uri not in client.post_logout_redirect_uris:
        raise InvalidRequest("post_logout_redirect_uri is not one that this service registered")
    state = parameters.get("state")
    return uri if state is None else f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': state})}"


async def _end(request: Request, provider: Provider, session: Session, client: Client | None) -> None:
    """Every service of the session loses its tokens with it: single sign-on, single log-out."""
    account = await provider.store.accounts.get(session.account_id)
    ended = await provider.store.revocations.revoke_session(session.id, provider.clock(), _BY_THE_PERSON)
    provider.audit.record(
        AuditAction.SESSION_ENDED,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id if account else None,
            "source.ip": provider.sources(request),
            "user_agent.original": sessions.user_agent(request),
            "health.session.id": session.id,
            "health.relying_party.id": client.client_id if client else None,
            "health.revoked.count": ended.grant_count,
            "health.residual.seconds": int(ended.residual.total_seconds()),
        },
    )


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/logout", end_session, methods=["GET", "POST"])]
