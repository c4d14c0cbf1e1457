"""Records over HTTP: NDJSON, and the bulk interface that log shippers speak to Elasticsearch.

    POST /ingest/v1/{source}              one record a line
    POST /_bulk, POST /{source}/_bulk     index or create actions; the index is the source's name
    GET  /, /_cat/health, /_license       what shippers ask before they send

``Authorization: ApiKey …`` (or Basic, source name and key) names the one source that the sender may write to; keys are
known by their SHA-256 alone. An answer means that the records are on the disk. A record's identity is its ``_id`` and content, or
the hash of the whole body and the line: a body sent again is harmless, two equal lines in one body are two records.
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from siem.errors import OperationError
from siem.event import RawRecord
from siem.store.queue import RecordQueue

#: The Elasticsearch that clients believe they talk to; they refuse a server that does not give a version and this product header.
_VERSION: Final = "8.17.0"
_PRODUCT: Final = {"X-Elastic-Product": "Elasticsearch"}
_COMPATIBLE: Final = "application/vnd.elasticsearch+json"
_ACTIONS: Final = frozenset({"index", "create"})
_MEBIBYTE: Final = 1 << 20
#: What zlib is told so that it goes by the header of the data.
_GZIP_OR_ZLIB: Final = 47

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A source that receives by HTTP. ``key_sha256`` is the SHA-256, in hex, of its API key."""

    name: str
    key_sha256: str
    tenant: str = "default"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold. ``body_bytes`` is after decompression, ``record_bytes`` one line."""

    body_bytes: int = 32 * _MEBIBYTE
    record_bytes: int = _MEBIBYTE
    record_count: int = 50_000


class _Refusal(Exception):
    """An answer other than success: HTTP status, Elasticsearch's error type, and a reason for a person."""

    def __init__(self, status: int, error_type: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.error_type, self.reason = status, error_type, reason


@dataclass(slots=True)
class _Item:
    """One action of a bulk request: its answer, and the document when it was accepted."""

    action: str
    index: str
    id: str
    status: int = 201
    error_type: str = ""
    reason: str = ""
    document: bytes | None = None


class HttpInput:
    """The routes that receive records, for any Starlette application."""

    def __init__(self, queue: RecordQueue, sources: Mapping[str, HttpSource], clock: Clock, limits: Limits | None = None) -> None:
        self._queue = queue
        self._sources = dict(sources)
        self._clock = clock
        self._limits = limits or Limits()

    def routes(self) -> list[BaseRoute]:
        """All routes. Those at the root answer only requests that carry credentials, so a console may live at the same address."""
        return [
            Route("/ingest/v1/{source}", self._ndjson, methods=["POST"]),
            _ShipperRoute("/_bulk", self._bulk, methods=["POST", "PUT"]),
            _ShipperRoute("/{source}/_bulk", self._bulk, methods=["POST", "PUT"]),
            _ShipperRoute("/", self._product, methods=["GET"]),
            _ShipperRoute("/_license", self._license, methods=["GET"]),
            Route("/_cat/health", self._health, methods=["GET"]),
        ]

    async def _ndjson(self, request: Request) -> Response:
        try:
            source = self._authenticated(request)
            if request.path_params["source"] != source.name:
                raise _Refusal(403, "security_exception", f"this key is for the source {source.name}")
            body = await _body(request, self._limits)
            records = await run_in_threadpool(_line_records, body, source, self._clock(), self._limits)
            await self._receive(records)
        except _Refusal as refusal:
            return _refused(refusal)
        return _json(200, {"received": len(records)})

    async def _bulk(self, request: Request) -> Response:
        try:
            source = self._authenticated(request)
            body = await _body(request, self._limits)
            items = await run_in_threadpool(_bulk_items, body, request.path_params.get("source"), source.name, self._limits)
            digest = sha256(body).hexdigest()[:32]
            now = self._clock()
            records = [
                RawRecord(source.name, _position(item, digest, number), now, item.document, source.tenant)
                for number, item in enumerate(items)
                if item.document is not None
            ]
            await self._receive(records)
        except _Refusal as refusal:
            return _refused(refusal)
        answer = {
            "took": 0,
            "errors": any(item.document is None for item in items),
            "items": [{item.action: _answer(item)} for item in items],
        }
        return _json(200, answer)

    async def _receive(self, records: list[RawRecord]) -> None:
        if not records:
            return
        try:
            await run_in_threadpool(self._queue.put, records)
        except OperationError as error:
            # 503 makes every shipper keep its batch and try again.
            raise _Refusal(503, "unavailable_shards_exception", str(error)) from error

    async def _product(self, request: Request) -> Response:
        try:
            self._authenticated(request)
        except _Refusal as refusal:
            return _refused(refusal)
        version = {
            "number": _VERSION,
            "build_flavor": "default",
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        }
        return _json(
            200,
            {
                "name": "veilleur",
                "cluster_name": "veilleur",
                "cluster_uuid": "veilleur",
                "version": version,
                "tagline": "You Know, for Search",
            },
        )

    async def _license(self, request: Request) -> Response:
        try:
            self._authenticated(request)
        except _Refusal as refusal:
            return _refused(refusal)
        return _json(200, {"license": {"status": "active", "type": "basic", "uid": "veilleur"}})

    async def _health(self, _request: Request) -> Response:
        return Response("veilleur green\n", media_type="text/plain", headers=_PRODUCT)

    def _authenticated(self, request: Request) -> HttpSource:
        found = authenticated_source(self._sources, request.headers.get("authorization", ""))
        if found is None:
            raise _Refusal(401, "security_exception", "unknown API key")
        return found


def authenticated_source(sources: Mapping[str, HttpSource], authorization: str) -> HttpSource | None:
    """The source whose key the header presents; every key is compared, so that time tells nothing."""
    presented = _presented_key(authorization)
    if presented is None:
        return None
    digest = sha256(presented).hexdigest()
    found = None
    for source in sources.values():
        if compare_digest(source.key_sha256.lower(), digest):
            found = source
    return found


class _ShipperRoute(Route):
    """Matches only requests with credentials: a browser that opens the same address gets the console."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and any(name == b"authorization" for name, _ in scope["headers"]):
            return super().matches(scope)
        return Match.NONE, {}


def _presented_key(header: str) -> bytes | None:
    scheme, _, credentials = header.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "apikey" and credentials:
        return credentials.encode()
    if scheme.lower() == "basic":
        try:
            _, colon, key = base64.b64decode(credentials, validate=True).partition(b":")
        except ValueError:  # not base64, or not even ASCII
            return None
        return key if colon else None
    return None


async def _body(request: Request, limits: Limits) -> bytes:
    """The body, decompressed. Raises _Refusal as soon as it is too long, without reading the rest."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "deflate"):
        raise _Refusal(415, "illegal_argument_exception", f"Content-Encoding {encoding} is not known here; send gzip or nothing")
    unpack = None if encoding == "identity" else zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    parts: list[bytes] = []
    size = packed_size = 0
    try:
        async for chunk in request.stream():
            packed_size += len(chunk)  # counted too: empty members unpack to nothing, for ever
            pending = chunk
            while pending:
                # At most one byte more than allowed is ever unpacked: a small bomb stays small.
                if unpack is not None and unpack.eof:
                    unpack = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)  # a gzip file may have several members (RFC 1952 §2.2)
                part = unpack.decompress(pending, limits.body_bytes - size + 1) if unpack else pending
                pending = (unpack.unconsumed_tail or unpack.unused_data) if unpack else b""
                size += len(part)
                if max(size, packed_size) > limits.body_bytes:
                    raise _Refusal(
                        413, "illegal_argument_exception", f"the body is larger than {limits.body_bytes} bytes; send smaller batches"
                    )
                parts.append(part)
    except zlib.error as error:
        raise _Refusal(400, "parse_exception", f"the body is not {encoding}: {error}") from None
    except ClientDisconnect:
        raise _Refusal(400, "parse_exception", "the body broke off") from None
    if unpack is not None and not unpack.eof:
        raise _Refusal(400, "parse_exception", f"the {encoding} body broke off")
    return b"".join(parts)


def _line_records(body: bytes, source: HttpSource, now: datetime, limits: Limits) -> list[RawRecord]:
    """The records of an NDJSON body. Raises _Refusal when a line is too long or there are too many."""
    _count_lines(body, limits)
    digest = sha256(body).hexdigest()[:32]
    records: list[RawRecord] = []
    for number, whole in enumerate(body.split(b"\n"), 1):
        line = whole.strip()
        if len(line) > limits.record_bytes:
            raise _Refusal(
                413, "illegal_argument_exception", f"line {number} has more than {limits.record_bytes} bytes; nothing was received"
            )
        if line:
            records.append(RawRecord(source.name, f"b:{digest}:{number}", now, line, source.tenant))
    if len(records) > limits.record_count:
        raise _too_many(limits)
    return records


def _count_lines(body: bytes, limits: Limits) -> None:
    """Refuse millions of empty lines before a list is made of them; a record takes two lines at most."""
    if body.count(b"\n") > 2 * limits.record_count:
        raise _too_many(limits)


def _too_many(limits: Limits) -> _Refusal:
    return _Refusal(413, "illegal_argument_exception", f"more than {limits.record_count} records; send smaller batches")


def _bulk_items(body: bytes, url_index: str | None, allowed: str, limits: Limits) -> list[_Item]:
    """The actions of a bulk body. Raises _Refusal where the body as a whole makes no sense, as Elasticsearch does."""
    if body and not body.endswith(b"\n"):
        raise _Refusal(400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
    _count_lines(body, limits)
    lines = enumerate(body.split(b"\n"), 1)
    items: list[_Item] = []
    for number, line in lines:
        if not line.strip():
            continue
        action, details = _action(number, line)
        index = str(details.get("_index") or url_index or "")
        identity = details.get("_id")
        item = _Item(action, index, "" if identity is None else str(identity))
        items.append(item)
        if len(items) > limits.record_count:
            raise _too_many(limits)
        document = b"" if action == "delete" else next(lines, (0, b""))[1].strip()
        _accept(item, document, allowed, limits)
    return items


def _action(number: int, line: bytes) -> tuple[str, Mapping[str, object]]:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict) and len(parsed) == 1:
        action, details = next(iter(parsed.items()))
        if action in (*_ACTIONS, "update", "delete") and isinstance(details, dict):
            return action, details
    raise _Refusal(
        400, "illegal_argument_exception", f"Malformed action/metadata line [{number}], expected an action such as create or index"
    )


def _accept(item: _Item, document: bytes, allowed: str, limits: Limits) -> None:
    if item.action not in _ACTIONS:
        item.status, item.error_type, item.reason = 400, "illegal_argument_exception", "records are only ever added: use create or index"
    elif item.index != allowed:
        item.status, item.error_type, item.reason = 403, "security_exception", f"this key is for the index {allowed}, not [{item.index}]"
    elif not document:
        item.status, item.error_type, item.reason = 400, "document_parsing_exception", "the document is missing"
    elif len(document) > limits.record_bytes:
        item.status, item.error_type, item.reason = 413, "illegal_argument_exception", f"more than {limits.record_bytes} bytes"
    else:
        item.document = document


def _position(item: _Item, body_digest: str, number: int) -> str:
    if not item.id:
        return f"b:{body_digest}:{number}"
    # The content belongs to the identity: reusing an _id must not make another event vanish as a duplicate.
    return f"i:{item.id[:512]}:{blake2b(item.document or b'', digest_size=8).hexdigest()}"


def _answer(item: _Item) -> Mapping[str, object]:
    named: dict[str, object] = {"_index": item.index, "_id": item.id or None, "status": item.status}
    if item.document is None:
        return {**named, "error": {"type": item.error_type, "reason": item.reason}}
    return {
        **named,
        "_version": 1,
        "result": "created",
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": 0,
        "_primary_term": 1,
    }


def _json(status: int, content: object) -> Response:
    return Response(orjson.dumps(content), status_code=status, media_type=_COMPATIBLE, headers=_PRODUCT)


def _refused(refusal: _Refusal) -> Response:
    cause = {"type": refusal.error_type, "reason": refusal.reason}
    response = _json(refusal.status, {"error": {**cause, "root_cause": [cause]}, "status": refusal.status})
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "ApiKey"
    elif refusal.status == 503:
        response.headers["Retry-After"] = "5"
    return response
