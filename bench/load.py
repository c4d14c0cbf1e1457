"""A load generator: the same request again and again over a few kept connections, until the time is up.

Written on asyncio protocols, because a client library costs more than the provider it would measure.
It speaks to loopback only.
"""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit


@dataclass(slots=True)
class Tally:
    """What came back. ``answered`` counts every answer, ``refused`` those whose status was not 200."""

    answered: int = 0
    refused: int = 0
    first_refusal: bytes = b""


@dataclass(slots=True)
class _Connection(asyncio.Protocol):
    """One kept connection: sends, waits for the whole answer, sends again."""

    request: bytes
    until: float
    tally: Tally
    finished: asyncio.Future[None]
    _transport: asyncio.Transport | None = None
    _received: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Collect until the answer is whole."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        place = head.find(b"content-length:")
        length = int(head[place + 15 : head.find(b"\r", place) if b"\r" in head[place:] else None]) if place >= 0 else 0
        if len(self._received) < end + 4 + length:
            return
        self.tally.answered += 1
        if not head.startswith(b"http/1.1 200"):
            self.tally.refused += 1
            self.tally.first_refusal = self.tally.first_refusal or bytes(self._received)
        del self._received[: end + 4 + length]
        if time.monotonic() < self.until:
            cast("asyncio.Transport", self._transport).write(self.request)
        else:
            cast("asyncio.Transport", self._transport).close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, or the server's doing."""
        if not self.finished.done():
            self.finished.set_result(None)


def send(method: str, url: str, headers: dict[str, str], body: bytes, *, seconds: float, connections: int = 16) -> Tally:
    """Send one request over and over for ``seconds``. Raises RuntimeError when an answer is not 200: a refusal is no measure."""
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1":
        raise ValueError(f"{url}: the load generator speaks to 127.0.0.1 alone")
    head = {"Host": parts.netloc, "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    request = f"{method} {parts.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
    tally = asyncio.run(_run(request, parts.port or 80, seconds, connections))
    if tally.refused or not tally.answered:
        raise RuntimeError(f"{tally.refused} of {tally.answered} answers of {url} were not 200: {tally.first_refusal[:300]!r}")
    return tally


async def _run(request: bytes, port: int, seconds: float, connections: int) -> Tally:
    loop = asyncio.get_running_loop()
    tally, until = Tally(), time.monotonic() + seconds
    waiting = [loop.create_future() for _ in range(connections)]
    for finished in waiting:
        await loop.create_connection(partial(_Connection, request, until, tally, finished), "127.0.0.1", port)
    await asyncio.wait_for(asyncio.gather(*waiting), seconds + 30)
    return tally
