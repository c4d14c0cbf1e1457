"""Logout asked by a relying party (OpenID Connect RP-Initiated Logout 1.0), by GET or POST."""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp import sessions
from idp.endpoints import logged_out
from idp.endpoints.error_page import error_page
from idp.endpoints.logged_out import say_farewell, say_nothing_ended
from idp.endpoints.pages import pages
from idp.endpoints.refusals import keep_refusal
from idp.errors import InvalidRequest, OAuthError
from idp.explanation.facts import logout_facts
from idp.http import parse_parameters, read_form
from idp.model import Cause, Client, Initiator, Session
from idp.profiles import rules_of
from idp.provider import Provider, provider_of

#: What a request without a hint may say (§2), and no longer than a URL bears.
_ASKED: Final = ("client_id", "post_logout_redirect_uri", "state", "ui_locales", "lang")
_MAX_ASKED_LENGTH: Final = 4096
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
    parameters: dict[str, str] = {}
    hint: _Hint | None = None
    try:
        parameters = parse_parameters(request.scope["query_string"])
        if request.method == "POST":
            parameters |= await read_form(request)
        hint = _read_hint(provider, parameters)
        client = await _client(provider, parameters, hint)
        target = _target(parameters, client)
    except OAuthError as error:
        named = await provider.store.clients.get(parameters.get("client_id") or (hint.client_id if hint else ""))
        await keep_refusal(request, provider, named, "logout", error, logout_facts(parameters))
        return error_page(request, error)
    browser = await sessions.current(provider, request)
    if hint is None:
        return await _ask_or_end(request, provider, browser, parameters, target)
    farewell = await logged_out.end_session(request, provider, hint.session_id, _BY_THE_PERSON, client)
    here = (browser is not None and browser.id == hint.session_id) or sessions.is_watched(request, hint.session_id, https=provider.https)
    return say_farewell(request, provider, farewell, target, forget=here)


async def _ask_or_end(
    request: Request, provider: Provider, browser: Session | None, parameters: dict[str, str], target: str | None
) -> Response:
    """Our own page asks; its form comes back by POST from this site, which the Lax cookie and the form token prove."""
    if browser is None and request.method == "POST" and not sessions.shows_cookie(request, https=provider.https):
        return _ask_again(request, provider, parameters)
    if browser is None:
        return say_nothing_ended(request, target)
    token = sessions.hash_secret(f"logout\0{browser.cookie_hash}")
    if request.method != "POST" or not compare_digest(parameters.get("csrf", "").encode(), token.encode()):
        return pages().render(request, "log_out.html", csrf=token)
    return say_farewell(request, provider, await logged_out.end_session(request, provider, browser.id, _BY_THE_PERSON), target)


def _ask_again(request: Request, provider: Provider, parameters: Mapping[str, str]) -> Response:
    """The same request by GET: a form of another site carries no Lax cookie, so this one says nothing about who is here."""
    query = urlencode({name: parameters[name] for name in _ASKED if name in parameters})
    if len(query) > _MAX_ASKED_LENGTH:
        return error_page(request, InvalidRequest(f"the parameters are longer than {_MAX_ASKED_LENGTH} characters"))
    return RedirectResponse(f"{provider.base_url}{request.url.path}{'?' if query else ''}{query}", 303)


def _read_hint(provider: Provider, parameters: dict[str, str]) -> _Hint | None:
    value = parameters.get("id_token_hint")
    if value is None:
        return None
    claims = provider.tokens.id_token_claims(value)
    # Its age does not matter (§2).
    if claims is None or not isinstance(claims.get("sid"), str):
        raise InvalidRequest("id_token_hint must be an ID token of this issuer")
    return _Hint(client_id=claims["aud"], session_id=claims["sid"])


async def _client(provider: Provider, parameters: dict[str, str], hint: _Hint | None) -> Client | None:
    named = parameters.get("client_id")
    if hint is not None and named is not None and named != hint.client_id:
        raise InvalidRequest("client_id must be the audience of id_token_hint")
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
    state = parameters.get("state") if rules_of(client).logout_state_returned else None
    return uri if state is None else f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': state})}"


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [Route(f"{realm}/protocol/openid-connect/logout", end_session, methods=["GET", "POST"])]
