import itertools
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import signals
from idp.endpoints.doors import signal_services
from idp.model import DeliveryState
from idp.provider import Provider
from idp.signals.deliver import after_attempt
from tests.idp.store.exam import NOW, delivery
from tests.idp.test_outbound import listening
from tests.idp.wire import CONNECT, Wire, client, running

HORIZON = timedelta(hours=12)


def test_the_pauses_grow_to_an_hour_and_end_within_the_horizon() -> None:
    message, now, pauses = delivery(), NOW, []
    while message.state is DeliveryState.WAITING:
        message = after_attempt(message, "no answer", now, horizon=HORIZON)
        if message.state is DeliveryState.WAITING:
            pauses.append((message.due_at - now).total_seconds())
            now = message.due_at
    assert pauses[:7] == [5, 15, 45, 135, 405, 1215, 3600]
    assert set(pauses[7:]) == {3600}
    assert timedelta(hours=11) < now - NOW <= HORIZON
    assert (message.state, message.attempt_count, message.settled_at) == (DeliveryState.ABANDONED, len(pauses) + 1, now)


@given(
    faults=st.lists(st.sampled_from(["", "no answer"]), min_size=1, max_size=30),
    horizon=st.timedeltas(timedelta(), timedelta(days=2)),
    late=st.integers(0, 7200),
)
def test_a_message_is_settled_once_and_every_try_is_counted(faults: list[str], horizon: timedelta, late: int) -> None:
    message, now = delivery(), NOW
    for number, fault in enumerate(faults, 1):
        message = after_attempt(message, fault, now, horizon=horizon)
        assert message.attempt_count == number
        assert (message.settled_at is None) == (message.state is DeliveryState.WAITING)
        assert (message.state is DeliveryState.DELIVERED) == (not fault)
        if message.settled_at:
            break
        assert now < message.due_at <= NOW + horizon
        now = message.due_at + timedelta(seconds=late)


async def _tell(provider: Provider) -> None:
    services = signal_services(provider)
    await signals.spread(services)
    await signals.deliver(services)


def _end_a_session(wire: Wire, url: str) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("told", backchannel_logout_uri=url)))
    hint = wire.tokens("told")["id_token"]
    assert wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": hint}).status_code == 200


def _state(folder: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "idp.sqlite") as file:
        return [json.loads(document) for (document,) in file.execute("SELECT document FROM deliveries")]


@pytest.mark.spec("OIDCBCL-2.8")
def test_a_message_that_failed_is_sent_by_the_next_process_with_a_fresh_token(tmp_path: Path) -> None:
    with running(tmp_path, outbound_loopback=True) as wire, listening(503) as (url, heard):
        _end_a_session(wire, url)
        wire.call(_tell)
        first = heard.get(timeout=5)
    with running(tmp_path, outbound_loopback=True) as wire, listening() as (url, heard):
        wire.call(lambda provider: provider.store.clients.put(client("told", backchannel_logout_uri=url)))
        wire.call(_tell)
        assert heard.empty(), "it is not due yet"
        wire.wall.advance(5)
        wire.call(_tell)
        assert heard.get(timeout=5)["body"] != first["body"]
    [kept] = _state(tmp_path)
    assert (kept["state"], kept["attempt_count"], kept["fault"]) == ("delivered", 2, "")


def test_a_kill_between_the_end_and_the_telling_loses_nothing(tmp_path: Path) -> None:
    with listening() as (url, heard):
        with running(tmp_path, outbound_loopback=True) as wire:
            wire.call(lambda provider: provider.store.clients.put(client("told", backchannel_logout_uri=url)))
            hint = wire.tokens("told")["id_token"]
        with running(tmp_path) as wire:
            # This process may reach nobody: it stands for one that is killed before it tells anybody.
            wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": hint})
        with running(tmp_path, outbound_loopback=True) as wire:
            wire.wall.advance(60)
            wire.call(lambda provider: provider.store.clients.put(client("told", backchannel_logout_uri=url)))
            wire.call(_tell)
            assert "logout_token=" in heard.get(timeout=5)["body"]


def test_giving_up_is_seen_in_the_log_and_in_the_list_of_sessions(tmp_path: Path) -> None:
    with running(tmp_path, outbound_loopback=True) as wire:
        _end_a_session(wire, "http://127.0.0.1:1/logout")
        pauses = itertools.chain([0, 5, 15, 45, 135, 405, 1215], itertools.repeat(3600))
        while not wire.events("backchannel_logout.abandoned"):
            wire.wall.advance(next(pauses))
            wire.call(_tell)
        sent = wire.events("backchannel_logout.attempted")
        assert [event["health.delivery.attempt"] for event in sent] == list(range(1, len(sent) + 1))
        token = wire.post("token", "machine", grant_type="client_credentials", scope="sessions:read").json()["access_token"]
        found = wire.http.post(
            "/admin/v1/sessions/search", json={"national_id": "899700000005"}, headers={"Authorization": f"Bearer {token}"}
        ).json()
    [notice] = found["notices"]
    assert (notice["state"], notice["client_id"], notice["next_attempt_at"]) == ("abandoned", "told", None)
    assert notice["attempt_count"] == len(sent) > 15
    assert "ConnectError" in notice["fault"]


def test_a_slow_service_keeps_no_other_waiting(tmp_path: Path) -> None:
    with running(tmp_path, outbound_loopback=True) as wire, listening() as (url, heard):
        for name, address in (("dead", "http://127.0.0.1:1/"), ("told", url)):
            registered = client(name, backchannel_logout_uri=address)
            wire.register(registered)
        hint = wire.tokens("dead")["id_token"]
        wire.redeem(wire.code("told", cookie="veilleur_idp_sso=cookie-one"), "told")
        wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": hint})
        wire.call(_tell)
        assert "logout_token=" in heard.get(timeout=5)["body"]
