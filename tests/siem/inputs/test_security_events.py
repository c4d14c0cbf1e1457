"""Security events at the watch's door: only what the issuer signed for us, once, and on the disk before the answer."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.testclient import TestClient

from siem.errors import OperationError
from siem.inputs.http import HttpSource
from siem.inputs.security_events import IssuerKeys, SecurityEventInput, configuration_url, fetch_json
from siem.store.queue import Queue

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
ISSUER = "https://idp.example/auth/realms/esante-wallet"
KEYS = "https://idp.example/certs"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
SOURCES = {
    "signals": HttpSource("signals", hashlib.sha256(b"key").hexdigest()),
    "other": HttpSource("other", hashlib.sha256(b"another key").hexdigest(), "tenant-2"),
}
HEADERS = {"Authorization": "ApiKey key", "Content-Type": "application/secevent+jwt"}


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _jwks(*names: str) -> dict[str, Any]:
    return {
        "keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_key(name).public_key())), "kid": name, "alg": "RS256"} for name in names]
    }


def _token(header: Mapping[str, Any] | None = None, *, key: Any = None, **claims: Any) -> str:
    payload = {"iss": ISSUER, "aud": "watch", "iat": int(AT.timestamp()), "jti": "j-1", "events": {REVOKED: {}}, **claims}
    named = {"typ": "secevent+jwt", "kid": "one", **(header or {})}
    kept = {name: value for name, value in payload.items() if value is not None}
    algorithm = named.pop("alg", "RS256")
    return jwt.encode(kept, _key("one") if key is None else key, algorithm=algorithm, headers=named)


class Issuer:
    """What the issuer publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ("one",)
        self.asked = 0
        self.down = False

    def __call__(self, url: str) -> Mapping[str, Any]:
        self.asked += 1
        if self.down:
            raise OperationError("reading", url, retry_helps=True)
        return {configuration_url(ISSUER): {"issuer": ISSUER, "jwks_uri": KEYS}, KEYS: _jwks(*self.names)}[url]


class Monotonic:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue.sqlite")
    yield made
    made.close()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def client(queue: Queue, issuer: Issuer, monotonic: Monotonic) -> Iterator[TestClient]:
    received = SecurityEventInput(queue, SOURCES, lambda: AT, IssuerKeys(ISSUER, issuer, monotonic), issuer=ISSUER, audience="watch")
    with TestClient(Starlette(routes=received.routes())) as made:
        yield made


def _push(client: TestClient, token: str, path: str = "/ingest/v1/signals/events", **headers: str) -> httpx.Response:
    return client.post(path, content=token, headers={**HEADERS, **headers})


@pytest.mark.spec("RFC8935-2.2", "RFC8935-2.1")
def test_a_signed_event_is_on_the_disk_when_it_is_accepted_and_once(client: TestClient, queue: Queue) -> None:
    token = _token()
    for _ in range(2):
        answer = _push(client, token)
        assert (answer.status_code, answer.content) == (202, b"")
    records = [queued.record for queued in queue.read(0, 10)]
    assert {(record.source, record.data, record.tenant) for record in records} == {("signals", token.encode(), "default")}
    assert len({record.position for record in records}) == 1, "the same jti is the same record"
    _push(client, _token(jti="j-2"))
    assert len({queued.record.position for queued in queue.read(0, 10)}) == 2


@pytest.mark.spec("RFC8935-2.3", "RFC8935-2.4", "SSF-4.1", "RFC8725-3.11", "RFC8725-3.1")
@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: _token({"typ": "JWT"}), "invalid_request"),
        (lambda: _token({"typ": "logout+jwt"}), "invalid_request"),
        (lambda: _token({"typ": "at+jwt"}), "invalid_request"),
        (lambda: _token({"kid": "two"}, key=_key("two")), "invalid_key"),
        (lambda: _token(key=_key("two")), "invalid_key"),
        (lambda: _token({"alg": "HS256"}, key="x" * 32), "invalid_key"),
        (lambda: _token({"alg": "none"}, key=""), "invalid_key"),
        (lambda: _token(iss="https://evil.example"), "invalid_issuer"),
        (lambda: _token(aud="somebody-else"), "invalid_audience"),
        (lambda: _token(aud=None), "invalid_request"),
        (lambda: _token(jti=None), "invalid_request"),
        (lambda: _token(jti=""), "invalid_request"),
        (lambda: _token(events=None), "invalid_request"),
        (lambda: _token(events="x"), "invalid_request"),
        (lambda: _token(iat=int(AT.timestamp()) + 301), "invalid_request"),
        (lambda: "x.y.z", "invalid_request"),
        (lambda: "", "invalid_request"),
        (lambda: "é", "invalid_request"),
        (lambda: _token(jti="j-9").rsplit(".", 1)[0] + "." + _token().rsplit(".", 1)[1], "invalid_key"),
    ],
    ids=[
        "an ID token",
        "a logout token",
        "an access token",
        "an unknown key",
        "another's signature",
        "a shared secret",
        "no signature",
        "another issuer",
        "another audience",
        "no audience",
        "no jti",
        "an empty jti",
        "no events",
        "events that are a text",
        "from the future",
        "three letters",
        "nothing",
        "not ASCII",
        "another token's signature",
    ],
)
def test_what_the_issuer_did_not_sign_for_us_is_refused_by_its_name(client: TestClient, queue: Queue, token: Any, code: str) -> None:
    answer = _push(client, token())
    assert (answer.status_code, answer.json()["err"]) == (400, code)
    assert answer.json()["description"]
    assert queue.last_sequence == 0


@pytest.mark.spec("RFC8935-2.4", "RFC8935-4")
@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/ingest/v1/signals/events", {"Authorization": "ApiKey wrong"}, 401, "authentication_failed"),
        ("/ingest/v1/signals/events", {"Authorization": ""}, 401, "authentication_failed"),
        ("/ingest/v1/signals/events", {"Authorization": "ApiKey another key"}, 403, "access_denied"),
        ("/ingest/v1/other/events", {}, 403, "access_denied"),
        ("/ingest/v1/signals/events", {"Content-Type": "application/json"}, 400, "invalid_request"),
    ],
)
def test_a_key_opens_its_own_source_to_security_events_alone(
    client: TestClient, queue: Queue, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = _push(client, _token(), path, **headers)
    assert (answer.status_code, answer.json()["err"]) == (status, code)
    assert queue.last_sequence == 0


def test_a_token_is_no_place_for_megabytes(client: TestClient, queue: Queue) -> None:
    assert _push(client, "x" * 65_537).status_code == 413
    assert queue.last_sequence == 0


def test_new_keys_are_read_when_a_token_needs_them_and_not_whenever_somebody_asks(
    client: TestClient, issuer: Issuer, monotonic: Monotonic
) -> None:
    assert _push(client, _token()).status_code == 202
    issuer.names = ("one", "two")
    rotated = _token({"kid": "two"}, key=_key("two"), jti="j-2")
    for _ in range(5):
        assert _push(client, rotated).status_code == 400
    assert issuer.asked == 2
    monotonic.at = 60.0
    assert _push(client, rotated).status_code == 202
    assert issuer.asked == 4


def test_an_issuer_that_is_down_loses_no_event(client: TestClient, queue: Queue, issuer: Issuer, monotonic: Monotonic) -> None:
    issuer.down = True
    answer = _push(client, _token())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    issuer.down = False
    assert _push(client, _token()).status_code == 503, "still not known to be wrong"
    assert queue.last_sequence == 0
    monotonic.at = 60.0
    assert _push(client, _token()).status_code == 202


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example", "jwks_uri": KEYS},
        {"issuer": ISSUER, "jwks_uri": "https://evil.example/certs"},
        {"issuer": ISSUER, "jwks_uri": "http://idp.example/certs"},
        {"issuer": ISSUER},
        {},
    ],
    ids=str,
)
def test_keys_of_another_place_are_never_used(configuration: dict[str, str]) -> None:
    with pytest.raises(OperationError, match="another"):
        IssuerKeys(ISSUER, lambda url: configuration).find("one")


def test_what_cannot_be_fetched_is_an_operation_that_failed() -> None:
    with pytest.raises(OperationError):
        fetch_json("http://127.0.0.1:1/")
