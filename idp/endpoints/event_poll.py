"""Where a client comes for its security events (RFC 8936), and says which it has."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.endpoints.answers import json_answer
from idp.endpoints.doors import signal_services
from idp.endpoints.shared_signals import client_of, document_of, stream_of
from idp.errors import InvalidRequest
from idp.model import Delivery, Stream, StreamStatus
from idp.provider import Provider, provider_of
from idp.signals.deliver import record_attempt
from idp.signals.security_events import MANAGE, READ

#: Most events of one answer, and of one acknowledgement.
_MOST: Final = 100
#: How long an answer waits for a first event, and how often it looks.
_PATIENCE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.5


async def poll(request: Request) -> Response:
    """POST: what was heard goes, what is new comes (§2.4). An event stays until it is acknowledged: who dies with it has lost nothing."""
    provider, client = provider_of(request), await client_of(request, MANAGE, READ)
    stream = await stream_of(provider, client, request.path_params["stream_id"])
    if stream.endpoint_url is not None:
        raise InvalidRequest("this stream is pushed: to poll it, register delivery.method for polling")
    document = await document_of(request)
    at_most = document.get("maxEvents", _MOST)
    if not isinstance(at_most, int) or at_most < 0:
        raise InvalidRequest("maxEvents must be a number")
    await _acknowledge(provider, stream, document)
    at_most = min(at_most, _MOST)
    patient = document.get("returnImmediately") is not True and at_most > 0
    held = await _held(provider, stream, at_most + 1, patient=patient) if stream.status is StreamStatus.ENABLED else []
    answer: dict[str, Any] = {"sets": {event.id: await provider.tokens.sign_event(event.claims) for event in held[:at_most]}}
    if len(held) > at_most:
        answer["moreAvailable"] = True
    return json_answer(answer)


async def _held(provider: Provider, stream: Stream, at_most: int, *, patient: bool) -> list[Delivery]:
    """Those that wait, or the first that come within some seconds."""
    looks = int(_PATIENCE_SECONDS / _LOOK_SECONDS) if patient else 0
    for _ in range(looks):
        if held := await provider.store.deliveries.held(stream.id, at_most=at_most):
            return list(held)
        await asyncio.sleep(_LOOK_SECONDS)
    return list(await provider.store.deliveries.held(stream.id, at_most=at_most))


async def _acknowledge(provider: Provider, stream: Stream, document: Mapping[str, Any]) -> None:
    acknowledged, faults = document.get("ack", []), document.get("setErrs", {})
    if not isinstance(acknowledged, list) or not isinstance(faults, dict) or len(acknowledged) + len(faults) > _MOST:
        raise InvalidRequest(f"ack must be a list and setErrs an object, of {_MOST} at most together")
    now, deliveries = provider.clock(), provider.store.deliveries
    settled = list(await deliveries.take(stream.id, [jti for jti in acknowledged if isinstance(jti, str)], now)) if acknowledged else []
    for jti, fault in faults.items():
        code = fault.get("err") if isinstance(fault, dict) else None
        settled += await deliveries.take(stream.id, [jti], now, f"the receiver refused it: {str(code)[:60]}")
    for event in settled:
        await record_attempt(event, signal_services(provider))


def routes() -> list[BaseRoute]:
    """One address for each stream."""
    return [Route("/ssf/v1/poll/{stream_id}", poll, methods=["POST"])]
