"""The control API of tests, and that it is absent where people are."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from idp.app import create_app
from idp.clock import Clock
from idp.keys import Seal
from idp.settings import Environment, Settings
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, NOBODY, START, Phone, Provider, running_provider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        yield running


def _calls() -> list[tuple[str, str]]:
    return [
        ("PUT", "clock"),
        ("POST", "enrolments"),
        ("GET", f"approvals?national_id={CAMILLE}"),
        ("POST", "approvals/x"),
        ("PUT", "clients/x/fault"),
    ]


@pytest.mark.parametrize(("environment", "url"), [(Environment.PRODUCTION, "https://idp.example"), (Environment.DEVELOPMENT, BASE_URL)])
def test_is_absent_in_production_and_wherever_it_is_switched_off(tmp_path: Path, environment: Environment, url: str) -> None:
    Seal.create_file(tmp_path / "seal.key")
    settings = Settings(state=tmp_path, environment=environment, base_url=url, control_api=False)
    with TestClient(create_app(settings, clock=Clock(lambda: START)), base_url=url) as client:
        assert [client.request(method, f"/control/v1/{path}", json={}).status_code for method, path in _calls()] == [404] * 5


def test_sets_the_clock_forward_only(provider: Provider) -> None:
    later = START + timedelta(hours=2)
    assert provider.control("PUT", "clock", {"at": later.isoformat()}).status_code == 200
    assert provider.state.clock() == later
    assert datetime.fromisoformat(provider.control("GET", "clock").json()["now"]) == later
    back = provider.control("PUT", "clock", {"at": START.isoformat()})
    assert back.status_code == 409
    assert "never goes back" in back.json()["detail"]
    assert provider.control("PUT", "clock", {"follow": "wall"}).status_code == 409
    assert provider.control("PUT", "clock", {"by_seconds": 90}).status_code == 200
    assert provider.state.clock() == later + timedelta(seconds=90)
    for wrong in ({}, {"by_seconds": -1}, {"by_seconds": 1e300}, {"by_seconds": 1, "follow": "wall"}):
        assert provider.control("PUT", "clock", wrong).status_code == 422
    assert provider.control("PUT", "clock", {"at": "2026-11-22T20:00:00"}).status_code == 422


def test_hands_out_a_code_that_enrols(provider: Provider) -> None:
    answer = provider.control("POST", "enrolments", {"national_id": "99700000005"}).json()
    assert answer["url"] == f"{BASE_URL}/phone/enrol?code={answer['activation_code']}"
    assert Phone(provider, answer["activation_code"]).enrolment.status_code == 201
    assert provider.control("POST", "enrolments", {"national_id": NOBODY}).status_code == 404


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("approve", "approved"), ("deny", "denied"), ("report", "reported"), ("wrong_code", "mismatched"), ("expire", "expired")],
)
def test_ends_a_question_once_and_says_so_in_the_log(provider: Provider, outcome: str, state: str) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    (pending,) = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
    assert pending["code"] == browser.code(login)
    assert provider.control("POST", f"approvals/{pending['id']}", {"outcome": outcome}).json() == {"state": state}
    assert browser.state(login) == state
    assert provider.control("POST", f"approvals/{pending['id']}", {"outcome": "approve"}).status_code == 409
    events = [event for event in provider.audit() if event.get("health.approval.id") == pending["id"]]
    settled = next(event for event in events if event["event.action"] not in ("device_approval.requested", "login.failed"))
    assert settled["event.reason"] == "by the control API"


def test_does_not_approve_a_question_that_has_expired(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    (pending,) = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
    provider.wall.advance(121)
    assert provider.control("POST", f"approvals/{pending['id']}", {"outcome": "approve"}).status_code == 409
    assert provider.control("POST", f"approvals/{pending['id']}", {"outcome": "expire"}).json() == {"state": "expired"}


def test_knows_nothing_of_an_unknown_question(provider: Provider) -> None:
    assert provider.control("POST", "approvals/unknown", {"outcome": "approve"}).status_code == 404
    assert provider.control("POST", "approvals/unknown", {"outcome": "other"}).status_code == 422
