"""A service of this machine that nobody may reach."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class Trap:
    """A socket that listens and never answers: who connects waits in its queue."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.port: int = server.getsockname()[1]

    def sprung(self) -> bool:
        """Whether somebody connected."""
        try:
            connection, _ = self._server.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True


@contextmanager
def trap() -> Iterator[Trap]:
    """On a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield Trap(server)
