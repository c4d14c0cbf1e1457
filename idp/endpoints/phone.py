"""The phone: its web application, and the API it speaks (every request of an enrolled phone is signed, RFC 9449's way).

The address that a signature must name is built from the provider's own base URL, never from the Host header.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from idp.authentication.device import Holder, SignedCall, answer, enrol, prove, waiting
from idp.authentication.device_approval import Answer, Decision
from idp.authentication.places import Place
from idp.authentication.refusal import AuthenticationRefused
from idp.authorization_details import DetailTypes
from idp.endpoints.consent import on_day, scope_in_words
from idp.endpoints.doors import doors_of, origin_of
from idp.endpoints.pages import pages, preferences
from idp.http import read_body
from idp.model import Approval, ApprovalKind
from idp.provider import provider_of

_MAX_BODY_BYTES: Final = 8_192


async def application(request: Request) -> Response:
    """GET /phone/: the application."""
    return _application(request, start="questions", title="phone.title")


async def enrolment(request: Request) -> Response:
    """GET /phone/enrol: the same application, opened on activation; its script takes ``code`` out of the address."""
    return _application(request, start="enrol", title="phone.enrol_title")


def _application(request: Request, *, start: str, title: str) -> Response:
    texts = pages().messages(preferences(request).language).under("phone")
    return pages().render(request, "phone.html", start=start, title=title, messages=texts)


async def _redirect(request: Request) -> Response:
    return RedirectResponse("/phone/", 308)


async def time(request: Request) -> Response:
    """GET: the provider's clock, which signatures are held to."""
    return JSONResponse({"now": int(provider_of(request).clock().timestamp())})


async def devices(request: Request) -> Response:
    """POST: enrol a phone (body: see :func:`idp.authentication.device.enrol`)."""
    provider = provider_of(request)
    document = _json_object(await read_body(request, max_bytes=_MAX_BODY_BYTES))
    device = await enrol(doors_of(provider), document, origin_of(provider, request))
    return JSONResponse({"device_id": device.id}, 201)


async def approvals(request: Request) -> Response:
    """GET: the questions that wait, oldest first; asking marks them seen."""
    provider = provider_of(request)
    holder, _ = await _proven(request)
    found = await waiting(doors_of(provider), holder, origin_of(provider, request))
    now, language = int(provider.clock().timestamp()), preferences(request).language
    shown = [_shown(one, provider.places(one.source_ip)) | _asked(one, provider.detail_types, language) for one in found]
    return JSONResponse({"approvals": shown, "now": now})


async def decision(request: Request) -> Response:
    """POST: answer one question; the state it got."""
    provider = provider_of(request)
    holder, body = await _proven(request)
    document = _json_object(body)
    try:
        decided = Decision(str(document.get("decision")))
    except ValueError as error:
        raise AuthenticationRefused("invalid_decision", "decision is approve, deny or report") from error
    given = Answer(decided, challenge=_text(document, "challenge"), choice=_text(document, "choice"))
    settled = await answer(
        doors_of(provider), holder, request.path_params["approval_id"], given, _text(document, "pin"), origin_of(provider, request)
    )
    return JSONResponse({"state": str(settled.state)})


async def _proven(request: Request) -> tuple[Holder, bytes]:
    provider = provider_of(request)
    body = await read_body(request, max_bytes=_MAX_BODY_BYTES)
    call = SignedCall(request.method, f"{provider.base_url}{request.url.path}", request.headers.get("authorization"), body)
    return await prove(doors_of(provider), call), body


def _shown(approval: Approval, place: Place | None) -> dict[str, object]:
    """What a phone may know: never which of the three choices is right."""
    return {
        "id": approval.id,
        "challenge": approval.challenge,
        "client_name": approval.client_name,
        "structure_name": approval.structure_name,
        "source_ip": approval.source_ip,
        "place": (place.city_name or None) if place else None,
        "country": (place.country_iso_code or None) if place else None,
        "user_agent": approval.user_agent,
        "requested_at": approval.requested_at.isoformat(timespec="seconds"),
        "expires_at": approval.expires_at.isoformat(timespec="seconds"),
        "kind": str(approval.kind),
        "choices": list(approval.choices) if approval.kind is ApprovalKind.BROWSER else [],
        "binding_message": approval.binding_message,
    }


def _asked(approval: Approval, types: DetailTypes, language: str) -> dict[str, object]:
    """What the service asks to do, in words of the reader's language; of one that registered itself also for what, and since when."""
    itself = approval.client_registered_at is not None
    return {
        "details": types.read_out(approval.authorization_details, language),
        "registered_on": on_day(approval.client_registered_at),
        "scope": scope_in_words(approval.scope, pages().messages(language)) if itself else [],
    }


def _json_object(body: bytes) -> Mapping[str, object]:
    """orjson bounds the depth and refuses lone surrogates, both of which the standard library lets through."""
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise AuthenticationRefused("invalid_request", "the body is not JSON") from error
    if not isinstance(document, dict):
        raise AuthenticationRefused("invalid_request", "the body is not a JSON object")
    return document


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise AuthenticationRefused("invalid_request", f"{name} must be text")
    return value


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The handler with its refusals turned into JSON: ``{"error"}``, and ``remaining`` after a wrong PIN."""

    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except AuthenticationRefused as refusal:
            document: dict[str, object] = {"error": refusal.error}
            if refusal.remaining is not None:
                document["remaining"] = refusal.remaining
            headers = {"retry-after": str(refusal.retry_after_seconds)} if refusal.retry_after_seconds else None
            return JSONResponse(document, refusal.status, headers)

    return answering


routes: list[BaseRoute] = [
    Route("/phone", _redirect, methods=["GET"]),
    Route("/phone/", application, methods=["GET"]),
    Route("/phone/enrol", enrolment, methods=["GET"]),
    Route("/phone/api/time", time, methods=["GET"]),
    Route("/phone/api/devices", _answering(devices), methods=["POST"]),
    Route("/phone/api/approvals", _answering(approvals), methods=["GET"]),
    Route("/phone/api/approvals/{approval_id}", _answering(decision), methods=["POST"]),
]
