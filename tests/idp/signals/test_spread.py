from idp import signals
from idp.endpoints.doors import signal_services
from idp.model import Delivery
from idp.provider import Provider
from tests.idp.store.exam import signal
from tests.idp.wire import PERSON, Wire, client


async def _spread(provider: Provider) -> list[Delivery]:
    await signals.spread(signal_services(provider))
    return list(await provider.store.deliveries.of_account(PERSON.id, provider.clock()))


def test_a_session_that_reached_nobody_with_an_address_makes_no_message(wire: Wire) -> None:
    wire.tokens("baseline")
    wire.call(lambda provider: provider.store.revocations.revoke_account(PERSON.id, provider.clock()))
    assert wire.call(_spread) == []
    assert wire.call(lambda provider: provider.store.signals.waiting(at_most=10)) == []


def test_each_session_has_its_own_message_to_a_service(wire: Wire) -> None:
    told = client("told", backchannel_logout_uri="https://service.example/logout")
    wire.call(lambda provider: provider.store.clients.put(told))
    for name in ("one", "two"):
        wire.redeem(wire.code("told", cookie=wire.log_in(name)), "told")
    wire.call(lambda provider: provider.store.revocations.revoke_account(PERSON.id, provider.clock()))
    made = wire.call(_spread)
    assert {(message.recipient, message.session_id) for message in made} == {("told", "session-one"), ("told", "session-two")}


def test_a_credential_that_changed_logs_nobody_out(wire: Wire) -> None:
    told = client("told", backchannel_logout_uri="https://service.example/logout")
    wire.call(lambda provider: provider.store.clients.put(told))
    wire.call(lambda provider: provider.store.signals.put(signal(account_id=PERSON.id, client_ids=("told",))))
    assert wire.call(_spread) == []
