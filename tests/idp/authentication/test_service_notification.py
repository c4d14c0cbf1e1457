import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import Empty

import pytest

from idp import housekeeping
from idp.authentication.service_notification import notify_answered
from idp.endpoints.backchannel_push import compose_push
from idp.endpoints.doors import doors_of
from tests.idp.endpoints.backchannel_flow import Services, running_services, service
from tests.idp.endpoints.login_flow import CAMILLE
from tests.idp.test_outbound import listening

TOKEN = "8d67dc78-7faa-4d41-aabd-67707b374255"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path, outbound_loopback=True) as started:
        yield started


def _notify(services: Services) -> None:
    provider = services.provider.state
    services.provider.call(notify_answered(doors_of(provider), provider.outbound, partial(compose_push, provider)))


def _register(services: Services, url: str) -> None:
    services.register(service("pinged", backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=url))


@pytest.mark.spec("CIBA-10.2")
@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_the_service_hears_once_that_the_person_has_answered(services: Services, decision: str) -> None:
    with listening() as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        auth_req_id = services.ask("pinged", client_notification_token=TOKEN).json()["auth_req_id"]
        _notify(services)
        assert heard.empty()
        [question] = phone.questions()
        phone.answer(question, decision)
        _notify(services)
        _notify(services)
        sent = heard.get(timeout=5)
        assert (sent["authorization"], json.loads(sent["body"])) == (f"Bearer {TOKEN}", {"auth_req_id": auth_req_id})
        with pytest.raises(Empty):
            heard.get_nowait()
        answer = services.poll(auth_req_id, "pinged")
    assert answer.status_code == (200 if decision == "approve" else 400)
    assert answer.json().get("error") == (None if decision == "approve" else "access_denied")


@pytest.mark.spec("CIBA-10.2", "CIBA-11")
def test_the_service_hears_at_once_that_nobody_answered_in_time(services: Services) -> None:
    with listening() as (url, heard):
        _register(services, url)
        auth_req_id = services.ask("pinged", client_notification_token=TOKEN).json()["auth_req_id"]
        services.provider.wall.advance(121)
        services.provider.call(housekeeping.notify(services.provider.state))
        assert json.loads(heard.get(timeout=5)["body"]) == {"auth_req_id": auth_req_id}
        assert services.poll(auth_req_id, "pinged").json()["error"] == "expired_token"


@pytest.mark.spec("CIBA-10.2")
@pytest.mark.parametrize("status", [200, 302, 401, 403, 500])
def test_whatever_the_endpoint_answers_it_is_not_asked_again(services: Services, status: int) -> None:
    with listening(status, {"location": "http://127.0.0.1:1/"}, b"{}") as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        auth_req_id = services.ask("pinged", client_notification_token=TOKEN).json()["auth_req_id"]
        services.approve(phone)
        _notify(services)
        heard.get(timeout=5)
        _notify(services)
        assert heard.empty()
        # What the endpoint says changes nothing for the person's answer.
        assert services.poll(auth_req_id, "pinged").status_code == 200


@pytest.mark.spec("CIBA-7.1")
@pytest.mark.parametrize("token", [None, "with space", "a\n", "x" * 1025, "x" * 1000 + "=" * 25])
def test_a_service_that_is_pinged_must_send_a_token_for_it(services: Services, token: str | None) -> None:
    _register(services, "https://service.example/ping")
    answer = services.ask("pinged", client_notification_token=token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_an_endpoint_on_a_private_network_hears_nothing_and_the_log_says_why(tmp_path: Path) -> None:
    with running_services(tmp_path) as services, listening() as (url, heard):
        _register(services, url)
        phone = services.provider.phone(CAMILLE)
        services.ask("pinged", client_notification_token=TOKEN)
        services.approve(phone)
        _notify(services)
        while not (events := services.provider.audit("backchannel_login.notified")):
            _notify(services)
        assert heard.empty()
    assert events[0]["event.outcome"] == "failure"
    assert "not a public address" in events[0]["event.reason"]
    assert TOKEN not in str(events)
