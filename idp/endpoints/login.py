"""The login pages: identify, wait for the phone, cancel. They work without script; a small module only makes them livelier.

An interaction belongs to the browser that began it (cookie), and each form to the page that served it (``csrf``): anyone else
gets one page that says nothing about the login (identity-engineering.md §4.1, session fixation).
"""

from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.authentication import METHODS
from idp.authentication.device_approval import is_final
from idp.authentication.device_login import ask, give_up, look, seconds_left, take_approved
from idp.authentication.limits import normalised_national_id
from idp.authentication.refusal import AuthenticationRefused
from idp.authorization.respond import refusal_members
from idp.endpoints.authorization_response import answer_client
from idp.endpoints.device_verification import refuse
from idp.endpoints.doors import doors_of, origin_of
from idp.endpoints.pages import pages, preferences
from idp.endpoints.request_once import answers_pushed
from idp.endpoints.visit import Visit, stopped, visit_of
from idp.errors import AccessDenied
from idp.http import read_form
from idp.model import Approval, ApprovalState
from idp.people.directory import profession_keys
from idp.sessions import set_cookie, start, user_agent
from vocabulary.audit import AuditAction, Outcome
from vocabulary.identifiers import IdentifierError, PsIdNat

_SCREEN_ZONE: Final = ZoneInfo("Europe/Paris")
#: Longest login_hint shown, in characters, as the field takes.
_HINT_LENGTH: Final = 64
_STEPS: Final = {ApprovalState.REQUESTED: 0, ApprovalState.SEEN: 1, ApprovalState.APPROVED: 2}


async def identify(request: Request) -> Response:
    """GET: who asks, and the field for the national identifier."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    return _identify_page(visit, national_id=visit.interaction.request.get("login_hint", "")[:_HINT_LENGTH])


def _identify_page(visit: Visit, *, error: str = "", national_id: str = "", status: int = 200) -> Response:
    return visit.page("identify.html", status=status, error=error, national_id=national_id)


async def send(request: Request) -> Response:
    """POST: put the question to the person's phones, whoever they are, and go and wait."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    form = await read_form(request)
    if not visit.is_served_here(form):
        return stopped(request, "refused", 403)
    typed = normalised_national_id(form.get("national_id", ""))
    texts = pages().messages(preferences(request, visit.ui_locales).language)
    if fault := _fault(typed):
        return _identify_page(visit, error=texts(f"login.error.{fault}"), national_id=form.get("national_id", ""), status=422)
    try:
        await ask(doors_of(visit.provider), visit.interaction, visit.client, typed, origin_of(visit.provider, request))
    except AuthenticationRefused as refusal:
        seconds = refusal.retry_after_seconds or 60
        response = _identify_page(visit, error=texts("login.error.limited", minutes=-(-seconds // 60)), national_id=typed, status=429)
        response.headers["retry-after"] = str(seconds)
        return response
    return RedirectResponse(f"/login/{visit.interaction.id}/wait", 303)


def _fault(typed: str) -> str | None:
    """What is wrong with the way it is written; says nothing about who exists."""
    if not typed:
        return "missing"
    try:
        PsIdNat.parse(typed)
    except IdentifierError:
        return "rpps" if typed.isdigit() and typed.startswith("8") else "shape"
    return None


async def wait(request: Request) -> Response:
    """GET: the number and the state of the question; once approved, the session begins and the flow goes on."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    if visit.interaction.approval_id is None:
        return RedirectResponse(f"/login/{visit.interaction.id}", 303)
    approval = await look(doors_of(visit.provider), visit.interaction, origin_of(visit.provider, request))
    if approval is None:
        return visit.page("ended.html", state="expired")
    if approval.state is ApprovalState.APPROVED:
        return await _enter(visit, approval)
    if is_final(approval.state):
        return visit.page("ended.html", state=str(approval.state))
    now = visit.provider.clock()
    return visit.page(
        "wait.html",
        approval=approval,
        state=str(approval.state),
        reached=_STEPS[approval.state],
        seconds_left=seconds_left(approval, now),
        expires_at=_clock_time(approval.expires_at),
    )


async def _enter(visit: Visit, approval: Approval) -> Response:
    """Begin the session, once per approval; the browser that waited is the one that gets it."""
    provider, request = visit.provider, visit.request
    origin = origin_of(provider, request)
    account = await take_approved(doors_of(provider), visit.interaction, approval, origin)
    if account is None:
        return visit.page("ended.html", state="used", status=409)
    method = METHODS["device"]
    proved = replace(visit.interaction, authenticated_at=provider.clock())
    session, cookie_value = await start(provider, request, account, "device", method.acr, method.amr, approval.device_id)
    await provider.store.interactions.put(proved)
    provider.audit.record(
        AuditAction.LOGIN_SUCCEEDED,
        Outcome.SUCCESS,
        {
            "user.id": account.national_id,
            "user.roles": profession_keys(account.directory),
            "source.ip": origin.ip,
            "user_agent.original": origin.user_agent,
            "health.relying_party.id": visit.client.client_id,
            "health.session.id": session.id,
            "health.authentication.method": "device",
            "health.authentication.acr": method.acr,
            "health.authentication.amr": list(method.amr),
            "health.approval.id": approval.id,
            "health.device.id": approval.device_id,
            "health.structure.finess": visit.client.structure_finess,
        },
    )
    if visit.interaction.device_code_hash is not None:
        # The session is the device's: a browser that only lent its screen keeps none.
        await provider.store.interactions.put(replace(proved, session_id=session.id))
        return RedirectResponse(f"/device/{visit.interaction.id}/done", 303)
    response = RedirectResponse(f"/auth/resume/{visit.interaction.id}", 303)
    set_cookie(response, session, cookie_value, https=provider.https)
    return response


async def state(request: Request) -> Response:
    """GET: ``{"state", "seconds_left"}`` for the page's module; ``gone`` when the login cannot go on."""
    visit = await visit_of(request)
    if visit is None:
        return JSONResponse({"state": "gone"}, 410)
    approval = await look(doors_of(visit.provider), visit.interaction, origin_of(visit.provider, request))
    if approval is None:
        return JSONResponse({"state": str(ApprovalState.EXPIRED), "seconds_left": 0})
    return JSONResponse({"state": str(approval.state), "seconds_left": seconds_left(approval, visit.provider.clock())})


async def cancel(request: Request) -> Response:
    """POST: end the question and send the browser back to the client with ``access_denied``."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    form = await read_form(request)
    if not visit.is_served_here(form):
        return stopped(request, "refused", 403)
    await give_up(doors_of(visit.provider), visit.interaction, origin_of(visit.provider, request))
    if visit.interaction.device_code_hash is not None:
        return await refuse(visit)
    if not await answers_pushed(visit.provider, visit.interaction.pushed_hash):
        return stopped(request, "gone", 410)
    await visit.provider.store.interactions.delete(visit.interaction.id)
    visit.provider.audit.record(
        AuditAction.AUTHORIZATION_REFUSED,
        Outcome.FAILURE,
        {
            "source.ip": visit.provider.sources(request),
            "user_agent.original": user_agent(request),
            "health.relying_party.id": visit.client.client_id,
            "event.reason": "the person cancelled",
        },
    )
    asked = visit.interaction.request
    refusal = refusal_members(AccessDenied("the person cancelled the login"))
    return await answer_client(request, visit.provider, visit.client, asked["redirect_uri"], asked, refusal)


def _clock_time(at: datetime) -> str:
    return at.astimezone(_SCREEN_ZONE).strftime("%H:%M:%S")


routes: list[BaseRoute] = [
    Route("/login/{interaction_id}", identify, methods=["GET"]),
    Route("/login/{interaction_id}", send, methods=["POST"]),
    Route("/login/{interaction_id}/wait", wait, methods=["GET"]),
    Route("/login/{interaction_id}/state", state, methods=["GET"]),
    Route("/login/{interaction_id}/cancel", cancel, methods=["POST"]),
]
