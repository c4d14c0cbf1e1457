from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.model import AccountState
from tests.idp.endpoints.backchannel_flow import CONNECT
from tests.idp.endpoints.device_flow import DEVICE_CODE, Devices, running_devices
from tests.idp.endpoints.login_flow import CAMILLE
from tests.idp.wire import claims_of


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Devices]:
    with running_devices(tmp_path) as started:
        yield started


def _error(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def _approved(devices: Devices) -> str:
    body = devices.ask().json()
    browser = devices.provider.browser()
    page = devices.logged_in(browser, devices.warned(browser, body["user_code"]), devices.provider.phone(CAMILLE))
    assert page.status_code == 200, page.text
    return str(body["device_code"])


@pytest.mark.spec("RFC8628-3.4", "RFC8628-3.5")
def test_a_device_waits_and_then_gets_its_tokens_once(devices: Devices) -> None:
    body = devices.ask().json()
    assert _error(devices.poll(body["device_code"])) == "authorization_pending"
    browser = devices.provider.browser()
    devices.logged_in(browser, devices.warned(browser, body["user_code"]), devices.provider.phone(CAMILLE))
    devices.provider.wall.advance(5)
    tokens = devices.poll(body["device_code"]).json()
    claims = claims_of(tokens["id_token"])
    assert (claims["aud"], claims["acr"], claims["amr"]) == ("screen", "eidas2", ["hwk", "pin"])
    userinfo = devices.provider.client.get(f"{CONNECT}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert userinfo.json()["SubjectNameID"] == CAMILLE
    assert devices.post("token", "screen", grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200
    assert _error(devices.poll(body["device_code"])) == "invalid_grant"


@pytest.mark.spec("RFC8628-3.5")
def test_a_device_that_hurries_is_told_to_slow_down_and_stays_slower(devices: Devices) -> None:
    device_code = devices.ask().json()["device_code"]
    answers = []
    for pause in (0, 2, 7, 16):
        devices.provider.wall.advance(pause)
        answers.append(_error(devices.poll(device_code)))
    assert answers == ["authorization_pending", "slow_down", "slow_down", "authorization_pending"]


@pytest.mark.spec("RFC8628-3.5")
def test_a_device_whose_person_has_answered_is_not_told_to_slow_down(devices: Devices) -> None:
    asked = devices.ask().json()
    assert _error(devices.poll(asked["device_code"])) == "authorization_pending"
    browser = devices.provider.browser()
    assert devices.decide(browser, devices.warned(browser, asked["user_code"]), "refuse").status_code == 200
    assert _error(devices.poll(asked["device_code"])) == "access_denied"


@pytest.mark.spec("RFC8628-3.5")
def test_a_refusal_and_an_absence_have_their_own_errors(devices: Devices) -> None:
    refused, late = devices.ask().json(), devices.ask().json()
    browser = devices.provider.browser()
    assert devices.decide(browser, devices.warned(browser, refused["user_code"]), "refuse").status_code == 200
    assert _error(devices.poll(refused["device_code"])) == "access_denied"
    devices.provider.wall.advance(600)
    assert _error(devices.poll(late["device_code"])) == "expired_token"
    assert devices.provider.audit("session.started") == []


@pytest.mark.spec("RFC8628-3.4")
def test_a_code_belongs_to_the_client_that_asked(devices: Devices) -> None:
    device_code = _approved(devices)
    assert _error(devices.poll(device_code, "rival")) == "invalid_grant"
    assert devices.poll(device_code).status_code == 200


@pytest.mark.parametrize("name", ["code", "refresh_token", "auth_req_id"])
def test_a_device_code_is_no_other_handle(devices: Devices, name: str) -> None:
    device_code = _approved(devices)
    grant = {"code": "authorization_code", "refresh_token": "refresh_token", "auth_req_id": "urn:openid:params:grant-type:ciba"}[name]
    client = devices.provider.call(devices.provider.state.store.clients.get("screen"))
    devices.register(replace(client, grant_types=(grant, DEVICE_CODE)))
    answer = devices.post("token", "screen", grant_type=grant, **{name: device_code}, redirect_uri="https://service.example/retour")
    assert _error(answer) in ("invalid_grant", "unauthorized_client")
    assert devices.poll(device_code).status_code == 200


@pytest.mark.parametrize("form", [{}, {"device_code": "x" * 43}])
def test_a_code_that_is_missing_or_unknown_is_said(devices: Devices, form: dict[str, str]) -> None:
    answer = devices.post("token", "screen", grant_type=DEVICE_CODE, **form)
    assert _error(answer) == ("invalid_grant" if form else "invalid_request")


def test_suspension_after_the_approval_gives_nothing(devices: Devices) -> None:
    device_code = _approved(devices)
    store = devices.provider.state.store
    account = devices.provider.call(store.accounts.find_by_national_id(CAMILLE))
    devices.provider.call(store.accounts.put(replace(account, state=AccountState.SUSPENDED)))
    assert _error(devices.poll(device_code)) == "invalid_grant"


def test_revoking_the_person_takes_what_no_device_has_fetched(devices: Devices) -> None:
    device_code = _approved(devices)
    headers = devices.provider.administrator("sessions:revoke") | {"Idempotency-Key": "k"}
    body = {"national_id": CAMILLE, "reason": "compromission"}
    assert devices.provider.client.post("/admin/v1/revocations", json=body, headers=headers).json()["session_count"] == 1
    assert _error(devices.poll(device_code)) == "invalid_grant"
