"""Health: alive (the process answers) and ready (store and keys answer too)."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.answers import json_answer
from idp.provider import provider_of


async def live(request: Request) -> Response:
    """GET."""
    return json_answer({"status": "pass"})


async def ready(request: Request) -> Response:
    """GET; a store or a key that fails answers 503 by way of the error handler."""
    provider = provider_of(request)
    await provider.store.sessions.get("none", provider.clock())
    await provider.keys.check()
    return json_answer({"status": "pass"})


def routes() -> list[BaseRoute]:
    """At fixed paths, for a proxy or an orchestrator."""
    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]
