import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn

from idp import listener
from idp.listener import MAX_HEAD_BYTES, BoundedProtocol


async def _answer(scope: object, receive: object, send: object) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):  # type: ignore[operator]
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]


@contextlib.asynccontextmanager
async def _connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    server = uvicorn.Server(uvicorn.Config(_answer, port=0, http=BoundedProtocol, lifespan="off", log_config=None, access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn offers no event)
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = server.force_exit = True
        await running


def test_a_request_in_pieces_and_the_next_on_the_same_connection_are_answered() -> None:
    async def work() -> None:
        async with _connected() as (reader, writer):
            for _ in range(3):
                for piece in (b"POST / HTTP/1.1\r\nHo", b"st: x\r\nContent-Length: 5\r\n\r\nab", b"cde"):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(2) == b"ok"

    asyncio.run(work())


def test_a_head_beyond_the_bound_is_refused_and_the_connection_closed() -> None:
    async def work() -> None:
        async with _connected() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nX-A: ")
            with contextlib.suppress(ConnectionError):
                for _ in range(MAX_HEAD_BYTES // 1000 * 10):
                    writer.write(b"a" * 1000)
                    await writer.drain()
            # What was on its way when the server closed may cost the client the answer, never the end of the connection.
            with contextlib.suppress(ConnectionError):
                assert (await reader.read()).startswith(b"HTTP/1.1 400")
            assert reader.at_eof() or isinstance(reader.exception(), ConnectionError)

    asyncio.run(work())


def test_a_body_longer_than_the_bound_on_heads_is_none_of_its_business() -> None:
    async def work() -> None:
        async with _connected() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (4 * MAX_HEAD_BYTES))
            for _ in range(4):
                writer.write(b"a" * MAX_HEAD_BYTES)
                await writer.drain()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    asyncio.run(work())


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX-A: a", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"])
def test_a_request_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(listener, "MAX_ARRIVAL_SECONDS", 0.05)

    async def work() -> None:
        async with _connected() as (reader, writer):
            writer.write(begun)
            assert await reader.read() == b""

    asyncio.run(work())
