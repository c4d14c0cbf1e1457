import asyncio
from typing import Any

import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from idp.authentication.refusal import AuthenticationRefused
from idp.endpoints.faults import ERROR_HANDLERS, answer_bug, answer_invalid, answer_missing
from idp.errors import InvalidGrant, OAuthError, OperationError
from idp.tracing import request_id
from tests.idp.endpoints.html_checks import faults_of

REQUEST = Request({"type": "http", "method": "POST", "path": "/token", "headers": [], "query_string": b""})


@pytest.mark.parametrize(
    ("family", "error", "status", "word"),
    [
        (OAuthError, InvalidGrant("over", detail="secret detail"), 400, "invalid_grant"),
        (
            AuthenticationRefused,
            AuthenticationRefused("too_many_attempts", "x", status=429, retry_after_seconds=60),
            429,
            "too_many_attempts",
        ),
        (OperationError, OperationError("writing", "/var/secret", retry_helps=True), 503, "temporarily_unavailable"),
    ],
)
def test_each_family_has_one_answer_that_tells_nothing_of_the_inside(family: Any, error: Exception, status: int, word: str) -> None:
    answer = asyncio.run(_answered(ERROR_HANDLERS[family](REQUEST, error)))
    assert (answer.status_code, orjson.loads(answer.body)["error"]) == (status, word)
    assert b"secret" not in answer.body


def test_a_bug_leaves_a_reference_alone() -> None:
    answer = asyncio.run(_answered(answer_bug(REQUEST, RuntimeError("secret text"))))
    assert answer.status_code == 500
    assert b"reference" in answer.body
    assert b"secret" not in answer.body


_BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
#: Of Java's own client, which reads JSON all the same.
_LIBRARY = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


def _asking(accept: str) -> Request:
    return Request({**REQUEST.scope, "headers": [(b"accept", accept.encode()), (b"accept-language", b"en")]})


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (RuntimeError("secret text"), 500, "Something went wrong on our side"),
        (OperationError("writing", "/var/secret", retry_helps=True), 503, "The server cannot answer right now"),
        (HTTPException(404), 404, "There is no page here"),
        (InvalidGrant("over", detail="secret detail"), 400, "cannot"),
    ],
    ids=["500", "503", "404", "400"],
)
def test_a_browser_is_shown_a_page_with_the_reference_of_the_log_and_a_program_gets_json(error: Exception, status: int, title: str) -> None:
    handlers = {**ERROR_HANDLERS, HTTPException: answer_missing, Exception: answer_bug}
    handler = next(handler for family, handler in handlers.items() if isinstance(error, family))
    token = request_id.set("0123456789abcdef")
    try:
        page, answer = (asyncio.run(_answered(handler(_asking(accept), error))) for accept in (_BROWSER, _LIBRARY))
    finally:
        request_id.reset(token)
    assert (page.status_code, page.media_type) == (status, "text/html")
    assert title in page.body.decode()
    assert "0123456789abcdef" in page.body.decode()
    assert b"secret" not in page.body
    assert (answer.status_code, answer.media_type) == (status, "application/json")
    assert faults_of(page.body.decode()) == []


def test_what_is_wrong_with_a_document_is_told_without_repeating_it() -> None:
    sent = [
        {"type": "model_attributes_type", "loc": ("body", "pin\ud800"), "msg": "no object", "input": b"secret \xff", "ctx": {"error": 1}}
    ]
    answer = asyncio.run(_answered(answer_invalid(REQUEST, RequestValidationError(sent))))
    assert answer.status_code == 422
    assert orjson.loads(answer.body) == {"detail": [{"loc": ["body", "pin?"], "msg": "no object", "type": "model_attributes_type"}]}
    with pytest.raises(RuntimeError):
        asyncio.run(_answered(answer_invalid(REQUEST, RuntimeError("another family"))))


def test_who_hung_up_gets_an_empty_answer() -> None:
    assert asyncio.run(_answered(ERROR_HANDLERS[ClientDisconnect](REQUEST, ClientDisconnect()))).body == b""


async def _answered(work: Any) -> Any:
    return await work
