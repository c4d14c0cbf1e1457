import asyncio
from typing import Any

import orjson
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect, Request

from idp.authentication.refusal import AuthenticationRefused
from idp.endpoints.faults import ERROR_HANDLERS, answer_bug, answer_invalid
from idp.errors import InvalidGrant, OAuthError, OperationError

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
