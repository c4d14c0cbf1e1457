import asyncio
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from idp.errors import InvalidRequest
from idp.http import BodyCap, BodyTooLarge, PlainRoutes, ProtectiveHeaders, Sources, parse_parameters, read_form


def _request(*, headers: dict[str, str] | None = None, peer: str = "127.0.0.1", body: bytes = b"") -> Request:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw, "client": (peer, 1), "query_string": b""}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "source"),
    [
        ((), "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        (("10.0.0.0/8",), "198.51.100.1", "203.0.113.9", "198.51.100.1"),
        (("127.0.0.1/32",), "127.0.0.1", "203.0.113.9", "203.0.113.9"),
        (("127.0.0.1/32",), "127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (("127.0.0.1/32", "10.0.0.0/8"), "127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        (("127.0.0.1/32",), "127.0.0.1", "203.0.113.9, <script>", "127.0.0.1"),
        (("127.0.0.1/32",), "127.0.0.1", "", "127.0.0.1"),
        (("::1/128",), "::1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_source_is_what_the_nearest_trusted_proxy_saw(trusted: tuple[str, ...], peer: str, forwarded: str, source: str) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert Sources(trusted)(_request(headers=headers, peer=peer)) == source


@pytest.mark.spec("RFC6749-3.1")
@given(st.dictionaries(st.text("abc_", min_size=1, max_size=5), st.text(st.characters(codec="utf-8"), max_size=10), max_size=8))
def test_parameters_come_back_as_sent_without_the_empty_ones(parameters: dict[str, str]) -> None:
    sent = {name: value for name, value in parameters.items() if value}
    assert parse_parameters(urlencode(parameters).encode()) == sent


@given(st.lists(st.sampled_from(["x", "y", "=", "&", "+", "%20", "%C3%A9", "%2b", "%", "%zz"]), max_size=12).map("".join))
def test_parameters_are_read_as_the_standard_library_reads_them(raw: str) -> None:
    pairs = parse_qsl(raw, keep_blank_values=True, errors="strict")
    if len(dict(pairs)) < len(pairs):
        with pytest.raises(InvalidRequest, match="more than once"):
            parse_parameters(raw.encode())
    else:
        assert parse_parameters(raw.encode()) == {name: value for name, value in pairs if value}


@pytest.mark.spec("RFC6749-3.1", "RFC6749-3.2")
@pytest.mark.parametrize("raw", [b"a=1&a=2", b"a=&a=1", b"state=x&%73tate=y"])
def test_a_parameter_given_twice_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="more than once"):
        parse_parameters(raw)


@pytest.mark.parametrize("raw", [b"a=%ff", "a=é".encode(), b"&".join(b"p%d=1" % n for n in range(100))], ids=["bytes", "not ascii", "many"])
def test_parameters_that_cannot_be_read_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        parse_parameters(raw)


def test_a_form_is_read_once_and_only_as_a_form() -> None:
    assert asyncio.run(read_form(_request(headers=FORM, body=b"a=1&b=%20x"))) == {"a": "1", "b": " x"}
    with pytest.raises(InvalidRequest, match="urlencoded"):
        asyncio.run(read_form(_request(headers={"content-type": "application/json"}, body=b"{}")))


@pytest.mark.parametrize("headers", [FORM, {**FORM, "content-length": "99999999"}], ids=["while it arrives", "as declared"])
def test_a_body_beyond_the_cap_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_form(_request(headers=headers, body=b"a=" + b"x" * 70_000)))


def _send_through(wrap: object, *, body: bytes = b"") -> tuple[dict[str, str], int]:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await PlainTextResponse("ok", headers={"cache-control": "public"})(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(wrap(app)(scope, receive, send))  # type: ignore[operator]
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[0]["status"]


def test_protective_headers_are_added_where_the_endpoint_sets_none() -> None:
    headers, _ = _send_through(lambda app: ProtectiveHeaders(app, https=True))
    assert headers["cache-control"] == "public"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" in headers
    assert "strict-transport-security" not in _send_through(lambda app: ProtectiveHeaders(app, https=False))[0]


def test_the_body_cap_holds_for_every_endpoint() -> None:
    assert _send_through(lambda app: BodyCap(app, max_bytes=10), body=b"x" * 10)[1] == 200
    with pytest.raises(BodyTooLarge):
        _send_through(lambda app: BodyCap(app, max_bytes=10), body=b"x" * 11)


def test_what_is_not_a_plain_route_goes_on_to_the_framework_and_errors_have_one_answer() -> None:
    async def plain(request: Request) -> Response:
        if request.query_params:
            raise InvalidRequest("no")
        return PlainTextResponse(str(request.path_params))

    async def refused(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"refused: {error}", 400)

    async def framework(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("framework", 404)(scope, receive, send)

    routes = [Route("/fixed", plain, methods=["POST"]), Route("/variable/{name}", plain, methods=["GET"])]
    http = TestClient(PlainRoutes(framework, routes=routes, error_handlers={InvalidRequest: refused}))
    assert http.post("/fixed").text == "{}"
    assert http.get("/variable/x").text == "{'name': 'x'}"
    assert (http.get("/variable/x?a=1").status_code, http.get("/variable/x?a=1").text) == (400, "refused: invalid_request: no")
    assert [http.get("/fixed").text, http.post("/variable/x").text, http.get("/else").text] == ["framework"] * 3


@pytest.mark.spec("RFC8707-2", "RFC6749-3.1")
def test_resource_alone_may_be_given_several_times() -> None:
    assert parse_parameters(b"resource=urn:a&resource=urn:b&state=s") == {"resource": "urn:a urn:b", "state": "s"}
    with pytest.raises(InvalidRequest, match="more than once"):
        parse_parameters(b"scope=a&scope=b")


def test_a_form_that_the_framework_read_first_is_read_all_the_same() -> None:
    """As of a token in the form of an administration call: nothing would ever come again."""

    async def read(max_bytes: int) -> tuple[bytes, dict[str, str]]:
        messages = iter([{"type": "http.request", "body": b"access_token=x", "more_body": False}])

        async def receive() -> Message:
            return next(messages)

        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        return await request.body(), await read_form(request, max_bytes=max_bytes)

    assert asyncio.run(read(14)) == (b"access_token=x", {"access_token": "x"})
    with pytest.raises(BodyTooLarge):
        asyncio.run(read(13))
