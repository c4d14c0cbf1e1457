"""A login without a browser is no way around what protects the others.

Precedents: Keycloak CVE-2026-9798 (CIBA ignored the lock-out), CVE-2026-109082 (a public client could use it), CVE-2026-4282 (one
store for every kind of single-use value), CVE-2026-1609 (a disabled user got tokens).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from idp.model import AccountState
from tests.idp.endpoints.backchannel_flow import CIBA, CONNECT, Services, running_services
from tests.idp.endpoints.login_flow import CAMILLE, NOBODY

pytestmark = pytest.mark.precedent("CVE-2026-9798", "CVE-2026-109082", "CVE-2026-4282", "CVE-2026-1609")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path) as started:
        yield started


def test_questions_by_service_and_by_browser_share_one_counter(services: Services) -> None:
    assert {services.ask("lps" if number % 2 else "rival").status_code for number in range(20)} == {200}
    limited = services.ask()
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 0
    browser = services.provider.browser()
    assert browser.identify(browser.begin(), CAMILLE).status_code == 429


def test_a_public_client_and_one_without_the_grant_get_nothing(services: Services) -> None:
    assert services.ask("browser-only").json()["error"] == "unauthorized_client"
    form = {"client_id": "public", "scope": "openid", "login_hint": CAMILLE, "binding_message": "1"}
    assert services.provider.client.post(f"{CONNECT}/ext/ciba/auth", data=form).status_code in (400, 401)
    awaited = services.ask().json()["auth_req_id"]
    public = services.provider.client.post(f"{CONNECT}/token", data={"client_id": "public", "grant_type": CIBA, "auth_req_id": awaited})
    assert public.status_code in (400, 401)
    assert services.provider.audit("access_token.issued") == []


def test_the_handle_is_its_client_s_alone_counts_once_and_is_nothing_else(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    handle = services.ask().json()["auth_req_id"]
    services.approve(phone)
    assert services.poll(handle, "rival").json()["error"] == "invalid_grant"
    for grant_type, name in (("authorization_code", "code"), ("refresh_token", "refresh_token")):
        assert "error" in services.post("token", "lps", grant_type=grant_type, **{name: handle}).json()
    uri = f"urn:ietf:params:oauth:request_uri:{handle}"
    brought = services.provider.browser().request("GET", "/auth", params={"client_id": "lps", "request_uri": uri})
    assert (brought.status_code, "location" in brought.headers) == (400, False)
    tokens = services.poll(handle).json()
    assert "access_token" in tokens
    for other in (handle, tokens["refresh_token"], tokens["access_token"], tokens["id_token"], "x"):
        assert services.poll(other).json()["error"] in ("invalid_grant", "slow_down")


def test_a_suspension_ends_what_was_asked_and_what_was_got(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    tokens = services.log_in(phone)
    handle = services.ask().json()["auth_req_id"]
    services.approve(phone)
    store = services.provider.state.store
    account = services.provider.call(store.accounts.find_by_national_id(CAMILLE))
    services.provider.call(store.accounts.put(replace(account, state=AccountState.SUSPENDED)))
    assert services.poll(handle).json()["error"] == "invalid_grant"
    refreshed = services.post("token", "lps", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert services.provider.client.get(f"{CONNECT}/userinfo", headers=headers).status_code == 401


def test_who_exists_cannot_be_told(services: Services) -> None:
    known, unknown = services.ask(), services.ask(login_hint=NOBODY)
    assert (known.status_code, known.json().keys()) == (unknown.status_code, unknown.json().keys())
    assert services.poll(known.json()["auth_req_id"]).json() == services.poll(unknown.json()["auth_req_id"]).json()


def test_an_answer_to_a_service_opens_no_browser(services: Services) -> None:
    browser, phone = services.provider.browser(), services.provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    services.ask()
    question = next(asked for asked in phone.questions() if asked["kind"] == "service")
    assert phone.answer(question, "approve").json() == {"state": "approved"}
    assert browser.state(login) in ("requested", "seen")
    assert browser.wait(login).status_code == 200
    assert "veilleur_idp_sso" not in browser.cookies
    assert browser.get(f"/login/{question['id']}").status_code == 410


def test_an_answer_to_a_browser_without_its_number_is_no_yes(services: Services) -> None:
    browser, phone = services.provider.browser(), services.provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    [question] = phone.questions()
    assert phone.answer(question, "approve", "").json() == {"state": "mismatched"}
