import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest

from idp import signals
from idp.endpoints.doors import signal_services
from idp.model import AccountState
from idp.provider import Provider
from tests.idp.test_outbound import listening
from tests.idp.wire import CONNECT, ISSUER, PERSON, Wire, claims_of, client, running

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path, outbound_loopback=True) as started:
        yield started


async def _tell(provider: Provider) -> None:
    services = signal_services(provider)
    await signals.spread(services)
    await signals.deliver(services)


def _register(wire: Wire, url: str, client_id: str = "told", **members: object) -> None:
    registered = client(client_id, backchannel_logout_uri=url, **members)
    wire.call(lambda provider: provider.store.clients.put(registered))


def _log_out(wire: Wire, id_token: str) -> None:
    assert wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": id_token}).status_code == 200


@pytest.mark.spec("OIDCBCL-2.4", "OIDCBCL-2.5", "OIDCBCL-2.6")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_the_logout_token_is_what_the_standard_says_by_another_implementation(wire: Wire, alg: str) -> None:
    with listening() as (url, heard):
        _register(wire, f"{url}?kept=1", id_token_signed_response_alg=alg)
        id_token = wire.tokens("told")["id_token"]
        _log_out(wire, id_token)
        wire.call(_tell)
        sent = heard.get(timeout=5)
    assert (sent["path"], sent["content-type"]) == ("/ping?kept=1", "application/x-www-form-urlencoded")
    [token] = parse_qs(sent["body"])["logout_token"]
    key = jwt.PyJWK(
        next(key for key in wire.http.get(f"{CONNECT}/certs").json()["keys"] if key["kid"] == jwt.get_unverified_header(token)["kid"])
    )
    said = jwt.decode(token, key, algorithms=[alg], audience="told", issuer=ISSUER, options={"verify_exp": False, "verify_iat": False})
    told = claims_of(id_token)
    assert (said["sub"], said["sid"]) == (told["sub"], told["sid"])
    assert said["events"] == {EVENT: {}}
    assert (said["exp"] - said["iat"], "nonce" in said, bool(said["jti"])) == (120, False, True)
    assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"


@pytest.mark.spec("OIDCBCL-2.5")
def test_every_service_of_the_session_hears_of_it_and_no_other(wire: Wire) -> None:
    with listening() as (url, heard):
        for name in ("told", "second", "stranger"):
            _register(wire, url, name)
        first = wire.tokens("told")
        wire.redeem(wire.code("second", cookie="veilleur_idp_sso=cookie-one"), "second")
        wire.redeem(wire.code("stranger", cookie=wire.log_in("two")), "stranger")
        _log_out(wire, first["id_token"])
        wire.call(_tell)
        audiences = {claims_of(parse_qs(heard.get(timeout=5)["body"])["logout_token"][0])["aud"] for _ in range(2)}
        assert heard.empty()
    assert audiences == {"told", "second"}
    assert {(e["health.relying_party.id"], e["event.outcome"]) for e in wire.events("backchannel_logout.attempted")} == {
        ("told", "success"),
        ("second", "success"),
    }


@pytest.mark.spec("OIDCBCL-2.8", "RFC9700-4.14.2")
def test_a_stolen_refresh_token_logs_the_person_out_of_that_service_alone(wire: Wire) -> None:
    with listening() as (url, heard):
        _register(wire, url)
        _register(wire, url, "second")
        tokens = wire.tokens("told")
        wire.redeem(wire.code("second", cookie="veilleur_idp_sso=cookie-one"), "second")
        wire.refresh(tokens["refresh_token"], "told")
        wire.wall.advance(11)  # within seconds it is the same client, whose answer got lost
        assert wire.refresh(tokens["refresh_token"], "told").json()["error"] == "invalid_grant"
        wire.call(_tell)
        assert claims_of(parse_qs(heard.get(timeout=5)["body"])["logout_token"][0])["aud"] == "told"
        assert heard.empty()
    assert "code=" in wire.authorize("second", cookie="veilleur_idp_sso=cookie-one", prompt="none").headers["location"]


@pytest.mark.spec("OIDCBCL-2.8")
@pytest.mark.parametrize(("status", "outcome"), [(200, "success"), (204, "success"), (302, "failure"), (400, "failure"), (501, "failure")])
def test_only_ok_means_that_it_was_done(wire: Wire, status: int, outcome: str) -> None:
    with listening(status, {"location": "http://127.0.0.1:1/"}) as (url, heard):
        _register(wire, url)
        _log_out(wire, wire.tokens("told")["id_token"])
        wire.call(_tell)
        heard.get(timeout=5)
    [event] = wire.events("backchannel_logout.attempted")
    assert (event["event.outcome"], event["health.delivery.attempt"]) == (outcome, 1)
    assert outcome == "success" or event["event.reason"] == f"the service answered {status}"


def test_a_service_that_is_gone_or_cut_off_is_given_up_at_once_and_in_the_open(wire: Wire) -> None:
    with listening() as (url, heard):
        _register(wire, url)
        id_token = wire.tokens("told")["id_token"]

        async def end_and_cut_off(provider: Provider) -> None:
            await provider.store.revocations.revoke_account(PERSON.id, provider.clock())
            await signals.spread(signal_services(provider))
            await provider.store.clients.put(client("told", disabled=True, backchannel_logout_uri=url))
            await signals.deliver(signal_services(provider))

        wire.call(end_and_cut_off)
        assert heard.empty()
    assert id_token
    [given_up] = wire.events("backchannel_logout.abandoned")
    assert given_up["event.reason"] == "the service is not registered for it any more"


def test_a_suspended_person_is_logged_out_of_every_service(wire: Wire) -> None:
    with listening() as (url, heard):
        _register(wire, url)
        wire.tokens("told")

        async def suspend(provider: Provider) -> None:
            await asyncio.gather(
                provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)),
                provider.store.revocations.revoke_account(PERSON.id, provider.clock()),
            )
            await _tell(provider)

        wire.call(suspend)
        assert claims_of(parse_qs(heard.get(timeout=5)["body"])["logout_token"][0])["sid"] == "session-one"
