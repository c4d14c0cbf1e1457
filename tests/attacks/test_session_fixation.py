"""A login belongs to the browser that began it, and to the person who did it.

Precedents: Keycloak CVE-2026-7507 (login-actions/restart), CVE-2025-12390, CVE-2019-3868 (a token used as a cookie), Zitadel
CVE-2026-109373 and CVE-2026-119128 (forgeable cookies), CVE-2025-64102; Keycloak CVE-2026-18963 and CVE-2026-94218,
Zitadel CVE-2026-105207 and CVE-2026-105215 (a step skipped).
"""

import secrets
from urllib.parse import urlsplit

import pytest

from tests.attacks.forgery import parts_of
from tests.idp.endpoints.login_flow import CAMILLE, LUCAS, REDIRECT_URI, SECRET, Browser, Phone, Provider, csrf_of, query_of

pytestmark = pytest.mark.precedent("CVE-2026-7507", "CVE-2025-12390", "CVE-2019-3868", "CVE-2026-109373", "CVE-2026-119128")


SSO, LOGIN = "veilleur_idp_sso", "veilleur_idp_login"


def _approve(phone: Phone, browser: Browser, login: str) -> None:
    assert phone.answer(phone.questions()[-1], "approve", browser.code(login)).json() == {"state": "approved"}


def _log_in(provider: Provider, browser: Browser, national_id: str, phone: Phone, **parameters: str) -> str:
    login = browser.begin(**parameters)
    browser.identify(login, national_id)
    _approve(phone, browser, login)
    assert browser.wait(login).status_code == 303
    return login


def test_a_login_cannot_be_continued_in_another_browser(provider: Provider) -> None:
    attacker, victim, phone = provider.browser(), provider.browser(), provider.phone(CAMILLE)
    login = attacker.begin()
    attacker.identify(login, CAMILLE)
    _approve(phone, attacker, login)
    victim.begin()
    for path in (login, f"{login}/wait", f"{login}/state", login.replace("/login/", "/auth/resume/")):
        answer = victim.get(path)
        assert answer.status_code in (400, 410)
        assert SSO not in victim.cookies
    csrf = csrf_of(attacker.get(login).text)
    for path in (login, f"{login}/cancel"):
        assert victim.request("POST", path, data={"csrf": csrf, "national_id": CAMILLE}).status_code == 410


@pytest.mark.spec("RFC9126-7.3")
def test_a_pushed_request_that_is_open_in_one_browser_is_nothing_to_another(provider: Provider) -> None:
    form = {name: value for name, value in _query().items() if name != "client_id"}
    pushed = provider.client.post(f"{provider.state.issuer}/protocol/openid-connect/ext/par/request", data=form, auth=("dossier", SECRET))
    brought = {"client_id": "dossier", "request_uri": pushed.json()["request_uri"]}
    victim, thief, phone = provider.browser(), provider.browser(), provider.phone(LUCAS)
    login = urlsplit(victim.request("GET", "/auth", params=brought).headers["location"]).path
    # As nobody, and then logged in as themselves: neither may put their account in the place of the victim's.
    as_nobody = thief.request("GET", "/auth", params=brought)
    _log_in(provider, thief, LUCAS, phone)
    for stolen in (as_nobody, thief.request("GET", "/auth", params=brought)):
        assert (stolen.status_code, "location" in stolen.headers) == (400, False)
    again = urlsplit(victim.request("GET", "/auth", params=brought).headers["location"]).path
    assert again.startswith("/login/")
    own_phone = provider.phone(CAMILLE)
    victim.identify(login, CAMILLE)
    _approve(own_phone, victim, login)
    victim.wait(login)
    assert "code=" in victim.get(login.replace("/login/", "/auth/resume/")).headers["location"]
    cancelled = victim.request("POST", f"{again}/cancel", data={"csrf": csrf_of(victim.get(again).text)})
    assert (cancelled.status_code, "location" in cancelled.headers) == (410, False), "its client has been answered"


def test_a_session_cookie_that_was_planted_is_not_taken_over(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    browser.cookies[SSO] = planted = secrets.token_urlsafe(32)
    _log_in(provider, browser, CAMILLE, phone)
    assert browser.cookies[SSO] != planted
    thief = provider.browser()
    thief.cookies[SSO] = planted
    assert "/login/" in thief.request("GET", "/auth", params=_query()).headers["location"]


def test_each_login_has_a_session_of_its_own(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    _log_in(provider, browser, CAMILLE, phone)
    first = browser.cookies[SSO]
    _log_in(provider, browser, CAMILLE, phone, prompt="login")
    assert browser.cookies[SSO] != first


@pytest.mark.precedent("CVE-2026-18963", "CVE-2026-94218", "CVE-2026-105207", "CVE-2026-105215")
def test_steps_cannot_be_skipped_by_their_address(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = browser.begin()
    resume = login.replace("/login/", "/auth/resume/")
    assert browser.get(f"{login}/wait").headers["location"].endswith(login)
    assert "/login/" in browser.get(resume).headers["location"]
    browser.identify(login, CAMILLE)
    assert "/login/" in browser.get(resume).headers["location"]
    assert browser.wait(login).status_code == 200
    assert SSO not in browser.cookies
    phone.answer(phone.questions()[-1], "deny")
    assert browser.wait(login).status_code == 200
    assert "/login/" in browser.get(resume).headers["location"]
    assert SSO not in browser.cookies


@pytest.mark.precedent("CVE-2026-18963")
def test_an_approval_gives_one_session(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = _log_in(provider, browser, CAMILLE, phone)
    again = browser.wait(login)
    assert again.status_code == 409
    assert "set-cookie" not in again.headers
    assert len(provider.audit("session.started")) == 1


@pytest.mark.precedent("CVE-2026-105207")
def test_a_form_without_its_token_does_nothing(provider: Provider) -> None:
    browser = provider.browser()
    login, other = browser.begin(), browser.begin()
    for csrf in ("", "0" * 64, csrf_of(browser.get(other).text)):
        for path in (login, f"{login}/cancel"):
            assert browser.request("POST", path, data={"csrf": csrf, "national_id": CAMILLE}).status_code == 403
    assert provider.audit("device_approval.requested") == []


def test_a_fresh_login_of_oneself_does_not_refresh_the_session_of_who_sat_here_before(provider: Provider) -> None:
    shared, victim_phone, attacker_phone = provider.browser(), provider.phone(CAMILLE), provider.phone(LUCAS)
    _log_in(provider, shared, CAMILLE, victim_phone)
    left_open = shared.cookies[SSO]
    for demand in ({"prompt": "login"}, {"max_age": "60"}):
        provider.wall.advance(120)
        login = _log_in(provider, shared, LUCAS, attacker_phone, **demand)
        shared.cookies[SSO] = left_open
        answer = shared.get(login.replace("/login/", "/auth/resume/"))
        assert "/login/" in answer.headers["location"], "Camille has not proved anything since"
        assert "code=" not in answer.headers["location"]


def test_a_code_names_the_one_who_approved(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = _log_in(provider, browser, CAMILLE, phone)
    code = query_of(browser.get(login.replace("/login/", "/auth/resume/")).headers["location"])["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": browser.verifier}
    tokens = provider.client.post(f"{provider.state.issuer}/protocol/openid-connect/token", data=form, auth=("dossier", SECRET)).json()
    described = provider.client.get(
        f"{provider.state.issuer}/protocol/openid-connect/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}
    )
    assert described.json()["SubjectNameID"] == CAMILLE
    assert parts_of(tokens["id_token"])[1]["sid"] != browser.cookies[SSO], "what a service sees opens no session"


def test_a_login_that_was_cancelled_is_over(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    question, code = phone.questions()[-1], browser.code(login)
    cancelled = browser.request("POST", f"{login}/cancel", data={"csrf": csrf_of(browser.get(login).text)})
    assert query_of(cancelled.headers["location"])["error"] == "access_denied"
    assert phone.answer(question, "approve", code).status_code == 409
    assert browser.wait(login).status_code == 410


def test_what_no_step_reads_is_not_kept(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin(**{f"junk{n}": "x" * 2000 for n in range(20)})
    kept = provider.call(provider.state.store.interactions.get(login.rpartition("/")[2], provider.wall()))
    assert not any(name.startswith("junk") for name in kept.request)


def _query() -> dict[str, str]:
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    fixed = {"client_id": "dossier", "response_type": "code", "redirect_uri": REDIRECT_URI, "scope": "openid"}
    return {**fixed, "code_challenge": challenge, "code_challenge_method": "S256"}
