"""Asking for events: of the real provider, over its own routes; and of providers that refuse."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from siem.errors import OperationError
from siem.inputs.event_stream import Subscriber, subscribe
from tests.idp.endpoints.signals_flow import PUSH, Receiver
from tests.idp.wire import ISSUER, SECRET, Wire, running

DOOR = "https://watch.example/ingest/v1/signals/events"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path) as started:
        yield started


def _through(wire: Wire) -> httpx.MockTransport:
    """The provider's own routes, as if they were on the network."""

    def carry(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name in ("authorization", "content-type")}
        answer = wire.http.request(request.method, str(request.url), content=request.content, headers=headers)
        return httpx.Response(answer.status_code, content=answer.content, request=request)

    return httpx.MockTransport(carry)


@pytest.mark.spec("SSF-8.1.1.1", "SSF-8.1.1.3", "SSF-8.1.4.2")
def test_the_stream_is_made_once_and_then_turned_to_the_new_door(wire: Wire) -> None:
    receiver = Receiver(wire, "watch")
    transport = _through(wire)
    subscriber = Subscriber(ISSUER, "watch", SECRET)
    first = subscribe(subscriber, endpoint_url="https://old.example/events", api_key="k", transport=transport)
    second = subscribe(subscriber, endpoint_url=DOOR, api_key="k", transport=transport)
    assert first == second
    [stream] = receiver.send("GET", "stream").json()
    assert stream["delivery"] == {"method": PUSH, "endpoint_url": DOOR}
    assert receiver.send("POST", "verification", {"stream_id": first}).status_code == 429, "one is on its way"


def test_a_provider_that_refuses_says_why(wire: Wire) -> None:
    Receiver(wire, "watch", scope="ssf.read")
    with pytest.raises(OperationError, match="invalid_scope"):
        subscribe(Subscriber(ISSUER, "watch", SECRET), endpoint_url=DOOR, api_key="k", transport=_through(wire))
    with pytest.raises(OperationError, match="invalid_client"):
        subscribe(Subscriber(ISSUER, "watch", "wrong"), endpoint_url=DOOR, api_key="k", transport=_through(wire))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda request: httpx.Response(500), "status 500"),
        (lambda request: httpx.Response(200, json=[]), "no JSON object"),
        (lambda request: httpx.Response(302, headers={"location": "https://evil.example/"}), "status 302"),
    ],
    ids=["a fault", "a list", "a redirect"],
)
def test_what_is_no_provider_is_told(answer: Callable[[Any], httpx.Response], said: str) -> None:
    with pytest.raises(OperationError, match=said):
        subscribe(Subscriber(ISSUER, "watch", SECRET), endpoint_url=DOOR, api_key="k", transport=httpx.MockTransport(answer))


def test_a_provider_that_is_down_may_be_asked_again() -> None:
    with pytest.raises(OperationError, match="ConnectError") as failed:
        subscribe(Subscriber("http://127.0.0.1:1/realm", "watch", SECRET), endpoint_url=DOOR, api_key="k")
    assert failed.value.retry_helps
