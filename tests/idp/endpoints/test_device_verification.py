from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.idp.endpoints.device_flow import Devices, running_devices
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.endpoints.login_flow import CAMILLE, csrf_of


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[Devices]:
    with running_devices(tmp_path) as started:
        yield started


@pytest.mark.spec("RFC8628-3.3", "RFC8628-5.4")
@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_warning_says_which_service_asks_and_from_where(devices: Devices, language: str) -> None:
    user_code = devices.ask(address="198.51.100.77").json()["user_code"]
    browser = devices.provider.browser(language=language)
    code_page = browser.get("/device")
    assert faults_of(code_page.text) == []
    page = browser.get(devices.warned(browser, user_code.lower().replace("-", " ")))
    assert page.status_code == 200
    assert faults_of(page.text) == []
    for shown in ("Écran de salle", "198.51.100.77", "Ecran-de-salle/1.0", "21:00:00"):
        assert shown in page.text
    assert ("même réseau" if language == "fr" else "same network") in page.text


def test_a_device_on_the_same_network_gets_no_further_warning(devices: Devices) -> None:
    user_code = devices.ask().json()["user_code"]
    browser = devices.provider.browser()
    assert "même réseau" not in browser.get(devices.warned(browser, user_code)).text


@pytest.mark.spec("RFC8628-3.3.1")
def test_a_code_in_the_address_is_filled_in_and_still_has_to_be_sent(devices: Devices) -> None:
    body = devices.ask().json()
    browser = devices.provider.browser()
    parts = urlsplit(body["verification_uri_complete"])
    page = browser.get(f"{parts.path}?{parts.query}")
    assert f'value="{body["user_code"]}"' in page.text
    assert devices.poll(body["device_code"]).json()["error"] == "authorization_pending"


@pytest.mark.parametrize("query", ["user_code=%22%3E%3Cscript%3E", "user_code=" + "A" * 4000])
def test_a_code_in_the_address_that_is_none_is_not_repeated(devices: Devices, query: str) -> None:
    page = devices.provider.browser().get(f"/device?{query}")
    assert page.status_code == 200
    assert 'value=""' in page.text


@pytest.mark.spec("RFC8628-5.4")
def test_a_session_of_the_browser_is_not_enough_and_none_is_left_in_it(devices: Devices) -> None:
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    body = devices.ask().json()
    done = devices.logged_in(browser, devices.warned(browser, body["user_code"]), phone)
    assert "Appareil connecté" in done.text
    assert faults_of(done.text) == []
    assert "veilleur_idp_sso" not in browser.cookies
    [granted] = devices.provider.audit("device_authorization.granted")
    assert "203.0.113.7" in granted["event.reason"]
    # The next device needs its own proof: the page of the login comes again.
    again = devices.ask().json()
    answer = devices.decide(browser, devices.warned(browser, again["user_code"]), "continue")
    assert urlsplit(answer.headers["location"]).path.startswith("/login/")


@pytest.mark.spec("RFC8628-5.4")
def test_the_page_of_one_browser_is_nothing_in_another(devices: Devices) -> None:
    browser, other = devices.provider.browser(), devices.provider.browser("198.51.100.9")
    page = devices.warned(browser, devices.ask().json()["user_code"])
    other.get("/device")
    assert other.get(page).status_code == 410
    assert other.request("POST", page, data={"csrf": "0" * 64, "decision": "continue"}).status_code == 410
    assert browser.request("POST", page, data={"csrf": "0" * 64, "decision": "continue"}).status_code == 403


def test_no_form_of_another_site_is_taken(devices: Devices) -> None:
    user_code = devices.ask().json()["user_code"]
    browser = devices.provider.browser()
    assert browser.request("POST", "/device", data={"user_code": user_code}).status_code == 403
    browser.get("/device")
    assert browser.request("POST", "/device", data={"user_code": user_code, "csrf": "0" * 64}).status_code == 403


@pytest.mark.spec("RFC8628-5.1")
def test_guessing_codes_is_written_and_limited_by_the_counter_of_every_door(tmp_path: Path) -> None:
    with running_devices(tmp_path, source_attempt_limit_count=5) as devices:
        right = devices.ask().json()["user_code"]
        browser = devices.provider.browser()
        form = {"csrf": csrf_of(browser.get("/device").text), "user_code": "BCDF-GHJK"}
        answers = [browser.request("POST", "/device", data=form) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [422] * 5
        assert faults_of(answers[0].text) == []
        # Even the right one, and every other door from here.
        late = browser.request("POST", "/device", data={**form, "user_code": right})
        assert late.status_code == 429
        assert int(late.headers["retry-after"]) > 0
        assert browser.identify(browser.begin(), CAMILLE).status_code == 429
        refused = devices.provider.audit("authorization.refused")
        assert len(refused) == 6
        assert all("BCDF" not in str(event) for event in refused)


def test_cancelling_the_login_refuses_the_device(devices: Devices) -> None:
    body = devices.ask().json()
    browser = devices.provider.browser()
    answer = devices.decide(browser, devices.warned(browser, body["user_code"]), "continue")
    login = urlsplit(answer.headers["location"]).path
    shown = browser.get(login).text
    assert "refuser cet appareil" in shown
    cancelled = browser.request("POST", f"{login}/cancel", data={"csrf": csrf_of(shown)})
    assert "Appareil refusé" in cancelled.text
    assert devices.poll(body["device_code"]).json()["error"] == "access_denied"
    assert len(devices.provider.audit("device_authorization.denied")) == 1


def test_no_step_can_be_skipped_and_none_counts_twice(devices: Devices) -> None:
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    body = devices.ask().json()
    page = devices.warned(browser, body["user_code"])
    assert browser.get(f"{page}/done").status_code == 410
    login = browser.begin()
    assert browser.get(login.replace("/login/", "/device/")).status_code == 410
    devices.logged_in(browser, page, phone)
    assert browser.get(page).status_code == 410
    assert browser.get(f"{page}/done").status_code == 410


def test_a_login_that_ends_after_the_device_was_refused_leaves_no_session(devices: Devices) -> None:
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    body = devices.ask().json()
    page, twin = devices.warned(browser, body["user_code"]), devices.warned(browser, body["user_code"])
    devices.decide(browser, twin, "refuse")
    login = page.replace("/device/", "/login/")
    browser.identify(login, CAMILLE)
    [question] = phone.questions()
    phone.answer(question, "approve", browser.code(login))
    entered = browser.wait(login)
    assert browser.get(urlsplit(entered.headers["location"]).path).status_code == 410
    account = devices.provider.call(devices.provider.state.store.accounts.find_by_national_id(CAMILLE))
    assert devices.provider.call(devices.provider.state.store.sessions.of_account(account.id, devices.provider.wall())) == []
