"""What each family of errors becomes as an answer; anything else is a bug and becomes a 500 with a reference.

Programs get the JSON of the protocol, a browser that shows what it gets a page.
"""

import logging
from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from idp.authentication.refusal import AuthenticationRefused
from idp.endpoints.answers import json_answer, oauth_error
from idp.endpoints.error_page import error_page
from idp.endpoints.pages import pages
from idp.errors import OAuthError, OperationError
from idp.http import ErrorHandler
from idp.tracing import request_id

_LOG = logging.getLogger("idp")


def _shows_pages(request: Request) -> bool:
    """Whether a browser asks for a page. Every browser names ``xhtml`` then; the libraries that name HTML without reading it do not."""
    return "application/xhtml+xml" in request.headers.get("accept", "").lower()


def _page(request: Request, reason: str, status: int, headers: Mapping[str, str]) -> Response:
    page = pages().render(request, "fault.html", status=status, reason=reason, reference=request_id.get())
    page.headers.update(headers)
    return page


async def _answer_oauth_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, OAuthError):
        raise error
    if not _shows_pages(request):
        return oauth_error(error)
    page = error_page(request, error)
    page.headers.update(error.headers)
    return page


async def _answer_refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, AuthenticationRefused):
        raise error
    body: dict[str, str | int] = {"error": error.error}
    if error.remaining is not None:
        body["remaining"] = error.remaining
    headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds is not None else {}
    return json_answer(body, error.status, headers)


async def _answer_operation_error(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    headers = {"Retry-After": "5"}
    if _shows_pages(request):
        return _page(request, "unavailable", 503, headers)
    return json_answer({"error": "temporarily_unavailable", "error_description": "the service cannot answer now"}, 503, headers)


async def answer_missing(request: Request, error: Exception) -> Response:
    """No such address, or not by this method; ``Allow`` says by which (RFC 9110 §15.5.6)."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if _shows_pages(request):
        return _page(request, "missing", error.status_code, headers)
    text = f"this address answers {headers['Allow']} alone" if "Allow" in headers else "nothing is at this address"
    return json_answer({"error": "invalid_request", "error_description": text}, error.status_code, headers)


async def answer_framework(request: Request, error: Exception) -> Response:
    """In the framework's part: what no route has is answered as everywhere; what a route says is missing says so in its own words."""
    from fastapi.exception_handlers import http_exception_handler  # by whom it was raised

    if not isinstance(error, HTTPException):
        raise error
    if "endpoint" not in request.scope or error.status_code == 405:
        return await answer_missing(request, error)
    return await http_exception_handler(request, error)


async def _answer_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def answer_invalid(request: Request, error: Exception) -> Response:
    """Which member of a document is wrong and how (422). What was sent is not repeated: it may be a secret, or no text at all."""
    from fastapi.exceptions import RequestValidationError  # by whom it was raised

    if not isinstance(error, RequestValidationError):
        raise error
    detail = [
        {"loc": [_printable(part) for part in found["loc"]], "msg": _printable(found["msg"]), "type": found["type"]}
        for found in error.errors()
    ]
    return json_answer({"detail": detail}, 422)


def _printable(part: object) -> object:
    """A name of a member may hold half a character, which no answer can."""
    return part.encode("utf-8", "replace").decode() if isinstance(part, str) else part


async def answer_bug(request: Request, error: Exception) -> Response:
    """The text of a bug never leaves; its reference leads from the report to the log and to the audit events of the same request."""
    reference = request_id.get()
    _LOG.error("bug %s at %s %s", reference, request.method, request.url.path, exc_info=error)
    if _shows_pages(request):
        return _page(request, "bug", 500, {})
    return json_answer({"error": "server_error", "error_description": f"an unexpected fault, reference {reference}"}, 500)


#: One handler per family.
ERROR_HANDLERS: Final[Mapping[type[Exception], ErrorHandler]] = {
    OAuthError: _answer_oauth_error,
    AuthenticationRefused: _answer_refusal,
    OperationError: _answer_operation_error,
    ClientDisconnect: _answer_disconnect,
}
