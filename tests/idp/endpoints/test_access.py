"""A token counts only while everything behind it does."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from idp.model import AccountState
from idp.provider import Provider
from tests.idp.wire import PERSON, Wire, claims_of, client

ENDS: dict[str, Callable[[Provider], Awaitable[object]]] = {
    "session revoked": lambda provider: provider.store.revocations.revoke_session("session-one", provider.clock()),
    "person revoked": lambda provider: provider.store.revocations.revoke_account(PERSON.id, provider.clock()),
    "account suspended": lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)),
    "client disabled": lambda provider: provider.store.clients.put(client("baseline", disabled=True)),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_is_refused_everywhere_once_what_it_stands_on_has_ended(wire: Wire, end: str) -> None:
    tokens = wire.tokens()
    assert wire.userinfo(tokens["access_token"]).status_code == 200
    wire.call(ENDS[end])
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    assert wire.post("token/introspect", "interface", token=tokens["access_token"]).json() == {"active": False}
    assert wire.refresh(tokens["refresh_token"]).status_code in (400, 401)


def test_a_token_of_another_person_s_session_lives_on(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.redeem(wire.code(cookie=wire.log_in("two"))).json()
    assert claims_of(second["id_token"])["sid"] == "session-two"
    wire.call(ENDS["session revoked"])
    assert wire.userinfo(first["access_token"]).status_code == 401
    assert wire.userinfo(second["access_token"]).status_code == 200
