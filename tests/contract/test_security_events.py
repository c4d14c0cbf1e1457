"""A session is revoked at a real provider; the signed event goes over the wire into a real watch and becomes an event there."""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from idp.provider import Provider
from siem.event import RawRecord
from siem.inputs.http import HttpSource
from siem.inputs.security_events import IssuerKeys, SecurityEventInput
from siem.sources.caep import Caep
from siem.sources.source import SourceSettings
from siem.store.queue import Queue
from tests.end_to_end.conftest import free_port
from tests.idp.endpoints.signals_flow import PUSH, Receiver
from tests.idp.wire import ISSUER, NATIONAL_ID, PERSON, START, Wire, running


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path / "idp", outbound_loopback=True) as started:
        yield started


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue.sqlite")
    yield made
    made.close()


@pytest.fixture
def watch(wire: Wire, queue: Queue) -> Iterator[str]:
    """The watch's door on a port of this machine; the provider's keys come from its own routes."""

    def fetch(url: str) -> Mapping[str, Any]:
        document: Mapping[str, Any] = wire.http.get(url).json()
        return document

    sources = {"signals": HttpSource("signals", hashlib.sha256(b"key").hexdigest())}
    door = SecurityEventInput(queue, sources, lambda: START, IssuerKeys(ISSUER, fetch), issuer=ISSUER, audience="watch")
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=door.routes()), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{port}/ingest/v1/signals/events"
    server.should_exit = True
    thread.join(30)


def _received(queue: Queue) -> list[RawRecord]:
    until = time.monotonic() + 30
    while not queue.last_sequence and time.monotonic() < until:
        threading.Event().wait(0.05)
    return [queued.record for queued in queue.read(0, 10)]


@pytest.mark.spec("RFC8935-2", "SSF-8.1.1", "CAEP-3.1")
def test_a_revoked_session_becomes_an_event_of_the_watch(wire: Wire, queue: Queue, watch: str) -> None:
    receiver = Receiver(wire, "watch", quirks={"keycloak_subject": True})
    receiver.stream(delivery={"method": PUSH, "endpoint_url": watch, "authorization_header": "ApiKey key"})
    wire.log_in()

    async def revoke(provider: Provider) -> None:
        await provider.store.revocations.revoke_account(PERSON.id, provider.clock())

    wire.call(revoke)
    [record] = _received(queue)
    [event] = Caep(SourceSettings("signals", "caep", "Fournisseur", http=True)).parse(record)
    assert event.at == START.replace(microsecond=0)
    assert {name: event.fields[name] for name in ("event.action", "event.provider", "user.id", "health.session.id")} == {
        "event.action": "caep.session_revoked",
        "event.provider": ISSUER,
        "user.id": NATIONAL_ID,
        "health.session.id": "session-one",
    }
    while not wire.events("security_event.attempted"):
        threading.Event().wait(0.05)
    [heard] = wire.events("security_event.attempted")
    assert (heard["event.outcome"], heard["health.token.id"]) == ("success", event.fields["health.token.id"])
    assert datetime.now(UTC) - record.received_at > timedelta(0)
