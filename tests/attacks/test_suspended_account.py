"""A suspended person gets nothing more through any door, and what they had stops at once.

Precedents: Keycloak CVE-2026-1609 (a disabled user got tokens) and CVE-2026-1486, authentik CVE-2024-38371.
"""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from idp.model import Account, AccountState
from tests.idp.endpoints.device_flow import running_devices
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, REDIRECT_URI, SECRET, Phone, Provider, query_of
from tests.idp.wire import PERSON, Wire

pytestmark = pytest.mark.precedent("CVE-2026-1609", "CVE-2026-1486", "CVE-2024-38371")


def _set(wire: Wire, account: Account) -> None:
    wire.call(lambda provider: provider.store.accounts.put(account))


SUSPENDED = replace(PERSON, state=AccountState.SUSPENDED)


@pytest.mark.parametrize("client_id", ["baseline", "psc", "public"])
def test_code_refresh_userinfo_introspection_and_session_are_dead(wire: Wire, client_id: str) -> None:
    public = client_id == "public"
    code, cookie = wire.code(client_id), wire.log_in()
    named = {"client_id": client_id} if public else {}
    tokens = wire.redeem(wire.code(client_id), None if public else client_id, **named).json()
    _set(wire, SUSPENDED)
    assert wire.redeem(code, None if public else client_id, **named).json()["error"] == "invalid_grant"
    assert wire.refresh(tokens["refresh_token"], None if public else client_id, **named).json()["error"] == "invalid_grant"
    assert wire.userinfo(tokens["access_token"]).status_code == 401
    for token in (tokens["access_token"], tokens["refresh_token"]):
        for reader in ("baseline", "psc", "interface"):
            assert wire.post("token/introspect", reader, token=token).json() == {"active": False}
    assert "/login/" in wire.authorize(client_id, cookie=cookie).headers["location"]
    assert "error=login_required" in wire.authorize(client_id, cookie=cookie, prompt="none").headers["location"]


def test_a_question_answered_before_the_suspension_opens_nothing_after_it(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    phone.answer(phone.questions()[-1], "approve", browser.code(login))
    _suspend(provider)
    assert browser.wait(login).status_code == 409
    assert "veilleur_idp_sso" not in browser.cookies


def test_nobody_can_tell_from_outside(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    _suspend(provider)
    pages = []
    for national_id in (CAMILLE, "899700001003"):
        browser = provider.browser()
        login = browser.begin()
        answer = browser.identify(login, national_id)
        state = browser.get(f"{login}/state").json()
        pages.append((answer.status_code, urlsplit(answer.headers["location"]).path.replace(login, ""), state))
    assert pages[0] == pages[1]
    assert phone.questions() == []


def test_neither_a_new_phone_nor_the_old_one_helps(provider: Provider) -> None:
    code = provider.control("POST", "enrolments", {"national_id": CAMILLE}).json()["activation_code"]
    _suspend(provider)
    assert Phone(provider, code).enrolment.json() == {"error": "invalid_activation_code"}
    assert provider.audit("login.failed")[-1]["event.reason"] == "the account is suspended"


def test_what_was_held_before_does_not_come_back_with_the_account(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    phone.answer(phone.questions()[-1], "approve", browser.code(login))
    browser.wait(login)
    code = query_of(browser.get(login.replace("/login/", "/auth/resume/")).headers["location"])["code"]
    headers = provider.administrator("accounts:suspend")
    for change in ("suspend", "restore"):
        document = {"national_id": CAMILLE, "reason": "phone stolen"}
        assert provider.client.post(f"{BASE_URL}/admin/v1/accounts/{change}", json=document, headers=headers).status_code == 200
    assert provider.audit("session.revoked")[0]["event.reason"] == "phone stolen"
    again = browser.begin()
    assert again.startswith("/login/"), "the session of before is over"
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": browser.verifier}
    token = provider.client.post(f"{provider.state.issuer}/protocol/openid-connect/token", data=form, auth=("dossier", SECRET))
    assert token.json()["error"] == "invalid_grant"


def _suspend(provider: Provider) -> None:
    account = provider.call(provider.state.store.accounts.find_by_national_id(CAMILLE))
    provider.call(provider.state.store.accounts.put(replace(account, state=AccountState.SUSPENDED)))


def test_a_device_that_was_let_in_before_the_suspension_gets_nothing_after_it(tmp_path: Path) -> None:
    with running_devices(tmp_path) as devices:
        browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
        asked = devices.ask().json()
        page = devices.warned(browser, asked["user_code"])
        devices.logged_in(browser, page, phone)
        _suspend(devices.provider)
        assert devices.poll(asked["device_code"]).json()["error"] in ("invalid_grant", "access_denied", "authorization_pending")
        devices.provider.wall.advance(10)
        assert "access_token" not in devices.poll(asked["device_code"]).json()
        assert devices.provider.audit("access_token.issued") == []
