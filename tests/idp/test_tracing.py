"""Every request has a name of ours, which is in its answer, its log lines and nothing else's."""

import asyncio
import logging

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from idp.tracing import BOUNDS, Named, RequestIds, Requests, request_id


def test_the_answer_says_the_name_under_which_the_request_ran_and_never_one_from_outside() -> None:
    async def named(request: Request) -> PlainTextResponse:
        await asyncio.sleep(0)
        return PlainTextResponse(request_id.get())

    client = TestClient(RequestIds(Starlette(routes=[Route("/", named)])))
    answers = [client.get("/", headers={"X-Request-ID": "chosen-by-a-stranger"}) for _ in range(3)]
    assert [answer.text for answer in answers] == [answer.headers["x-request-id"] for answer in answers]
    assert len({answer.text for answer in answers} - {"chosen-by-a-stranger"}) == 3


def test_a_line_of_the_log_has_the_name_only_inside_of_a_request() -> None:
    outside, inside = (logging.makeLogRecord({}) for _ in range(2))
    assert Named().filter(outside)
    token = request_id.set("abc")
    try:
        assert Named().filter(inside)
    finally:
        request_id.reset(token)
    assert (getattr(outside, "trace.id", None), getattr(inside, "trace.id", None)) == (None, "abc")


def test_answers_are_counted_by_route_and_status_and_fall_into_one_bucket_each() -> None:
    requests = Requests()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, 99.0):
        requests("/auth", 200, seconds)
    requests("/auth", 400, 0.0)
    assert requests.statuses == {("/auth", 200): 4, ("/auth", 400): 1}
    assert (requests.buckets["/auth"][0], requests.buckets["/auth"][1], requests.buckets["/auth"][-1]) == (3, 1, 1)
    assert sum(requests.buckets["/auth"]) == 5
