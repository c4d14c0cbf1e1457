"""Who may enter the administration pages, and what every one of them demands.

An administrator, named by the operator's settings, logs in here like everybody, anew (``prompt=login``) and by a means of level eidas2.
What begins is tied to that very login: it ends with its session, with the account, with the name in the settings, and after an hour.
The cookie belongs to the administration port's own name, is sent from its pages alone (``SameSite=Strict``), and each form has a token.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idp import pkce, sessions
from idp.endpoints.administration import Actor
from idp.endpoints.own_client import ADMINISTRATION, place_of
from idp.endpoints.pages import pages
from idp.endpoints.registry_administration import ADMINISTRATION_SCOPES
from idp.errors import InvalidGrant, OAuthError
from idp.http import append_cookie, drop_cookie, read_form
from idp.keys.signing_key import base64url
from idp.model import Account, AccountState, AuthorizationCode, Cause, Initiator, Session
from idp.provider import Provider, provider_of
from idp.tokens.issuer import hash_token
from idp.tokens.step_up import LoginRequirement
from vocabulary.audit import AuditAction, Outcome

#: How long one login lets in.
LONGEST: Final = timedelta(hours=1)
#: What the login must have been: of that level, and just now.
REQUIREMENT: Final = LoginRequirement(acr="eidas2", max_age=timedelta(minutes=10))
HOME: Final = "/administration/clients"
_LEFT: Final = Cause(initiator=Initiator.USER, reason="the administrator left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """An administrator who has entered, and the token of their forms."""

    provider: Provider
    account: Account
    session: Session
    csrf: str

    def actor(self, request: Request) -> Actor:
        """As the functions of the administration API know who asks."""
        return Actor(
            provider=self.provider,
            client_id=self.account.national_id or "",
            source_ip=self.provider.sources(request),
            user_agent=sessions.user_agent(request),
            scope=ADMINISTRATION_SCOPES,
        )


Page = Callable[[Request, Entered], Awaitable[Response]]
FormPage = Callable[[Request, Entered, Mapping[str, str]], Awaitable[Response]]


def page(answer: Page) -> Callable[[Request], Awaitable[Response]]:
    """A page that only those who have entered see; everybody else is asked to."""

    async def guarded(request: Request) -> Response:
        mine = await entered(request)
        return await _told(request, mine, answer(request, mine)) if mine else door(request)

    return guarded


def form_page(answer: FormPage) -> Callable[[Request], Awaitable[Response]]:
    """The same for a form, which must come from a page that this browser was shown."""

    async def guarded(request: Request) -> Response:
        mine = await entered(request)
        if mine is None:
            return door(request, status=401)
        form = await read_form(request)
        if not hmac.compare_digest(form.get("csrf", "").encode(), mine.csrf.encode()):
            return problem(request, mine, 403)
        return await _told(request, mine, answer(request, mine, form))

    return guarded


async def _told(request: Request, mine: Entered, answer: Awaitable[Response]) -> Response:
    """What a function of the API refuses, as a page."""
    try:
        return await answer
    except HTTPException as error:
        return problem(request, mine, error.status_code, str(error.detail))


def problem(request: Request, mine: Entered, status: int, detail: str = "") -> Response:
    """What failed, what is safe, and what to do; ``detail`` names the member at fault, where there is one."""
    reason = {403: "refused", 404: "absent", 409: "changed", 412: "changed"}.get(status, "wrong")
    return pages().render(
        request, "console/problem.html", status=status, here=HOME, me=mine.account, csrf=mine.csrf, reason=reason, detail=detail
    )


def door(request: Request, *, status: int = 200, refused: bool = False) -> Response:
    """The page of whoever has not entered: it says nothing but who may."""
    return pages().render(request, "console/door.html", status=status, here=HOME, refused=refused)


async def entered(request: Request) -> Entered | None:
    """The administrator of this browser, if the login behind the cookie still lives and still may."""
    provider = provider_of(request)
    value = request.cookies.get(_cookie_name(provider, "administration"), "")
    session_id, _, rest = value.partition(".")
    started, _, mac = rest.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(provider, f"{session_id}.{started}").encode()):
        return None
    now = provider.clock()
    if now.timestamp() - int(started) >= LONGEST.total_seconds():
        return None
    session = await provider.store.sessions.get(session_id, now)
    account = await provider.store.accounts.get(session.account_id) if session else None
    if session is None or account is None or not may_enter(provider, account):
        return None
    await sessions.touch(provider.store, session, now, provider.lifetimes)
    return Entered(provider=provider, account=account, session=session, csrf=_mac(provider, f"form\0{value}"))


def may_enter(provider: Provider, account: Account) -> bool:
    """Whether the operator's settings name this person, and the account is not suspended."""
    return account.state is AccountState.ACTIVE and account.national_id in provider.administrators


async def enter(request: Request) -> Response:
    """GET: to the login, whatever session this browser has."""
    provider = provider_of(request)
    verifier = secrets.token_urlsafe(32)
    query = {
        "client_id": ADMINISTRATION.client_id,
        "response_type": "code",
        "redirect_uri": place_of(provider, ADMINISTRATION),
        "scope": "openid",
        "prompt": "login",
        "acr_values": REQUIREMENT.acr or "",
        "state": _state(verifier),
        "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    response = RedirectResponse(f"{provider.base_url}/auth?{urlencode(query)}", 303)
    # Lax: the way back from the login begins on another site.
    append_cookie(response.headers, _cookie_name(provider, "entering"), verifier, secure=_https(provider))
    return response


async def come_back(request: Request) -> Response:
    """GET, from the authorization endpoint: the code is redeemed here, by the browser that began."""
    provider = provider_of(request)
    verifier = request.cookies.get(_cookie_name(provider, "entering"), "")
    state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
    if not verifier or not hmac.compare_digest(state.encode(), _state(verifier).encode()) or not code:
        return door(request, status=403, refused=True)
    try:
        redeemed = await _redeem(provider, code, verifier)
    except OAuthError:
        return door(request, status=403, refused=True)
    account = await provider.store.accounts.get(redeemed.account_id)
    let_in = account is not None and may_enter(provider, account) and redeemed.session_id is not None
    fields = {
        "user.id": account.national_id if account else None,
        "source.ip": provider.sources(request),
        "user_agent.original": sessions.user_agent(request),
        "health.session.id": redeemed.session_id,
        "health.authentication.acr": redeemed.acr,
        "event.reason": "" if let_in else "not one of the administrators",
    }
    provider.audit.record(AuditAction.ADMINISTRATION_ENTERED, Outcome.SUCCESS if let_in else Outcome.FAILURE, fields)
    response = pages().render(request, "console/entering.html", here=HOME, home=HOME) if let_in else door(request, status=403, refused=True)
    drop_cookie(response.headers, _cookie_name(provider, "entering"), secure=_https(provider))
    if let_in:
        named = f"{redeemed.session_id}.{int(provider.clock().timestamp())}"
        value = f"{named}.{_mac(provider, named)}"
        append_cookie(response.headers, _cookie_name(provider, "administration"), value, secure=_https(provider), same_site="Strict")
    return response


async def leave(request: Request, mine: Entered, _form: Mapping[str, str]) -> Response:
    """POST: the login that let in ends, so that a copied cookie is worth nothing."""
    await mine.provider.store.revocations.revoke_session(mine.session.id, mine.provider.clock(), _LEFT)
    fields = mine.actor(request).fields(mine.account, "the administrator left") | {"health.session.id": mine.session.id}
    mine.provider.audit.record(AuditAction.SESSION_ENDED, Outcome.SUCCESS, fields)
    response = door(request)
    drop_cookie(response.headers, _cookie_name(mine.provider, "administration"), secure=_https(mine.provider))
    return response


async def _redeem(provider: Provider, code: str, verifier: str) -> AuthorizationCode:
    """The code, if it is of these pages, of this browser and of a login that is good enough; raises InvalidGrant."""
    redeemed = await provider.store.codes.consume(hash_token(code), provider.clock())
    if redeemed is None or redeemed.client_id != ADMINISTRATION.client_id:
        raise InvalidGrant("the code is not one of the administration's: log in again")
    pkce.verify(redeemed.code_challenge, verifier)
    if not REQUIREMENT.is_met(acr=redeemed.acr, auth_time=redeemed.auth_time, now=provider.clock()):
        raise InvalidGrant("the login is not good enough, or not fresh: log in again")
    return redeemed


def _https(provider: Provider) -> bool:
    return provider.admin_base_url.startswith("https:")


def _cookie_name(provider: Provider, name: str) -> str:
    """Browsers do not tell ports apart: the name must not be that of the other port's cookies."""
    return f"{'__Host-' if _https(provider) else ''}veilleur_{name}"


def _state(verifier: str) -> str:
    return sessions.hash_secret(f"administration-state\0{verifier}")


def _mac(provider: Provider, value: str) -> str:
    return hmac.new(provider.keys.pepper("administration"), value.encode(), hashlib.sha256).hexdigest()
