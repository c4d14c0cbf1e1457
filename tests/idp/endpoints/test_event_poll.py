import pytest

from idp import signals
from idp.endpoints.doors import signal_services
from idp.provider import Provider
from tests.idp.endpoints.signals_flow import PUSH, Receiver
from tests.idp.wire import PERSON, Wire


async def _revoke(provider: Provider) -> None:
    await provider.store.revocations.revoke_account(PERSON.id, provider.clock())
    await signals.spread(signal_services(provider))


def _end_sessions(wire: Wire, count: int) -> None:
    for number in range(count):
        wire.log_in(str(number))
    wire.call(_revoke)


@pytest.mark.spec("RFC8936-2.4", "RFC8936-2.4.1")
def test_an_event_comes_again_until_it_is_acknowledged(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    _end_sessions(wire, 2)
    first = receiver.poll(stream)["sets"]
    assert len(first) == 2
    assert receiver.poll(stream)["sets"].keys() == first.keys()
    one, two = first
    assert receiver.poll(stream, ack=[one])["sets"].keys() == {two}
    assert receiver.poll(stream, ack=[two, one, "unheard-of"]) == {"sets": {}}
    heard = wire.events("security_event.attempted")
    assert [(e["event.outcome"], e["health.token.id"], e["health.relying_party.id"]) for e in heard] == [
        ("success", one, "receiver"),
        ("success", two, "receiver"),
    ]


@pytest.mark.spec("RFC8936-2.2", "RFC8936-2.3")
def test_no_more_come_than_were_asked_for(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    _end_sessions(wire, 3)
    told = receiver.poll(stream, maxEvents=2)
    assert (len(told["sets"]), told["moreAvailable"]) == (2, True)
    assert receiver.poll(stream, maxEvents=0) == {"sets": {}, "moreAvailable": True}
    rest = receiver.poll(stream, ack=list(told["sets"]))
    assert (len(rest["sets"]), "moreAvailable" in rest) == (1, False)


@pytest.mark.spec("RFC8936-2.6")
def test_an_event_that_the_receiver_cannot_read_is_given_up_in_the_open(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    _end_sessions(wire, 1)
    [jti] = receiver.poll(stream)["sets"]
    assert receiver.poll(stream, setErrs={jti: {"err": "invalid_key", "description": "?"}}) == {"sets": {}}
    [given_up] = wire.events("security_event.abandoned")
    assert (given_up["health.token.id"], given_up["event.reason"]) == (jti, "the receiver refused it: invalid_key")


@pytest.mark.parametrize("document", [{"maxEvents": -1}, {"maxEvents": "2"}, {"ack": "x"}, {"setErrs": []}, {"ack": ["x"] * 101}], ids=str)
def test_a_request_that_makes_no_sense_is_refused(wire: Wire, document: dict[str, object]) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    assert receiver.send("POST", f"poll/{stream['stream_id']}", {"returnImmediately": True, **document}).status_code == 400


def test_a_stream_that_is_pushed_is_not_polled(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream(delivery={"method": PUSH, "endpoint_url": "https://receiver.example/events"})
    assert receiver.send("POST", f"poll/{stream['stream_id']}", {"returnImmediately": True}).status_code == 400
