"""The transmitter of security events (Shared Signals Framework 1.0): metadata, and the one stream that a client may have.

Access token of a client acting for itself, with ``ssf.manage``; ``ssf.read`` is enough to look and to come for events. Every subject that
is the client's to know of is in its stream from the start (``default_subjects: ALL``); none is added or removed by hand.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from idp.clock import ordered_id
from idp.endpoints.access import require_access
from idp.endpoints.answers import json_answer
from idp.endpoints.doors import signal_services, stream_seal
from idp.errors import InsufficientScope, InvalidRequest
from idp.http import read_body
from idp.model import Client, Stream, StreamStatus
from idp.provider import Provider, provider_of
from idp.registration.checks import check_uri
from idp.signals.security_events import EVENTS, MANAGE, READ, VERIFICATION, new_event
from vocabulary.audit import AuditAction, Outcome

PUSH: Final = "urn:ietf:rfc:8935"
POLL: Final = "urn:ietf:rfc:8936"
#: Least time between two verifications that a client asks for.
_VERIFICATION_PAUSE: Final = timedelta(seconds=60)
_TEXT_LENGTH: Final = 500


class NotFound(InvalidRequest):
    """No such stream of this client (Shared Signals §8.1.1.2)."""

    status = 404


class AlreadyThere(InvalidRequest):
    """The client has its stream (§8.1.1.1)."""

    status = 409


class TooSoon(InvalidRequest):
    """Verification is asked for again and again (§8.1.4.2)."""

    status = 429


def metadata(issuer: str, base_url: str) -> dict[str, Any]:
    """The transmitter's configuration (§7.1): only what is really served."""
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/protocol/openid-connect/certs",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{base_url}/ssf/v1/stream",
        "status_endpoint": f"{base_url}/ssf/v1/status",
        "verification_endpoint": f"{base_url}/ssf/v1/verification",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


async def configuration(request: Request) -> Response:
    """GET: the metadata, for everybody."""
    provider = provider_of(request)
    document = orjson.dumps(metadata(provider.issuer, provider.base_url))
    headers = {"cache-control": "public, max-age=3600", "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
    return Response(document, headers=headers, media_type="application/json")


async def client_of(request: Request, *scopes: str) -> Client:
    """The client whose own token this is, with one of the scopes; raises InvalidToken or InsufficientScope."""
    access = await require_access(request)
    if access.account is not None or access.record.scope.isdisjoint(scopes):
        challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scopes[0]}"'}
        raise InsufficientScope(f"this needs a client's own token with the scope {scopes[0]}", headers=challenge)
    return access.client


async def document_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request."""
    try:
        document = orjson.loads(await read_body(request))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("the body must be JSON") from error
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    return document


async def stream_of(provider: Provider, client: Client, stream_id: object) -> Stream:
    """The client's stream, when it is the one that is named; another's is as if it were not there."""
    stream = await provider.store.streams.of_client(client.client_id)
    if stream is None or stream.id != stream_id:
        raise NotFound("no such stream")
    return stream


async def create(request: Request) -> Response:
    """POST: the client's stream begins."""
    provider, client = provider_of(request), await client_of(request, MANAGE)
    now = provider.clock()
    fresh = Stream(id=ordered_id(now), client_id=client.client_id, created_at=now, events_requested=EVENTS)
    stream = _configured(provider, fresh, {"delivery": {"method": POLL}, **await document_of(request)})
    if not await provider.store.streams.create(stream):
        raise AlreadyThere("this client has a stream: change it, or delete it first")
    _record(request, provider, stream, "created")
    return json_answer(_shown(stream, provider), 201)


async def read(request: Request) -> Response:
    """GET: the client's streams, which are one or none, or the one that is named."""
    provider, client = provider_of(request), await client_of(request, MANAGE, READ)
    if "stream_id" in request.query_params:
        return json_answer(_shown(await stream_of(provider, client, request.query_params["stream_id"]), provider))
    stream = await provider.store.streams.of_client(client.client_id)
    return json_answer([_shown(stream, provider)] if stream else [])


async def change(request: Request) -> Response:
    """A patch changes what it gives; a put gives its default to what it leaves out (§8.1.1.3, §8.1.1.4)."""
    provider, client = provider_of(request), await client_of(request, MANAGE)
    document = await document_of(request)
    stream = await stream_of(provider, client, document.get("stream_id"))
    defaults = {"delivery": {"method": POLL}, "events_requested": list(EVENTS), "description": ""} if request.method == "PUT" else {}
    changed = _configured(provider, stream, {**defaults, **document})
    await provider.store.streams.put(changed)
    await _settle(provider, changed)
    _record(request, provider, changed, "changed")
    return json_answer(_shown(changed, provider))


async def delete(request: Request) -> Response:
    """The stream ends, and what it has not heard is forgotten."""
    provider, client = provider_of(request), await client_of(request, MANAGE)
    stream = await stream_of(provider, client, request.query_params.get("stream_id"))
    await provider.store.streams.delete(stream.id)
    await provider.store.deliveries.drop(stream.id)
    _record(request, provider, stream, "deleted")
    return Response(status_code=204)


async def read_status(request: Request) -> Response:
    """GET (§8.1.2.1)."""
    provider, client = provider_of(request), await client_of(request, MANAGE, READ)
    return json_answer(_status(await stream_of(provider, client, request.query_params.get("stream_id"))))


async def change_status(request: Request) -> Response:
    """POST: enabled, paused (events are kept) or disabled (they are not)."""
    provider, client = provider_of(request), await client_of(request, MANAGE)
    document = await document_of(request)
    stream = await stream_of(provider, client, document.get("stream_id"))
    if document.get("status") not in StreamStatus.__members__.values():
        raise InvalidRequest(f"status must be one of {', '.join(StreamStatus)}")
    changed = replace(stream, status=StreamStatus(document["status"]), status_reason=_text(document, "reason"))
    await provider.store.streams.put(changed)
    await _settle(provider, changed)
    _record(request, provider, changed, f"now {changed.status}")
    return json_answer(_status(changed))


async def _settle(provider: Provider, stream: Stream) -> None:
    """What waits goes the way that the stream has now."""
    deliveries = provider.store.deliveries
    if stream.status is StreamStatus.DISABLED:
        await deliveries.drop(stream.id)
    elif stream.status is StreamStatus.ENABLED and stream.endpoint_url is not None:
        await deliveries.release(stream.id, provider.clock())
    else:
        await deliveries.hold(stream.id)


async def verify(request: Request) -> Response:
    """POST: an event that proves that events arrive (§8.1.4.2)."""
    provider, client = provider_of(request), await client_of(request, MANAGE)
    document, now = await document_of(request), provider.clock()
    stream = await stream_of(provider, client, document.get("stream_id"))
    if stream.verified_at is not None and now < stream.verified_at + _VERIFICATION_PAUSE:
        raise TooSoon("a verification was asked for within the last minute", headers={"Retry-After": "60"})
    if stream.status is StreamStatus.DISABLED:
        raise InvalidRequest("the stream is disabled: set its status to enabled first")
    state = _text(document, "state")
    await provider.store.streams.put(replace(stream, verified_at=now))
    subject = {"format": "opaque", "id": stream.id}
    event = new_event(stream, signal_services(provider), VERIFICATION, subject, {"state": state} if state else {})
    await provider.store.deliveries.put(event)
    return Response(status_code=204)


def _configured(provider: Provider, stream: Stream, document: Mapping[str, Any]) -> Stream:
    """The stream with the members that a receiver may set (§8.1.1); raises InvalidRequest naming the one at fault."""
    if "delivery" in document:
        stream = _delivered(provider, stream, document["delivery"])
    if "events_requested" in document:
        wanted = document["events_requested"]
        if not isinstance(wanted, list) or not all(isinstance(name, str) and len(name) <= _TEXT_LENGTH for name in wanted):
            raise InvalidRequest("events_requested must be a list of event types")
        stream = replace(stream, events_requested=tuple(name for name in EVENTS if name in wanted))
    if "description" in document:
        stream = replace(stream, description=_text(document, "description"))
    return stream


def _delivered(provider: Provider, stream: Stream, delivery: object) -> Stream:
    if not isinstance(delivery, dict) or delivery.get("method") not in (PUSH, POLL):
        raise InvalidRequest(f"delivery.method must be {PUSH} or {POLL}")
    if delivery["method"] == POLL:
        return replace(stream, endpoint_url=None, sealed_authorization=None)
    url, header = delivery.get("endpoint_url"), delivery.get("authorization_header")
    if not isinstance(url, str) or len(url) > _TEXT_LENGTH:
        raise InvalidRequest("delivery.endpoint_url must be a URL")
    try:
        check_uri("delivery.endpoint_url", url, public=False)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    if header is not None and not (
        isinstance(header, str) and len(header) <= 2 * _TEXT_LENGTH and header.isascii() and header.isprintable()
    ):
        raise InvalidRequest("delivery.authorization_header must be printable ASCII")
    sealed = stream_seal(provider).close(stream.id, header.encode("ascii")).hex() if header is not None else None
    return replace(stream, endpoint_url=url, sealed_authorization=sealed)


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > _TEXT_LENGTH:
        raise InvalidRequest(f"{name} must be a text of at most {_TEXT_LENGTH} characters")
    return value


def _shown(stream: Stream, provider: Provider) -> dict[str, Any]:
    """A receiver's ``authorization_header`` is never shown again."""
    method = POLL if stream.endpoint_url is None else PUSH
    return {
        "stream_id": stream.id,
        "iss": provider.issuer,
        "aud": stream.client_id,
        "delivery": {"method": method, "endpoint_url": stream.endpoint_url or f"{provider.base_url}/ssf/v1/poll/{stream.id}"},
        "events_supported": list(EVENTS),
        "events_requested": list(stream.events_requested),
        "events_delivered": list(stream.events_requested),
        "min_verification_interval": int(_VERIFICATION_PAUSE.total_seconds()),
        "description": stream.description,
    }


def _status(stream: Stream) -> dict[str, str]:
    return {"stream_id": stream.id, "status": stream.status, **({"reason": stream.status_reason} if stream.status_reason else {})}


def _record(request: Request, provider: Provider, stream: Stream, change: str) -> None:
    fields = {"health.relying_party.id": stream.client_id, "source.ip": provider.sources(request), "event.reason": f"{stream.id} {change}"}
    provider.audit.record(AuditAction.EVENT_STREAM_CHANGED, Outcome.SUCCESS, fields)


def routes(issuer: str) -> list[BaseRoute]:
    """Metadata is between the host and the path of the issuer (§7.2.1), and at the host alone for who looks there."""
    path = urlsplit(issuer).path.rstrip("/")
    return [
        *(Route(f"/.well-known/ssf-configuration{end}", configuration, methods=["GET"]) for end in sorted({"", path})),
        Route("/ssf/v1/stream", create, methods=["POST"]),
        Route("/ssf/v1/stream", read, methods=["GET"]),
        Route("/ssf/v1/stream", change, methods=["PATCH", "PUT"]),
        Route("/ssf/v1/stream", delete, methods=["DELETE"]),
        Route("/ssf/v1/status", read_status, methods=["GET"]),
        Route("/ssf/v1/status", change_status, methods=["POST"]),
        Route("/ssf/v1/verification", verify, methods=["POST"]),
    ]
