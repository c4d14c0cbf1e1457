import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.model import AccountState
from idp.tokens.issuer import hash_token
from tests.idp.endpoints.backchannel_flow import CIBA, CONNECT, Services, running_services
from tests.idp.endpoints.login_flow import CAMILLE
from tests.idp.wire import claims_of


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path) as started:
        yield started


def _error(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def _introspected(services: Services, token: str) -> bool:
    return bool(services.post("token/introspect", "lps", token=token).json()["active"])


@pytest.mark.spec("CIBA-10.1.1", "CIBA-11")
def test_a_poll_waits_until_the_phone_says_yes_and_then_gives_tokens_once(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    assert _error(services.poll(auth_req_id)) == "authorization_pending"
    services.approve(phone)
    services.provider.wall.advance(5)
    body = services.poll(auth_req_id).json()
    assert {"access_token", "id_token", "refresh_token", "session_state", "refresh_expires_in"} <= body.keys()
    claims = claims_of(body["id_token"])
    assert (claims["acr"], claims["amr"], claims["authMode"]) == ("eidas2", ["hwk", "pin"], "MOBILE")
    assert (
        services.provider.client.get(f"{CONNECT}/userinfo", headers={"Authorization": f"Bearer {body['access_token']}"}).status_code == 200
    )
    assert _error(services.poll(auth_req_id)) == "invalid_grant"


@pytest.mark.spec("CIBA-11")
def test_every_step_is_in_the_audit_log_but_waiting_is_not(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    services.poll(auth_req_id)
    services.approve(phone)
    services.provider.wall.advance(5)
    services.poll(auth_req_id)
    actions = [event["event.action"] for event in services.provider.audit()]
    assert actions[actions.index("device_approval.requested") :] == [
        "device_approval.requested",
        "authorization.requested",
        "device_approval.seen",
        "device_approval.granted",
        "session.started",
        "login.succeeded",
        "access_token.issued",
    ]
    [login] = services.provider.audit("login.succeeded")
    assert (login["user.id"], login["health.relying_party.id"], login["health.grant.type"]) == (CAMILLE, "lps", CIBA)


@pytest.mark.spec("CIBA-11", "RFC8628-3.5")
def test_polling_too_fast_slows_down_and_the_interval_stays_longer(services: Services) -> None:
    auth_req_id = services.ask().json()["auth_req_id"]
    answers = []
    for pause in (0, 1, 6, 9, 15):
        services.provider.wall.advance(pause)
        answers.append(_error(services.poll(auth_req_id)))
    # 5 s asked for; after the first haste 10 s, after the second 15 s, after the third 20 s.
    assert answers == ["authorization_pending", "slow_down", "slow_down", "slow_down", "slow_down"]
    services.provider.wall.advance(25)
    assert _error(services.poll(auth_req_id)) == "authorization_pending"


@pytest.mark.spec("CIBA-10.2", "CIBA-11")
@pytest.mark.parametrize(("decision", "told"), [("approve", None), ("deny", "access_denied")])
def test_who_has_nothing_to_wait_for_any_more_is_not_told_to_slow_down(services: Services, decision: str, told: str | None) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    assert _error(services.poll(auth_req_id)) == "authorization_pending"
    [question] = phone.questions()
    phone.answer(question, decision)
    answer = services.poll(auth_req_id)
    assert answer.json().get("error") == told
    assert ("access_token" in answer.json()) == (told is None)


@pytest.mark.spec("CIBA-11")
@pytest.mark.parametrize("decision", ["deny", "report"])
def test_a_no_is_access_denied(services: Services, decision: str) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    [question] = phone.questions()
    phone.answer(question, decision)
    assert _error(services.poll(auth_req_id)) == "access_denied"
    assert services.provider.audit("session.started") == []
    assert len(services.provider.audit("login.failed")) == 1


@pytest.mark.spec("CIBA-11")
def test_an_answer_that_does_not_come_in_time_is_expired_token(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    late, approved = services.ask().json()["auth_req_id"], services.ask(requested_expiry="10").json()["auth_req_id"]
    [_, question] = phone.questions()
    assert phone.answer(question, "approve").json()["state"] == "approved"
    services.provider.wall.advance(11)
    assert _error(services.poll(approved)) == "expired_token"
    services.provider.wall.advance(110)
    assert _error(services.poll(late)) == "expired_token"


@pytest.mark.spec("CIBA-10.1.1")
def test_a_request_belongs_to_the_client_that_made_it(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    services.approve(phone)
    assert _error(services.poll(auth_req_id, "rival")) == "invalid_grant"
    assert services.poll(auth_req_id).status_code == 200


def test_a_handle_of_another_kind_is_no_auth_req_id(services: Services) -> None:
    tokens = services.log_in(services.provider.phone(CAMILLE))
    assert _error(services.poll(tokens["refresh_token"])) == "invalid_grant"
    assert _error(services.post("token", "lps", grant_type=CIBA)) == "invalid_request"
    pending = services.ask().json()["auth_req_id"]
    assert _error(services.post("token", "lps", grant_type="refresh_token", refresh_token=pending)) == "invalid_grant"


@pytest.mark.spec("CIBA-4")
def test_a_client_without_the_grant_type_is_refused(services: Services) -> None:
    assert _error(services.poll("anything", "browser-only")) == "unauthorized_client"
    form = {"grant_type": CIBA, "auth_req_id": "x", "client_id": "public"}
    assert _error(services.provider.client.post(f"{CONNECT}/token", data=form)) == "unauthorized_client"


def test_a_wrong_pin_on_the_phone_gives_nothing(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    [question] = phone.questions()
    assert phone.answer(question, "approve", pin="0000").status_code == 403
    assert _error(services.poll(auth_req_id)) == "authorization_pending"


def test_suspension_after_the_approval_gives_nothing(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    services.approve(phone)
    store = services.provider.state.store
    account = services.provider.call(store.accounts.find_by_national_id(CAMILLE))
    services.provider.call(store.accounts.put(replace(account, state=AccountState.SUSPENDED)))
    assert _error(services.poll(auth_req_id)) == "invalid_grant"
    assert services.provider.audit("session.started") == []


def test_revoking_the_person_takes_what_was_approved_and_not_yet_fetched(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    services.approve(phone)
    headers = services.provider.administrator("sessions:revoke")
    body = {"national_id": CAMILLE, "reason": "compromission", "reference": "INC-1"}
    answer = services.provider.client.post("/admin/v1/revocations", json=body, headers={**headers, "Idempotency-Key": "k-1"})
    assert answer.status_code == 200, answer.text
    assert _error(services.poll(auth_req_id)) == "invalid_grant"


def test_the_session_is_listed_and_its_revocation_ends_the_tokens(services: Services) -> None:
    tokens = services.log_in(services.provider.phone(CAMILLE))
    assert _introspected(services, tokens["access_token"])
    headers = services.provider.administrator("sessions:read sessions:revoke")
    found = services.provider.client.post("/admin/v1/sessions/search", json={"national_id": CAMILLE}, headers=headers).json()
    assert [session["clients"] for session in found["sessions"]] == [["lps"]]
    body = {"session_id": found["sessions"][0]["id"], "reason": "test", "reference": "INC-1"}
    revoked = services.provider.client.post("/admin/v1/revocations", json=body, headers={**headers, "Idempotency-Key": "k-2"})
    assert revoked.json()["grant_count"] == 1
    assert not _introspected(services, tokens["access_token"])
    assert _error(services.post("token", "lps", grant_type="refresh_token", refresh_token=tokens["refresh_token"])) == "invalid_grant"


def test_logout_with_the_id_token_ends_the_tokens_without_a_browser(services: Services) -> None:
    tokens = services.log_in(services.provider.phone(CAMILLE))
    services.provider.client.get(f"{CONNECT}/logout", params={"id_token_hint": tokens["id_token"]}, follow_redirects=False)
    assert not _introspected(services, tokens["access_token"])
    assert [event["event.outcome"] for event in services.provider.audit("session.ended")] == ["success"]


def test_of_two_polls_at_once_one_gets_the_tokens(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    auth_req_id = services.ask().json()["auth_req_id"]
    services.approve(phone)
    store = services.provider.state.store

    async def race() -> list[object]:
        now = services.provider.state.clock()
        return await asyncio.gather(*(store.awaited.consume(hash_token(auth_req_id), now) for _ in range(4)))

    assert sum(won is not None for won in services.provider.call(race())) == 1
