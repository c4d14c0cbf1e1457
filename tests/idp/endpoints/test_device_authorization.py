import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.endpoints.device_flow import DEVICE_CODE, Devices, running_devices
from tests.idp.endpoints.login_flow import BASE_URL


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Devices]:
    with running_devices(tmp_path) as started:
        yield started


@pytest.mark.spec("RFC8628-3.1", "RFC8628-3.2", "RFC8628-3.3.1")
def test_a_device_gets_a_code_to_show_and_one_to_keep(devices: Devices) -> None:
    answer = devices.ask()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"}
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", body["user_code"])
    assert body["verification_uri"] == f"{BASE_URL}/device"
    assert body["verification_uri_complete"] == f"{BASE_URL}/device?user_code={body['user_code']}"
    assert (body["expires_in"], body["interval"]) == (600, 5)
    assert len(body["device_code"]) >= 43
    [event] = devices.provider.audit("authorization.requested")
    assert (event["health.relying_party.id"], event["health.grant.type"], event["source.ip"]) == ("screen", DEVICE_CODE, "203.0.113.7")
    log = "".join(map(str, devices.provider.audit()))
    assert body["device_code"] not in log
    assert body["user_code"] not in log


@pytest.mark.parametrize(
    ("client_id", "changed", "error"),
    [
        ("browser-only", {}, "unauthorized_client"),
        ("screen", {"scope": None}, "invalid_scope"),
        ("screen", {"scope": "identity"}, "invalid_scope"),
        ("screen", {"scope": "openid sessions:revoke"}, "invalid_scope"),
        ("screen", {"resource": "https://elsewhere.example/"}, "invalid_target"),
    ],
)
@pytest.mark.spec("RFC8628-3.1", "RFC8707-2")
def test_what_is_wrong_is_named_and_written(devices: Devices, client_id: str, changed: dict[str, str | None], error: str) -> None:
    answer = devices.ask(client_id, **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    [event] = devices.provider.audit("authorization.refused")
    assert event["event.reason"].startswith(error)


@pytest.mark.spec("RFC8628-3.1", "RFC6749-2.3")
def test_a_confidential_client_proves_itself(devices: Devices) -> None:
    assert devices.ask("rival").status_code == 200
    form = {"client_id": "rival", "scope": "openid"}
    refused = devices.provider.client.post(f"{BASE_URL}/auth/realms/esante-wallet/protocol/openid-connect/auth/device", data=form)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_flood_of_devices_is_limited_by_address_and_keeps_nobody_from_logging_in(tmp_path: Path) -> None:
    with running_devices(tmp_path, source_attempt_limit_count=3) as devices:
        answers = [devices.ask() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert devices.ask(address="198.51.100.1").status_code == 200
        browser = devices.provider.browser()
        assert browser.identify(browser.begin(), "899700000005").status_code == 303
