from dataclasses import replace

import pytest

from idp.model import AccountState
from idp.tokens.live import Access, find_live
from tests.idp.wire import CLIENTS, PERSON, Wire


def _find(wire: Wire, token: str) -> Access | None:
    return wire.call(lambda provider: find_live(provider.tokens, provider.store, token, provider.clock()))


@pytest.mark.spec("RFC7662-2.2")
def test_a_token_comes_with_everything_it_stands_for(wire: Wire) -> None:
    access = _find(wire, wire.tokens()["access_token"])
    assert access is not None
    assert (access.account, access.client.client_id, access.grant.id) == (PERSON, "baseline", access.record.grant_id)
    machine = _find(wire, wire.post("token", "machine", grant_type="client_credentials").json()["access_token"])
    assert machine is not None
    assert machine.account is None


def test_it_stops_counting_when_what_is_behind_it_ends(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    wire.call(lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)))
    assert _find(wire, token) is None
    wire.call(lambda provider: provider.store.accounts.put(PERSON))
    wire.call(lambda provider: provider.store.clients.put(replace(CLIENTS[0], disabled=True)))
    assert _find(wire, token) is None
    wire.call(lambda provider: provider.store.clients.put(CLIENTS[0]))
    assert _find(wire, token) is not None
    wire.wall.advance(121)
    assert _find(wire, token) is None
