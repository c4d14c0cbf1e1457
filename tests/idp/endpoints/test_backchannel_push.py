import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from idp.authentication.service_notification import notify_answered
from idp.endpoints.backchannel_push import compose_push
from idp.endpoints.doors import doors_of
from idp.keys.signing_key import base64url
from idp.model import AccountState
from idp.provider import Provider
from tests.idp.endpoints.backchannel_flow import Services, running_services, service
from tests.idp.endpoints.login_flow import CAMILLE, NOBODY
from tests.idp.test_outbound import listening
from tests.idp.wire import claims_of

TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path, outbound_loopback=True) as started:
        yield started


def _register(services: Services, url: str) -> None:
    services.register(service("pushed", backchannel_token_delivery_mode="push", backchannel_client_notification_endpoint=url))


def _ask(services: Services, **changed: str) -> Any:
    answer = services.ask("pushed", client_notification_token=TOKEN, **changed)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _pushed(services: Services, heard: SimpleQueue[dict[str, str]]) -> tuple[dict[str, str], dict[str, Any]]:
    provider = services.provider.state
    services.provider.call(notify_answered(doors_of(provider), provider.outbound, partial(compose_push, provider)))
    sent = heard.get(timeout=5)
    return sent, json.loads(sent["body"])


@pytest.mark.spec("CIBA-10.3.1", "CIBA-7.3")
def test_the_tokens_come_to_the_service_and_name_the_request_they_answer(services: Services) -> None:
    import hashlib

    with listening() as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        asked = _ask(services)
        assert "interval" not in asked, "there is nothing to poll"
        services.approve(phone)
        sent, body = _pushed(services, heard)
        assert sent["authorization"] == f"Bearer {TOKEN}"
        assert body["auth_req_id"] == asked["auth_req_id"]
        assert {"access_token", "token_type", "refresh_token", "expires_in", "id_token"} <= body.keys()
        claims = claims_of(body["id_token"])
        assert claims["urn:openid:params:jwt:claim:auth_req_id"] == asked["auth_req_id"]
        halves = {name: base64url(hashlib.sha256(body[name].encode()).digest()[:16]) for name in ("access_token", "refresh_token")}
        assert (claims["at_hash"], claims["urn:openid:params:jwt:claim:rt_hash"]) == tuple(halves.values())
        refreshed = services.post("token", "pushed", grant_type="refresh_token", refresh_token=body["refresh_token"])
    assert "urn:openid:params:jwt:claim:auth_req_id" not in claims_of(refreshed.json()["id_token"]), "only what is pushed is tied"
    [event] = services.provider.audit("backchannel_login.notified")
    assert event["event.outcome"] == "success"
    assert len(services.provider.audit("login.succeeded")) == 1


@pytest.mark.spec("CIBA-10.3.1", "CIBA-12")
@pytest.mark.parametrize(("decision", "error"), [("deny", "access_denied"), ("report", "access_denied")])
def test_a_no_is_pushed_as_an_error(services: Services, decision: str, error: str) -> None:
    with listening() as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        asked = _ask(services)
        [question] = phone.questions()
        phone.answer(question, decision)
        _, body = _pushed(services, heard)
    assert (body["auth_req_id"], body["error"]) == (asked["auth_req_id"], error)
    assert "access_token" not in body


@pytest.mark.spec("CIBA-12", "CIBA-13")
@pytest.mark.parametrize("national_id", [CAMILLE, NOBODY])
def test_an_absence_is_pushed_as_expired_whoever_was_named(services: Services, national_id: str) -> None:
    from idp.authentication.device_login import end_unanswered

    with listening() as (url, heard):
        _register(services, url)
        _ask(services, login_hint=national_id)
        services.provider.wall.advance(121)
        services.provider.call(end_unanswered(doors_of(services.provider.state)))
        _, body = _pushed(services, heard)
    assert body["error"] == "expired_token"


@pytest.mark.spec("CIBA-12")
def test_what_fails_after_a_yes_is_pushed_as_a_failure_of_the_transaction(services: Services) -> None:
    async def suspend(state: Provider) -> None:
        account = await state.store.accounts.find_by_national_id(CAMILLE)
        assert account is not None
        await state.store.accounts.put(replace(account, state=AccountState.SUSPENDED))

    with listening() as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        asked = _ask(services)
        services.approve(phone)
        services.provider.call(suspend(services.provider.state))
        _, body = _pushed(services, heard)
    assert body.keys() == {"auth_req_id", "error", "error_description"}
    assert (body["auth_req_id"], body["error"]) == (asked["auth_req_id"], "transaction_failed")


@pytest.mark.spec("CIBA-10.1")
def test_a_service_that_is_pushed_to_gets_nothing_at_the_token_endpoint(services: Services) -> None:
    _register(services, "https://service.example/push")
    phone = services.provider.phone(CAMILLE)
    asked = _ask(services)
    services.approve(phone)
    answer = services.poll(asked["auth_req_id"], "pushed")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize("status", [302, 401, 500])
def test_tokens_that_do_not_arrive_end_and_are_not_sent_again(services: Services, status: int) -> None:
    with listening(status, {"location": "http://127.0.0.1:1/"}) as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        _ask(services)
        services.approve(phone)
        _, body = _pushed(services, heard)
        with pytest.raises(Empty):
            heard.get_nowait()
        assert services.post("token/introspect", "lps", token=body["access_token"]).json() == {"active": False}
    [event] = services.provider.audit("backchannel_login.notified")
    assert event["event.outcome"] == "failure"
    assert body["access_token"] not in str(services.provider.audit())
