"""The live counters: one event stream per open page; the page decides when to show what came (WCAG 2.2.2)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from siem.access import Permission
from siem.console import sessions, users
from siem.console.visit import Visit

_EVERY_SECONDS: Final = 2.0
#: A comment line this often tells proxies and browsers that the stream lives.
_KEEP_ALIVE_TURNS: Final = 8
#: Then the browser asks again.
_TURNS: Final = 150


def stream(visit: Visit) -> Response:
    """``event: compteurs`` with ``{"alertes": n, "incidents": n}`` at the start and at each change."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(visit, _EVERY_SECONDS, _TURNS), media_type="text/event-stream", headers=headers)


async def events(visit: Visit, pause: float, turns: int) -> AsyncIterator[str]:
    """The lines of the stream, ``turns`` looks at the database long."""
    sent = ""
    yield "retry: 3000\n\n"
    for turn in range(turns):
        if visit.services.closing():
            return
        counters = await run_in_threadpool(_counters, visit)
        if counters is None:
            return
        if counters != sent:
            sent = counters
            yield f"event: compteurs\ndata: {counters}\n\n"
        elif turn % _KEEP_ALIVE_TURNS == 0:
            yield ": \n\n"
        await asyncio.sleep(pause)


def _counters(visit: Visit) -> str | None:
    """The counters; None once the session has ended or what the person may do is not what it was."""
    with visit.reading() as connection:
        if visit.session is None or not sessions.is_open(connection, visit.session):
            return None
        if users.find(connection, visit.session.subject) != visit.person:
            return None
    counters = visit.services.incidents.counters(visit.principal)
    alerts = counters.alerts if visit.principal.may(Permission.READ_ALERTS) else 0
    return json.dumps({"alertes": alerts, "incidents": counters.incidents})
