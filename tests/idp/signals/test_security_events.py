from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp import signals
from idp.endpoints.doors import signal_services
from idp.model import Cause, Client, Initiator, Stream
from idp.provider import Provider
from tests.idp.endpoints.login_flow import CAMILLE, START, running_provider
from tests.idp.endpoints.signals_flow import CREDENTIAL_CHANGE, PUSH, SESSION_REVOKED, Receiver
from tests.idp.test_outbound import listening
from tests.idp.wire import ISSUER, PERSON, Wire, claims_of, client, running

CAUSE = Cause(initiator=Initiator.ADMIN, reason="incident 12")


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path, outbound_loopback=True) as started:
        yield started


async def _revoke(provider: Provider) -> None:
    await provider.store.revocations.revoke_account(PERSON.id, provider.clock(), CAUSE)
    await _tell(provider)


async def _tell(provider: Provider) -> None:
    services = signal_services(provider)
    await signals.spread(services)
    await signals.deliver(services)


def _events(receiver: Receiver, stream: dict[str, Any]) -> list[dict[str, Any]]:
    return [receiver.read(token) for token in receiver.poll(stream)["sets"].values()]


@pytest.mark.spec("RFC8417-2.2", "SSF-4.1", "CAEP-2", "CAEP-3.1")
def test_a_revoked_session_is_told_as_the_standards_say(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    wire.log_in()
    wire.call(_revoke)
    [said] = _events(receiver, stream)
    assert said["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": ISSUER, "sub": PERSON.id},
        "session": {"format": "opaque", "id": "session-one"},
    }
    at = int(START.timestamp())
    assert said["events"] == {SESSION_REVOKED: {"event_timestamp": at, "initiating_entity": "admin", "reason_admin": {"en": "incident 12"}}}
    assert (said["iat"], "exp" in said, "sub" in said) == (at, False, False)


def test_a_client_hears_of_people_who_came_to_it_and_of_nobody_else(wire: Wire) -> None:
    visited, stranger = Receiver(wire, "visited", "ssf.manage"), Receiver(wire, "stranger", "ssf.manage")
    streams = visited.stream(), stranger.stream()
    wire.redeem(wire.code("visited", cookie=wire.log_in()), "visited")
    wire.call(_revoke)
    [said] = _events(visited, streams[0])
    assert "reason_admin" not in said["events"][SESSION_REVOKED], "an administrator's words are for the watch"
    assert _events(stranger, streams[1]) == []


def test_a_client_that_lost_its_scope_or_its_place_hears_nothing_more(wire: Wire) -> None:
    for change in ({"scope": frozenset({"openid"})}, {"disabled": True}):
        receiver = Receiver(wire)
        found = receiver.send("GET", "stream").json()
        stream = found[0] if found else receiver.stream()
        wire.log_in()
        wire.call(lambda provider, change=change: provider.store.clients.put(client("receiver", **change)))  # type: ignore[misc]
        wire.call(_revoke)
        receiver = Receiver(wire)
        assert _events(receiver, stream) == []


def test_a_pairwise_client_hears_of_people_by_the_subject_it_knows(wire: Wire) -> None:
    receiver = Receiver(wire, subject_type="pairwise")
    stream = receiver.stream()
    tokens = wire.redeem(wire.code("receiver", cookie=wire.log_in()), "receiver").json()
    wire.call(_revoke)
    [said] = _events(receiver, stream)
    assert said["sub_id"]["user"]["sub"] == claims_of(tokens["id_token"])["sub"] != PERSON.id


@pytest.mark.spec("RFC8935-2.1", "RFC8935-2.2")
def test_an_event_is_pushed_with_the_receiver_s_own_authorization_and_is_the_same_each_time(wire: Wire) -> None:
    receiver = Receiver(wire)
    with listening(503) as (url, heard):
        stream = receiver.stream(delivery={"method": PUSH, "endpoint_url": url, "authorization_header": "Bearer s3cret"})
        wire.log_in()
        wire.call(_revoke)
        first = heard.get(timeout=5)
    assert (first["content-type"], first["authorization"]) == ("application/secevent+jwt", "Bearer s3cret")
    with listening(202) as (url, heard):
        delivery = {"method": PUSH, "endpoint_url": url}
        receiver.send("PATCH", "stream", {"stream_id": stream["stream_id"], "delivery": delivery})
        wire.wall.advance(5)
        wire.call(_tell)
        second = heard.get(timeout=5)
    assert receiver.read(first["body"]) == receiver.read(second["body"]), "same jti: a receiver that had it knows"
    assert second["authorization"] is None
    outcomes = [(e["event.outcome"], e["health.delivery.attempt"]) for e in wire.events("security_event.attempted")]
    assert outcomes == [("failure", 1), ("success", 2)]
    assert "s3cret" not in str(wire.events())


@pytest.mark.spec("CAEP-3.3")
def test_an_enrolled_and_a_blocked_phone_are_told_of(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        watch = Client(client_id="watch", client_name="La veille", scope=frozenset({"ssf.read", "ssf.all_subjects"}))
        stream = Stream(id="stream", client_id="watch", created_at=START, events_requested=(CREDENTIAL_CHANGE,))
        provider.call(provider.state.store.clients.put(watch))
        provider.call(provider.state.store.streams.create(stream))
        phone, browser = provider.phone(CAMILLE), provider.browser()
        browser.identify(browser.begin(), CAMILLE)
        [question] = phone.questions()
        for _ in range(4):
            phone.answer(question, "approve", question["choices"][0], pin="0000")
        provider.call(signals.spread(signal_services(provider.state)))
        held = provider.call(provider.state.store.deliveries.held("stream", at_most=9))
    told = sorted((delivery.claims["events"][CREDENTIAL_CHANGE] for delivery in held), key=lambda event: event["change_type"])
    common = {"credential_type": "app", "friendly_name": "Téléphone", "event_timestamp": int(START.timestamp())}
    assert told == [
        {**common, "change_type": "create", "initiating_entity": "user", "reason_admin": {"en": "a phone was enrolled"}},
        {**common, "change_type": "revoke", "initiating_entity": "policy", "reason_admin": {"en": "the phone is blocked after wrong PINs"}},
    ]
