"""The login pages: choose a means, identify, wait for the phone, cancel. They work without script; a small module only makes them livelier.

An interaction belongs to the browser that began it (cookie), and each form to the page that served it (``csrf``): anyone else
gets one page that says nothing about the login (identity-engineering.md §4.1, session fixation).
"""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.authentication.device_approval import is_final
from idp.authentication.device_login import ask, give_up, look, seconds_left, take_approved
from idp.authentication.limits import normalised_national_id
from idp.authentication.refusal import AuthenticationRefused
from idp.authorization.respond import refusal_members
from idp.endpoints import card
from idp.endpoints.authorization_response import answer_client
from idp.endpoints.device_verification import refuse
from idp.endpoints.doors import doors_of, origin_of
from idp.endpoints.entering import enter
from idp.endpoints.means import means_of
from idp.endpoints.pages import pages, preferences
from idp.endpoints.request_once import answers_pushed
from idp.endpoints.visit import Visit, stopped, visit_of
from idp.errors import AccessDenied
from idp.http import read_form
from idp.model import Approval, ApprovalState
from idp.sessions import current, user_agent
from idp.tokens.step_up import ACR_LEVELS
from vocabulary.audit import AuditAction, Outcome
from vocabulary.identifiers import IdentifierError, PsIdNat

_SCREEN_ZONE: Final = ZoneInfo("Europe/Paris")
#: Longest login_hint shown, in characters, as the field takes.
_HINT_LENGTH: Final = 64
_STEPS: Final = {ApprovalState.REQUESTED: 0, ApprovalState.SEEN: 1, ApprovalState.APPROVED: 2}


async def identify(request: Request) -> Response:
    """GET: who asks, by which means one may answer, and the field for the national identifier."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    return await _identify_page(visit, national_id=visit.interaction.request.get("login_hint", "")[:_HINT_LENGTH])


async def _identify_page(visit: Visit, *, error: str = "", national_id: str = "", status: int = 200, chosen: str = "") -> Response:
    """``chosen``: the means that the form named, where it comes back with an error."""
    means = means_of(visit)
    # Why somebody who is logged in is here: their session does not reach what is asked.
    session = await current(visit.provider, visit.request) if means.wanted else None
    return visit.page(
        "identify.html",
        status=status,
        error=error,
        national_id=national_id,
        means=means,
        chosen=chosen or means.preferred,
        raising=session is not None and ACR_LEVELS.get(session.acr, 0) < means.wanted,
    )


async def send(request: Request) -> Response:
    """POST: by the means that was chosen. By phone: put the question to the person's phones, whoever they are, and go and wait."""
    visit = await visit_of(request)
    if visit is None:
        return stopped(request, "gone", 410)
    form = await read_form(request)
    if not visit.is_served_here(form):
        return stopped(request, "refused", 403)
    typed = normalised_national_id(form.get("national_id", ""))
    texts = pages().messages(preferences(request, visit.ui_locales).language)
    means = means_of(visit)
    method = form.get("method", means.preferred)
    if method not in means.names:
        return await _identify_page(visit, error=texts("login.error.means"), national_id=typed, status=422)
    if method == "certificate":
        return await card.send_off(visit)
    if fault := _fault(typed):
        given = form.get("national_id", "")
        return await _identify_page(visit, error=texts(f"login.error.{fault}"), national_id=given, status=422, chosen=method)
    try:
        await ask(doors_of(visit.provider), visit.interaction, visit.client, typed, origin_of(visit.provider, request))
    except AuthenticationRefused as refusal:
        seconds = refusal.retry_after_seconds or 60
        error = texts("login.error.limited", minutes=-(-seconds // 60))
        response = await _identify_page(visit, error=error, national_id=typed, status=429, chosen=method)
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
    provider = visit.provider
    account = await take_approved(doors_of(provider), visit.interaction, approval, origin_of(provider, visit.request))
    if account is None:
        return visit.page("ended.html", state="used", status=409)
    return await enter(visit, account, "device", {"health.approval.id": approval.id}, device_id=approval.device_id)


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
    refusal = refusal_members(AccessDenied("the person cancelled the login: there is nothing to change in the request"))
    return await answer_client(request, visit.provider, visit.client, asked["redirect_uri"], asked, refusal)


def _clock_time(at: datetime) -> str:
    return at.astimezone(_SCREEN_ZONE).strftime("%H:%M:%S")


routes: list[BaseRoute] = [
    Route("/login/{interaction_id}", identify, methods=["GET"]),
    Route("/login/{interaction_id}", send, methods=["POST"]),
    Route("/login/{interaction_id}/wait", wait, methods=["GET"]),
    Route("/login/{interaction_id}/state", state, methods=["GET"]),
    Route("/login/{interaction_id}/cancel", cancel, methods=["POST"]),
    *card.routes,
]
