"""The administration API: scopes, revocations that are repeated safely, suspension."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, NOBODY, REDIRECT_URI, SECRET, Provider, query_of, running_provider

ALL = "sessions:read sessions:revoke accounts:suspend"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        yield running


def _post(provider: Provider, path: str, document: Any, headers: dict[str, str]) -> Any:
    return provider.client.post(f"{BASE_URL}/admin/v1/{path}", json=document, headers=headers)


def _log_in(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    (pending,) = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
    provider.control("POST", f"approvals/{pending['id']}", {"outcome": "approve"})
    assert browser.wait(login).status_code == 303


REVOCATION = {"national_id": CAMILLE, "reason": "incident", "reference": "INC-1"}


@pytest.mark.spec("RFC6750-3.1")
@pytest.mark.parametrize(
    ("path", "document", "scope", "other"),
    [
        ("sessions/search", {"national_id": CAMILLE}, "sessions:read", "sessions:revoke accounts:suspend"),
        ("revocations", REVOCATION, "sessions:revoke", "sessions:read accounts:suspend"),
        ("accounts/suspend", {"national_id": CAMILLE, "reason": "r"}, "accounts:suspend", "sessions:read sessions:revoke"),
        ("accounts/restore", {"national_id": CAMILLE, "reason": "r"}, "accounts:suspend", "sessions:read sessions:revoke"),
    ],
)
def test_each_operation_needs_its_scope(provider: Provider, path: str, document: Any, scope: str, other: str) -> None:
    key = {"Idempotency-Key": "k-1"}
    assert _post(provider, path, document, key).status_code == 401
    assert _post(provider, path, document, {"Authorization": "Bearer nonsense", **key}).status_code == 401
    refused = _post(provider, path, document, provider.administrator(other) | key)
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert f'scope="{scope}"' in refused.headers["www-authenticate"]
    assert _post(provider, path, document, provider.administrator(scope) | key).status_code == 200


def test_a_phone_that_is_removed_answers_no_more_and_those_who_must_hear_of_it(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    assert phone.questions() == []
    path, headers = f"devices/{phone.device_id}/remove", provider.administrator(ALL)
    assert _post(provider, path, {"reason": ""}, headers).status_code == 422
    assert _post(provider, path, {"reason": "perdu"}, provider.administrator("sessions:read")).status_code == 403
    for _ in range(2):
        assert _post(provider, path, {"reason": "perdu"}, headers).json() == {"state": "removed"}
    assert phone.send("GET", "/phone/api/approvals").status_code == 401
    [event] = provider.audit("device.removed")
    assert (event["user.id"], event["health.actor.id"], event["event.reason"]) == (CAMILLE, "veilleur-siem", "perdu")
    assert (event["health.device.id"], event["source.ip"]) == (phone.device_id, "127.0.0.1")
    assert _post(provider, "devices/unknown/remove", {"reason": "x"}, headers).status_code == 404


def test_an_expired_token_opens_nothing(provider: Provider) -> None:
    headers = provider.administrator(ALL)
    provider.wall.advance(121)
    assert _post(provider, "sessions/search", {"national_id": CAMILLE}, headers).status_code == 401


def test_lists_the_sessions_of_a_person(provider: Provider) -> None:
    _log_in(provider)
    found = _post(provider, "sessions/search", {"national_id": CAMILLE}, provider.administrator(ALL)).json()
    (session,) = found["sessions"]
    assert (session["method"], session["acr"], session["source_ip"]) == ("device", "eidas2", "203.0.113.7")
    assert session["clients"] == []
    assert found["residual_seconds"] == 0
    assert _post(provider, "sessions/search", {"national_id": NOBODY}, provider.administrator(ALL)).status_code == 404


def test_a_revocation_ends_the_sessions_and_names_who_asked(provider: Provider) -> None:
    _log_in(provider)
    _log_in(provider)
    headers = provider.administrator(ALL) | {"Idempotency-Key": "run-1/step-3"}
    answer = _post(provider, "revocations", REVOCATION, headers)
    ended = {"session_count": 2, "grant_count": 0, "residual_seconds": 0, "valid_until": None, "remaining_grant_count": 0}
    assert answer.json() == ended
    events = provider.audit("session.revoked")
    assert len({event["health.session.id"] for event in events}) == 2
    assert {(e["user.id"], e["health.actor.id"], e["event.reason"]) for e in events} == {(CAMILLE, "veilleur-siem", "incident (INC-1)")}
    assert _post(provider, "sessions/search", {"national_id": CAMILLE}, provider.administrator(ALL)).json()["sessions"] == []


def test_a_repeated_revocation_gets_the_first_answer(provider: Provider) -> None:
    _log_in(provider)
    headers = provider.administrator(ALL) | {"Idempotency-Key": "run-1/step-3"}
    first = _post(provider, "revocations", REVOCATION, headers).json()
    _log_in(provider)
    assert _post(provider, "revocations", REVOCATION, headers).json() == first
    assert len(provider.audit("session.revoked")) == 1
    assert _post(provider, "revocations", {**REVOCATION, "reason": "other"}, headers).status_code == 422
    assert _post(provider, "revocations", REVOCATION, {**headers, "Idempotency-Key": "k-2"}).json()["session_count"] == 1


def test_one_session_is_revoked_alone(provider: Provider) -> None:
    _log_in(provider)
    _log_in(provider)
    sessions = _post(provider, "sessions/search", {"national_id": CAMILLE}, provider.administrator(ALL)).json()["sessions"]
    headers = provider.administrator(ALL) | {"Idempotency-Key": "k"}
    document = {"session_id": sessions[0]["id"], "reason": "poste perdu"}
    assert _post(provider, "revocations", document, headers).json()["session_count"] == 1
    left = _post(provider, "sessions/search", {"national_id": CAMILLE}, provider.administrator(ALL)).json()["sessions"]
    assert [session["id"] for session in left] == [sessions[1]["id"]]
    assert _post(provider, "revocations", document, {**headers, "Idempotency-Key": "k-2"}).status_code == 404


@pytest.mark.parametrize(
    "document", [{"reason": "r"}, {"national_id": CAMILLE}, {**REVOCATION, "session_id": "s"}, {**REVOCATION, "force": True}]
)
def test_an_unclear_revocation_does_nothing(provider: Provider, document: Any) -> None:
    _log_in(provider)
    headers = provider.administrator(ALL)
    assert _post(provider, "revocations", document, headers | {"Idempotency-Key": "k"}).status_code == 422
    assert _post(provider, "revocations", REVOCATION, headers).status_code == 422
    assert provider.audit("session.revoked") == []


def test_a_suspended_person_logs_in_no_more_until_restored(provider: Provider) -> None:
    headers = provider.administrator(ALL)
    change = {"national_id": CAMILLE, "reason": "vol de téléphone"}
    assert _post(provider, "accounts/suspend", change, headers).json() == {"state": "suspended"}
    assert _post(provider, "accounts/suspend", change, headers).json() == {"state": "suspended"}
    browser = provider.browser()
    browser.identify(browser.begin(), CAMILLE)
    assert provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"] == []
    assert _post(provider, "accounts/restore", change, headers).json() == {"state": "active"}
    _log_in(provider)
    events = provider.audit("account.suspended", "account.restored")
    assert [(e["event.action"], e["health.actor.id"]) for e in events] == [
        ("account.suspended", "veilleur-siem"),
        ("account.restored", "veilleur-siem"),
    ]


def test_a_persons_own_token_is_not_enough(provider: Provider) -> None:
    # Whatever scopes a person's token holds, only a client acting for itself administers.
    browser = provider.browser()
    login = browser.begin(client_id="overreaching", scope="openid sessions:read")
    browser.identify(login, CAMILLE)
    (pending,) = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
    provider.control("POST", f"approvals/{pending['id']}", {"outcome": "approve"})
    browser.wait(login)
    code = query_of(browser.get(login.replace("/login/", "/auth/resume/")).headers["location"])["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": browser.verifier}
    credentials = {"client_id": "overreaching", "client_secret": SECRET}
    answer = provider.client.post(f"{provider.state.issuer}/protocol/openid-connect/token", data=form | credentials).json()
    assert "sessions:read" in answer["scope"].split()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    refused = _post(provider, "sessions/search", {"national_id": CAMILLE}, headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    found = _post(provider, "sessions/search", {"national_id": CAMILLE}, provider.administrator(ALL)).json()
    assert found["sessions"][0]["clients"] == ["overreaching"]
    assert found["residual_seconds"] == 120
