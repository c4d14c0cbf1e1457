"""Receiving over HTTP: durable before the answer, one source per key, and no surprise from a body."""

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from siem.errors import OperationError
from siem.inputs.http import HttpInput, HttpSource, Limits
from siem.store.queue import Queue

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
KEY = "a-key-of-the-web-source"
AUTH = {"Authorization": f"ApiKey {KEY}"}
SOURCES = {
    "web": HttpSource("web", hashlib.sha256(KEY.encode()).hexdigest()),
    "other": HttpSource("other", hashlib.sha256(b"another key").hexdigest(), "tenant-2"),
}


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue.sqlite")
    yield made
    made.close()


@pytest.fixture
def client(queue: Queue) -> Iterator[TestClient]:
    received = HttpInput(queue, SOURCES, lambda: AT, Limits(body_bytes=100_000, record_bytes=1000, record_count=50))
    console = Route("/", lambda _request: PlainTextResponse("the console"))
    with TestClient(Starlette(routes=[*received.routes(), console])) as made:
        yield made


def _lines(queue: Queue) -> list[str]:
    return [queued.record.data.decode() for queued in queue.read(0, 1000)]


def _bulk(*lines: object) -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


def test_ndjson_lines_are_received_and_a_repeated_body_has_the_same_identities(client: TestClient, queue: Queue) -> None:
    body = b'{"a":1}\n\n{"a":1}\r\n{"b":2}'
    answers = [client.post("/ingest/v1/web", content=body, headers=AUTH) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"received": 3})] * 2
    records = [queued.record for queued in queue.read(0, 10)]
    assert [record.data for record in records[:3]] == [b'{"a":1}', b'{"a":1}', b'{"b":2}']
    assert len({record.position for record in records[:3]}) == 3, "two equal lines in one body are two records"
    assert [record.position for record in records[:3]] == [record.position for record in records[3:]]
    assert (records[0].source, records[0].received_at, records[0].tenant) == ("web", AT, "default")


@pytest.mark.parametrize("path", ["/ingest/v1/web", "/_bulk", "/web/_bulk", "/", "/_license"])
@pytest.mark.parametrize("authorization", ["ApiKey wrong", "ApiKey ", "Basic ???", "Basic \u00e9", "Basic d2Vi", "Bearer x"])
def test_without_a_known_key_nothing_is_received(client: TestClient, queue: Queue, path: str, authorization: str) -> None:
    method = "GET" if path in ("/", "/_license") else "POST"
    headers = {"Authorization": authorization.encode("latin-1")}
    answer = client.request(method, path, content=b"x\n" if method == "POST" else None, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "ApiKey"
    assert queue.last_sequence == 0


def test_a_key_writes_to_its_own_source_alone(client: TestClient, queue: Queue) -> None:
    assert client.post("/ingest/v1/other", content=b"line", headers=AUTH).status_code == 403
    answer = client.post(
        "/_bulk", content=_bulk({"create": {"_index": "other"}}, {"a": 1}, {"create": {"_index": "web"}}, {"a": 2}), headers=AUTH
    )
    assert answer.json()["errors"] is True
    assert [item["create"]["status"] for item in answer.json()["items"]] == [403, 201]
    assert _lines(queue) == ['{"a": 2}']
    basic = base64.b64encode(f"web:{KEY}".encode()).decode()
    assert client.post("/ingest/v1/web", content=b"line", headers={"Authorization": f"Basic {basic}"}).status_code == 200


def test_a_bulk_request_is_answered_item_by_item(client: TestClient, queue: Queue) -> None:
    body = _bulk(
        {"index": {"_id": "i-1"}},
        {"n": 1},
        {"create": {}},
        {"n": 2},
        {"delete": {"_id": "i-1"}},
        {"update": {"_id": "i-1"}},
        {"doc": {}},
        {"create": {"_index": "web"}},
        b"",
        {"create": {}},
        {"n": "x" * 1000},
        {"create": {}},
        b"not json, the source will say so",
    )
    answer = client.post("/web/_bulk", content=body, headers=AUTH)
    assert answer.status_code == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    items = answer.json()["items"]
    assert [(next(iter(item)), next(iter(item.values()))["status"]) for item in items] == [
        ("index", 201),
        ("create", 201),
        ("delete", 400),
        ("update", 400),
        ("create", 400),
        ("create", 413),
        ("create", 201),
    ]
    assert items[0]["index"]["_id"] == "i-1"
    assert all("reason" in next(iter(item.values()))["error"] for item in items[2:6])
    assert _lines(queue) == ['{"n": 1}', '{"n": 2}', "not json, the source will say so"]


def test_an_id_used_again_for_another_document_hides_nothing(client: TestClient, queue: Queue) -> None:
    for number in (1, 1, 2):
        client.post("/web/_bulk", content=_bulk({"create": {"_id": "same"}}, {"n": number}), headers=AUTH)
    first, again, other = (queued.record.position for queued in queue.read(0, 10))
    assert first == again
    assert other != first


@pytest.mark.parametrize(
    "body",
    [b'{"create":{}}\n{"a":1}', b"nonsense\n{}\n", b'{"create":{},"index":{}}\n{}\n', b'{"create":3}\n{}\n', b'{"explode":{}}\n{}\n'],
)
def test_a_bulk_body_that_makes_no_sense_is_refused_as_a_whole(client: TestClient, queue: Queue, body: bytes) -> None:
    answer = client.post("/web/_bulk", content=body, headers=AUTH)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "illegal_argument_exception"
    assert queue.last_sequence == 0


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_packed_body_is_unpacked(client: TestClient, queue: Queue, pack: object) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    assert callable(pack)
    answer = client.post("/ingest/v1/web", content=pack(b"one\ntwo\n"), headers={**AUTH, "Content-Encoding": encoding})
    assert answer.json() == {"received": 2}
    assert _lines(queue) == ["one", "two"]


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b"x\n" * 5_000_000), "gzip", 413),
        (b"x" * 100_001, "identity", 413),
        (b"y" * 1001 + b"\n", "identity", 413),
        (gzip.compress(b"one\n")[:-6], "gzip", 400),
        (b"not gzip", "gzip", 400),
        (b"one\n", "br", 415),
    ],
    ids=["bomb", "long body", "long line", "broken off", "no gzip", "unknown encoding"],
)
def test_a_body_that_is_too_much_or_broken_is_refused_as_a_whole(
    client: TestClient, queue: Queue, body: bytes, encoding: str, status: int
) -> None:
    answer = client.post("/ingest/v1/web", content=body, headers={**AUTH, "Content-Encoding": encoding})
    assert answer.status_code == status
    assert answer.json()["error"]["reason"]
    assert queue.last_sequence == 0


def test_too_many_records_in_one_body_are_refused(client: TestClient, queue: Queue) -> None:
    answer = client.post("/web/_bulk", content=_bulk({"create": {}}, {"a": 1}) * 51, headers=AUTH)
    assert answer.status_code == 413
    assert queue.last_sequence == 0


@pytest.mark.parametrize("path", ["/ingest/v1/web", "/web/_bulk"])
def test_too_many_lines_are_refused_before_they_are_looked_at(client: TestClient, queue: Queue, path: str) -> None:
    for body in (b"\n" * 90_000, b'{"index":{}}\nx\n' * 51):
        assert client.post(path, content=body, headers=AUTH).status_code == 413
    assert _lines(queue) == []


def test_a_packed_body_of_several_members_is_read_whole(client: TestClient, queue: Queue) -> None:
    body = gzip.compress(b'{"a":1}\n') + gzip.compress(b"") + gzip.compress(b'{"b":2}\n')
    answer = client.post("/ingest/v1/web", content=body, headers={**AUTH, "Content-Encoding": "gzip"})
    assert answer.json() == {"received": 2}
    assert _lines(queue) == ['{"a":1}', '{"b":2}']


def test_empty_members_without_end_are_refused(client: TestClient, queue: Queue) -> None:
    body = gzip.compress(b"") * 6000
    assert client.post("/ingest/v1/web", content=body, headers={**AUTH, "Content-Encoding": "gzip"}).status_code == 413


def test_a_full_disk_makes_the_shipper_keep_its_batch(client: TestClient, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OperationError("storing received records", "queue.sqlite (disk is full)", retry_helps=True)

    monkeypatch.setattr(queue, "put", refuse)
    for path, body in (("/ingest/v1/web", b"line\n"), ("/web/_bulk", _bulk({"create": {}}, {"a": 1}))):
        answer = client.post(path, content=body, headers=AUTH)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "full" in answer.json()["error"]["reason"]


def test_the_root_is_the_console_for_a_browser_and_the_product_for_a_shipper(client: TestClient) -> None:
    assert client.get("/").text == "the console"
    product = client.get("/", headers=AUTH)
    assert product.headers["x-elastic-product"] == "Elasticsearch"
    assert product.json()["version"]["number"].startswith("8.")
    assert client.get("/_license", headers=AUTH).json()["license"]["status"] == "active"
    assert client.get("/_cat/health").status_code == 200
