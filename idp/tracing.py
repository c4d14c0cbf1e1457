"""What is known of each request: its name, and how many there were, of which route, and how long they took.

The name is in the answer, in the lines of the log, in its audit events and on error pages.

A person who reads a reference on a page can be answered by whoever reads the log. It is made here and never taken from outside:
a name that somebody else chose could be another's.
"""

import logging
import secrets
from bisect import bisect_left
from collections import Counter, defaultdict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the audit log of a command needs nothing of the web
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Empty outside of a request.
request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
_BYTES: Final = 8
#: Upper bounds of the histogram of times, in seconds.
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RequestIds:
    """Names every request, and says the name in ``X-Request-ID``."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on under its name."""
        name = secrets.token_hex(_BYTES)
        request_id.set(name)
        header = (b"x-request-id", name.encode())

        async def send_named(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, receive, send_named)


class Named(logging.Filter):
    """Gives a line of the log the name of the request it is about, as ECS calls it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every line passes."""
        if name := request_id.get():
            setattr(record, "trace.id", name)
        return True


class Requests:
    """Counts answers, in plain numbers: a request must not pay for being counted."""

    def __init__(self) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __call__(self, route: str, status: int, seconds: float) -> None:
        """One answer, of a route that exists."""
        self.statuses[route, status] += 1
        self.buckets[route][bisect_left(BOUNDS, seconds)] += 1
        self.seconds[route] += seconds
