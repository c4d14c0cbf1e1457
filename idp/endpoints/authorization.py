"""The authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2): load, walk the table, act on the decision."""

import math
import secrets
from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp import authorization, sessions
from idp.authentication import best_acr
from idp.authorization import AskConsent, AuthorizationRequest, Grant, Login
from idp.authorization.request import KEPT_PARAMETERS
from idp.authorization.respond import refusal_members
from idp.clock import ordered_id
from idp.endpoints.authorization_response import answer_client
from idp.endpoints.error_page import error_page
from idp.endpoints.own_client import find_client
from idp.endpoints.posted_request import PATH, ask_by_get, take_posted
from idp.endpoints.refusals import keep_refusal
from idp.endpoints.request_once import answers_pushed, fetch_object, find_pushed, refuse_second_use
from idp.endpoints.visit import stopped
from idp.errors import InvalidRequest, InvalidRequestUri, OAuthError
from idp.explanation.facts import authorization_facts
from idp.http import append_cookie, counted_network, parse_parameters, read_form
from idp.model import Account, AuthorizationCode, Client, Consent, Interaction, Session
from idp.profiles import rules_of
from idp.provider import Provider, provider_of
from idp.tokens.issuer import hash_token
from vocabulary.audit import AuditAction, AuditValue, Outcome


async def authorize(request: Request) -> Response:
    """GET or POST: a new request; a form of another site is asked again by GET, which brings the cookies of this browser."""
    provider = provider_of(request)
    if (busy := _hold_back(request, provider)) is not None:
        return busy
    try:
        parameters = await read_form(request) if request.method == "POST" else parse_parameters(request.scope["query_string"])
    except OAuthError as error:
        error.allow_redirect = False
        return await _refuse(request, provider, error, _nothing(provider))
    return await ask_by_get(request, provider, parameters) or await _walk(request, provider, parameters, None)


async def go_on(request: Request) -> Response:
    """GET, after a form of another site: the request that it held, once."""
    provider = provider_of(request)
    parameters = await take_posted(provider, request.path_params["reference"])
    if parameters is None:
        error = InvalidRequest(
            "this request was answered already, or is older than a minute: begin again at the service", allow_redirect=False
        )
        return await _refuse(request, provider, error, _nothing(provider))
    return await _walk(request, provider, parameters, None)


def _hold_back(request: Request, provider: Provider) -> Response | None:
    """A page for whoever comes too often, before anything is read or looked up; a flood leaves one line in the audit log."""
    source_ip = provider.sources(request)
    network = counted_network(source_ip)
    wait = provider.authorization_pace.wait(network, provider.clock())
    if wait is None:
        return None
    if provider.authorization_pace.first_refusal(network):
        fields = {"event.reason": "too many authorization requests of this network", "source.ip": source_ip}
        provider.audit.record(AuditAction.AUTHORIZATION_REFUSED, Outcome.FAILURE, fields)
    response = stopped(request, "busy", 429)
    response.headers["retry-after"] = str(math.ceil(wait.total_seconds()))
    return response


async def resume(request: Request) -> Response:
    """GET, after the login page: the stored request walks the table again from the top, in the browser that began it."""
    provider = provider_of(request)
    interaction = await provider.store.interactions.get(request.path_params["interaction_id"], provider.clock())
    browser = sessions.browser_hash(request, https=provider.https)
    if interaction is None or browser is None or not secrets.compare_digest(browser, interaction.browser_hash):
        error = InvalidRequest("this login is over, or belongs to another browser: begin again at the service", allow_redirect=False)
        return await _refuse(request, provider, error, _nothing(provider))
    return await _walk(request, provider, interaction.request, interaction)


def _nothing(provider: Provider) -> AuthorizationRequest:
    best = best_acr(provider.methods)
    return AuthorizationRequest(parameters={}, now=provider.clock(), issuer=provider.issuer, found_client=None, best_acr=best)


async def _walk(request: Request, provider: Provider, parameters: Mapping[str, str], interaction: Interaction | None) -> Response:
    asked = await _load(request, provider, parameters, interaction)
    try:
        decision = authorization.run(asked)
        await refuse_second_use(provider.store.counters, asked)
    except OAuthError as error:
        return await _refuse(request, provider, error, asked)
    if isinstance(decision, AskConsent):
        return await _send_to_page(request, provider, asked, "consent")
    if isinstance(decision, Login) or not await sessions.touch(provider.store, decision.session, asked.now, provider.lifetimes):
        return await _send_to_page(request, provider, asked, "login")
    return await _answer(request, provider, decision, asked)


async def _load(
    request: Request, provider: Provider, parameters: Mapping[str, str], interaction: Interaction | None
) -> AuthorizationRequest:
    """Everything the steps look at, so that they do no input or output."""
    client_id = parameters.get("client_id")
    client = await find_client(provider, client_id)
    request_uri = parameters.get("request_uri")
    fetched = await fetch_object(provider, client, request_uri)
    if client is not None and client.jwks_uri is not None:
        client = await provider.client_keys.of(client, fetched or parameters.get("request"))
    browser = sessions.browser_hash(request, https=provider.https)
    session = await sessions.current(provider, request)
    account = await provider.store.accounts.get(session.account_id) if session else None
    return AuthorizationRequest(
        parameters=parameters,
        sent=parameters,
        now=provider.clock(),
        issuer=provider.issuer,
        found_client=client,
        session=session,
        account=account,
        consent=await _consent(provider, client, account),
        interaction=interaction,
        pushed=await find_pushed(provider, parameters, browser) if request_uri else None,
        fetched_object=fetched,
        read_token=provider.tokens.id_token_claims,
        subject_of=provider.tokens.subject,
        detail_types=provider.detail_types,
        best_acr=best_acr(provider.methods),
    )


async def _consent(provider: Provider, client: Client | None, account: Account | None) -> Consent | None:
    """Looked up where it counts: at a client that registered itself."""
    if client is None or client.registered_at is None or account is None:
        return None
    return await provider.store.consents.get(account.id, client.client_id, provider.clock())


async def _send_to_page(request: Request, provider: Provider, asked: AuthorizationRequest, page: Literal["login", "consent"]) -> Response:
    """Store the request (a resumed one keeps its place) and show the page to this browser alone."""
    if asked.interaction is not None:
        return RedirectResponse(f"{provider.base_url}/{page}/{asked.interaction.id}", 303)
    cookie_name = sessions.login_cookie_name(https=provider.https)
    # One cookie serves all the tabs of a browser: a second login must not cut off the first.
    cookie = request.cookies.get(cookie_name, "")
    fresh = "" if len(cookie) >= 43 else secrets.token_urlsafe(32)
    interaction = Interaction(
        id=secrets.token_urlsafe(24),
        request={name: value for name, value in asked.parameters.items() if name in KEPT_PARAMETERS},
        client_id=asked.proved_client.client_id,
        browser_hash=sessions.hash_secret(fresh or cookie),
        created_at=asked.now,
        expires_at=asked.now + provider.lifetimes.interaction,
        pushed_hash=asked.pushed_hash,
    )
    if interaction.pushed_hash is not None:
        pushed_requests = provider.store.pushed_requests
        if not await pushed_requests.keep(interaction.pushed_hash, interaction.browser_hash, interaction.expires_at):
            return await _refuse(request, provider, _answered(), asked)
    await provider.store.interactions.put(interaction)
    provider.audit.record(AuditAction.AUTHORIZATION_REQUESTED, Outcome.SUCCESS, _fields(request, provider, asked.proved_client))
    response = RedirectResponse(f"{provider.base_url}/{page}/{interaction.id}", 303)
    if fresh:
        append_cookie(response.headers, cookie_name, fresh, secure=provider.https)
    return response


async def _answer(request: Request, provider: Provider, grant: Grant, asked: AuthorizationRequest) -> Response:
    """Spend what was pushed, store the code, forget the interaction, and go back to the client."""
    if not await answers_pushed(provider, asked.pushed_hash):
        return await _refuse(request, provider, _answered(), asked)
    rules = rules_of(grant.client)
    value = secrets.token_urlsafe(32)
    now = provider.clock()
    session = grant.session
    code = AuthorizationCode(
        code_hash=hash_token(value),
        client_id=grant.client.client_id,
        account_id=grant.account.id,
        session_id=session.id,
        grant_id=ordered_id(now),
        redirect_uri=grant.redirect_uri,
        scope=grant.scope,
        nonce=grant.nonce,
        code_challenge=grant.code_challenge,
        dpop_jkt=grant.dpop_jkt,
        resources=grant.resources,
        id_token_claims=grant.id_token_claims,
        userinfo_claims=grant.userinfo_claims,
        authorization_details=grant.authorization_details,
        acr=grant.acr,
        acr_requested=grant.acr_requested,
        amr=session.amr,
        method=session.method,
        auth_time=session.auth_time,
        expires_at=now + rules.code_lifetime,
    )
    await provider.store.codes.put(code)
    if asked.interaction is not None:
        await provider.store.interactions.delete(asked.interaction.id)
    fields = _fields(request, provider, grant.client, grant.account, session)
    provider.audit.record(
        AuditAction.AUTHORIZATION_CODE_ISSUED,
        Outcome.SUCCESS,
        fields | {"health.grant.id": code.grant_id, "health.scope": sorted(grant.scope), "health.authentication.acr": session.acr},
    )
    state = sessions.session_state(grant.client, grant.redirect_uri, request, session, https=provider.https)
    members = {"code": value, "session_state": state}
    return await answer_client(request, provider, grant.client, grant.redirect_uri, asked.parameters, members)


def _answered() -> OAuthError:
    """Two loads of one pushed request met, and the other was first; its client hears of it once, so this is a page."""
    return InvalidRequestUri(
        "request_uri was answered already, or is open in another browser: push the request again", allow_redirect=False
    )


async def _refuse(request: Request, provider: Provider, error: OAuthError, asked: AuthorizationRequest) -> Response:
    """Audited; to the client only once client and redirect_uri are verified (RFC 6749 §4.1.2.1), else a page."""
    fields = _fields(request, provider, asked.client, asked.account if asked.client else None)
    fields["event.reason"] = f"{error.error}: {error.description}" + (f" ({error.detail})" if error.detail else "")
    provider.audit.record(AuditAction.AUTHORIZATION_REFUSED, Outcome.FAILURE, fields)
    facts = authorization_facts(asked.parameters, asked.sent)
    await keep_refusal(request, provider, asked.found_client, "authorization", error, facts)
    if asked.redirect_uri is None or asked.client is None or not error.allow_redirect:
        return error_page(request, error)
    if not await answers_pushed(provider, asked.pushed_hash):
        return error_page(request, _answered())
    return await answer_client(request, provider, asked.client, asked.redirect_uri, asked.parameters, refusal_members(error))


def _fields(
    request: Request, provider: Provider, client: Client | None, account: Account | None = None, session: Session | None = None
) -> dict[str, AuditValue | None]:
    return {
        "user.id": account.national_id if account else None,
        "source.ip": provider.sources(request),
        "user_agent.original": sessions.user_agent(request),
        "health.relying_party.id": client.client_id if client else None,
        "health.structure.finess": client.structure_finess if client else None,
        "health.session.id": session.id if session else None,
    }


def routes(realm: str) -> list[BaseRoute]:
    """``realm``: path of the issuer."""
    return [
        Route("/auth", authorize, methods=["GET", "POST"]),
        Route("/auth/resume/{interaction_id}", resume, methods=["GET"]),
        Route(PATH, go_on, methods=["GET"]),
        Route(f"{realm}/protocol/openid-connect/auth", authorize, methods=["GET", "POST"]),
    ]
