from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from idp import sessions, signals
from idp.endpoints.doors import signal_services
from idp.model import Delivery, DeliveryKind, Session
from idp.provider import Provider
from tests.idp.wire import NATIONAL_ID, PERSON, REDIRECT, START, Wire, client


def _request(cookie: str = "") -> Request:
    headers = [(b"cookie", cookie.encode()), (b"user-agent", b"Firefox " + b"x" * 1000)]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "client": ("192.0.2.7", 1), "query_string": b""})


async def _start(provider: Provider) -> tuple[Session, str]:
    return await sessions.start(provider, _request(), PERSON, "device", "eidas2", ("hwk", "pin"), "d-1")


def test_a_session_is_found_by_its_cookie_alone(wire: Wire) -> None:
    session, cookie = wire.call(_start)
    assert wire.call(lambda provider: sessions.current(provider, _request(f"veilleur_idp_sso={cookie}"))) == session
    for wrong in ("", f"veilleur_idp_sso={session.id}", f"veilleur_idp_sso={session.cookie_hash}", f"veilleur_idp_login={cookie}"):
        assert wire.call(lambda provider, wrong=wrong: sessions.current(provider, _request(wrong))) is None  # type: ignore[misc]


def test_each_login_gets_another_session_and_another_secret(wire: Wire) -> None:
    (first, first_cookie), (second, second_cookie) = wire.call(_start), wire.call(_start)
    assert first.id != second.id
    assert first_cookie != second_cookie
    assert len(first_cookie) >= 43
    assert first_cookie not in str(first)


def test_its_start_is_audited_with_how_it_began(wire: Wire) -> None:
    session, cookie = wire.call(_start)
    (started,) = wire.events("session.started")
    assert (started["user.id"], started["health.session.id"], started["source.ip"]) == (PERSON.national_id, session.id, "192.0.2.7")
    assert started["health.authentication.amr"] == ["hwk", "pin"]
    assert cookie not in str(started)
    assert len(session.user_agent) == 300


def test_it_idles_out_after_half_an_hour_and_ends_after_four(wire: Wire) -> None:
    session, _ = wire.call(_start)
    assert session.expires_at - session.auth_time == timedelta(minutes=30)
    wire.wall.advance(29 * 60)
    provider = wire.provider
    assert wire.call(lambda p: sessions.touch(p.store, session, p.clock(), p.lifetimes))
    later = session.auth_time + timedelta(hours=3, minutes=50)
    assert wire.call(lambda p: sessions.touch(p.store, session, later, p.lifetimes))
    kept = wire.call(lambda p: p.store.sessions.get(session.id, later))
    assert kept is not None
    assert kept.expires_at == session.auth_time + provider.lifetimes.session_max


def test_a_use_within_the_same_minute_still_says_whether_it_lives(wire: Wire) -> None:
    session, _ = wire.call(_start)
    assert wire.call(lambda p: sessions.touch(p.store, session, p.clock(), p.lifetimes))
    wire.call(lambda p: p.store.sessions.delete(session.id))
    assert not wire.call(lambda p: sessions.touch(p.store, session, p.clock(), p.lifetimes))


def test_cookies_are_bound_to_host_and_tls_where_there_is_tls(wire: Wire) -> None:
    session, value = wire.call(_start)
    response = Response()
    sessions.set_cookie(response, session, value, https=True)
    secret, seen = response.headers.getlist("set-cookie")
    assert secret == f"__Host-veilleur_sso={value}; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert seen.startswith("__Host-veilleur_state=")
    assert seen.endswith("; Path=/; SameSite=None; Secure")
    plain = Response()
    sessions.clear_cookie(plain, https=False)
    assert [cookie.partition("; Path=/; Max-Age=0")[0] for cookie in plain.headers.getlist("set-cookie")] == [
        "veilleur_idp_sso=",
        "veilleur_idp_state=",
    ]


@pytest.mark.spec("OIDCSM-3.2")
def test_what_a_script_sees_of_a_session_leads_neither_to_its_cookie_nor_to_its_identifier(wire: Wire) -> None:
    session, value = wire.call(_start)
    response = Response()
    sessions.set_cookie(response, session, value, https=False)
    seen = response.headers.getlist("set-cookie")[1].partition("=")[2].partition(";")[0]
    assert value not in seen
    assert session.id not in seen
    for part in seen.split("."):
        assert wire.call(lambda provider, part=part: sessions.current(provider, _request(f"veilleur_idp_sso={part}"))) is None  # type: ignore[misc]
        assert part != session.cookie_hash


@pytest.mark.spec("OIDCSM-2")
def test_the_session_state_of_a_service_is_salted_and_its_own(wire: Wire) -> None:
    session, value = wire.call(_start)
    request = _request(f"veilleur_idp_sso={value}")

    def made(client_id: str = "baseline", uri: str = REDIRECT, **members: Any) -> str | None:
        return sessions.session_state(client(client_id, **members), uri, request, session, https=False)

    one = made()
    assert one is not None
    digest, salt = one.split(".")
    state = sessions.browser_state(value)
    assert digest == sha256(f"baseline https://service.example {state} {salt}".encode()).hexdigest()
    assert made() != one
    assert made(uri="com.example.app:/retour") is None
    assert made(quirks={"session_state_parameter": "none"}) is None
    assert made(quirks={"session_state_parameter": "keycloak"}) == session.id


def _end_expired(wire: Wire) -> int:
    return wire.call(lambda p: sessions.end_expired(p.store, p.audit, p.clock(), p.lifetimes))


def _told(wire: Wire) -> list[Delivery]:
    """Messages about the person, once what ended is spread: here, or by the running provider, whichever is first."""

    async def spread(provider: Provider) -> list[Delivery]:
        await signals.spread(signal_services(provider))
        return list(await provider.store.deliveries.of_account(PERSON.id, provider.clock()))

    return wire.call(spread)


def test_a_session_that_nobody_uses_any_more_ends_as_loudly_as_any_other(wire: Wire) -> None:
    told = client("told", backchannel_logout_uri="https://service.example/fin")
    wire.call(lambda provider: provider.store.clients.put(told))
    tokens = wire.redeem(wire.code("told"), "told").json()
    wire.wall.advance(30 * 60 - 1)
    assert _end_expired(wire) == 0
    wire.wall.advance(1)
    assert _end_expired(wire) == 1
    [message] = _told(wire)
    assert (message.kind, message.session_id, message.recipient) == (DeliveryKind.BACKCHANNEL_LOGOUT, "session-one", "told")
    [ended] = wire.events("session.ended")
    assert (ended["health.session.id"], ended["event.reason"], ended["user.id"]) == ("session-one", "not used any more", NATIONAL_ID)
    assert wire.refresh(tokens["refresh_token"], "told").json()["error"] == "invalid_grant"
    assert _end_expired(wire) == 0, "it ends once"
    assert len(_told(wire)) == 1


def test_a_session_at_its_longest_ends_however_much_it_is_used(wire: Wire) -> None:
    wire.log_in(auth_time=START - timedelta(hours=4), expires_at=START)
    assert _end_expired(wire) == 1
    assert wire.events("session.ended")[0]["event.reason"] == "the longest time of a session is over"


def test_a_service_in_use_keeps_the_session_from_ending(wire: Wire) -> None:
    tokens = wire.tokens()
    wire.wall.advance(20 * 60)
    assert wire.refresh(tokens["refresh_token"]).status_code == 200
    wire.wall.advance(20 * 60)
    assert _end_expired(wire) == 0
    assert _told(wire) == []


def test_more_sessions_than_one_transaction_takes_end_in_one_round_and_are_each_told_once(wire: Wire) -> None:
    for number in range(250):
        wire.log_in(str(number))
    wire.wall.advance(31 * 60)
    assert [_end_expired(wire) for _ in range(2)] == [250, 0]
    assert len({event["health.session.id"] for event in wire.events("session.ended")}) == len(wire.events("session.ended")) == 250


def test_a_service_that_only_the_browser_can_tell_is_remembered_for_a_later_logout(wire: Wire) -> None:
    for name, members in (
        ("front", {"frontchannel_logout_uri": "https://service.example/fc"}),
        ("back", {"backchannel_logout_uri": REDIRECT}),
    ):
        registered = client(name, **members)
        wire.register(registered)
        wire.redeem(wire.code(name), name)
    wire.wall.advance(31 * 60)
    _end_expired(wire)
    left = wire.call(lambda provider: provider.store.sessions.visits_of_session("session-one", provider.clock()))
    assert [visit.client_id for visit in left] == ["front"]
