"""The server's side of a connection: uvicorn's HTTP/1.1, with a bound on what a request may send before anybody reads it.

uvicorn's fast parser gathers a request's head without any limit of size or time: one connection could fill the memory with a
header that never ends, or be held open for ever. Bodies are bounded where they are read (:mod:`idp.http`).
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Longest head of a request (request line and headers), in bytes, give or take one read of the socket.
MAX_HEAD_BYTES = 65_536
#: How long a request may take to arrive whole, and a new connection to begin one.
MAX_ARRIVAL_SECONDS = 30.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Costs nothing to a request that arrives in one piece, as nearly all do."""

    _arriving = False
    _in_head = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """A connection that says nothing is closed after a while."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more is expected."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes while a head is not whole yet."""
        began_before = self._in_head
        super().data_received(data)
        if not self._arriving:
            return
        if self._deadline is None:
            self._expect()
        if self._in_head and began_before:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._arriving = self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._arriving = False
        self._arrived()
        super().on_message_complete()

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(MAX_ARRIVAL_SECONDS, self.timeout_keep_alive_handler)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
