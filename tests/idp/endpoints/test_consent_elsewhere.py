"""What a service asks exactly, and who vouches for it, where no login in a browser says it: on the phone, on the page of a device."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from idp.model import Client
from tests.idp.endpoints.backchannel_flow import CIBA, Services, running_services, service
from tests.idp.endpoints.device_flow import DEVICE_CODE, Devices
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.endpoints.login_flow import CAMILLE, Phone, csrf_of
from tests.idp.wire import START

TYPES = Path(__file__).parents[3] / "deploy/demo/authorization_details.yaml"
READ = {"type": "dossier_access", "actions": ["read"], "datatypes": ["letter"], "identifier": "séjour 42"}
SENTENCE = "lire, dans le dossier « séjour 42 » : lettres de liaison"


def _client(client_id: str, **members: Any) -> Client:
    return service(client_id, client_name="Service <neuf>", grant_types=(CIBA, DEVICE_CODE, "refresh_token"), **members)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path, authorization_details_file=TYPES) as started:
        started.register(_client("exact", authorization_details_types=("dossier_access",)))
        started.register(_client("itself", registered_at=START))
        yield started


@pytest.fixture
def devices(services: Services) -> Devices:
    return Devices(services.provider)


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _check_granted(services: Services, body: dict[str, Any]) -> None:
    """In the answer, in the token, at introspection, and after a refresh."""
    assert body["authorization_details"] == [READ]
    assert _claims(body["access_token"])["authorization_details"] == [READ]
    assert services.post("token/introspect", "exact", token=body["access_token"]).json()["authorization_details"] == [READ]
    refreshed = services.post("token", "exact", grant_type="refresh_token", refresh_token=body["refresh_token"]).json()
    assert refreshed["authorization_details"] == [READ]


@pytest.mark.spec("RFC9396-2", "RFC9396-7", "CIBA-7.1")
def test_a_phone_reads_out_what_a_service_asks_to_do_and_the_tokens_say_just_that(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    asked = services.ask("exact", authorization_details=json.dumps([READ])).json()
    [question] = phone.questions()
    assert (question["details"], question["scope"], question["registered_on"]) == ([SENTENCE], [], None)
    assert phone.answer(question, "approve").status_code == 200
    _check_granted(services, services.poll(asked["auth_req_id"], "exact").json())


@pytest.mark.spec("RFC9396-5")
@pytest.mark.parametrize("path", ["ext/ciba/auth", "auth/device"])
@pytest.mark.parametrize(
    ("client_id", "text", "said"),
    [
        ("exact", "[", "must be a JSON array"),
        ("exact", '[{"type":"payment"}]', "0.type is not one of those offered here: dossier_access"),
        ("lps", json.dumps([READ]), "not registered for the type dossier_access"),
    ],
)
def test_what_no_screen_can_say_is_refused_before_anybody_is_asked(
    services: Services, path: str, client_id: str, text: str, said: str
) -> None:
    services.register(replace(service("lps"), grant_types=(CIBA, DEVICE_CODE)))
    phone = services.provider.phone(CAMILLE)
    form = {"scope": "openid", "login_hint": CAMILLE, "binding_message": "00", "authorization_details": text}
    answer = services.post(path, client_id, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")
    assert said in answer.json()["error_description"]
    assert phone.questions() == []


@pytest.mark.spec("RFC9396-7", "RFC8628-3.1")
def test_the_pages_of_a_device_read_out_what_it_asks_to_do(services: Services, devices: Devices) -> None:
    asked = devices.ask("exact", scope="openid", authorization_details=json.dumps([READ])).json()
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    warned = devices.warned(browser, asked["user_code"])
    page = browser.get(warned).text
    assert SENTENCE in page
    assert faults_of(page) == []
    login = urlsplit(devices.decide(browser, warned, "continue").headers["location"]).path
    assert SENTENCE in browser.get(login).text
    browser.identify(login, CAMILLE)
    [question] = phone.questions()
    assert phone.answer(question, "approve", browser.code(login)).status_code == 200
    browser.get(urlsplit(browser.wait(login).headers["location"]).path)
    _check_granted(services, devices.poll(asked["device_code"], "exact").json())


@pytest.mark.spec("OIDCC-3.1.2.4", "RFC7591-5")
def test_a_phone_shows_for_what_a_service_that_registered_itself_asks_and_the_yes_can_be_taken_back(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    asked = services.ask("itself", scope="openid scope_all").json()
    [question] = phone.questions()
    assert question["registered_on"] == "22/11/2026"
    assert question["scope"] == [
        "Un identifiant qui vous désigne",
        "Toute votre fiche professionnelle (identité, professions, lieux d’exercice)",
    ]
    phone.answer(question, "approve")
    body = services.poll(asked["auth_req_id"], "itself").json()
    [given] = services.provider.audit("consent.given")
    assert (given["user.id"], given["health.relying_party.id"], given["health.scope"]) == (CAMILLE, "itself", ["openid", "scope_all"])
    page = _my_sessions(services, phone)
    assert "Service &lt;neuf&gt;" in page.text
    assert "Sans page de retour" in page.text
    browser, csrf = page.browser, csrf_of(page.text)
    assert browser.request("POST", "/sessions/services/itself/withdraw", data={"csrf": csrf}).status_code == 200
    assert (
        services.post("token", "itself", grant_type="refresh_token", refresh_token=body["refresh_token"]).json()["error"] == "invalid_grant"
    )


class _Page:
    def __init__(self, browser: Any) -> None:
        self.browser, self.text = browser, browser.get("/sessions").text


def _my_sessions(services: Services, phone: Phone) -> _Page:
    browser = services.provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    [question] = phone.questions()
    phone.answer(question, "approve", browser.code(login))
    browser.wait(login)
    return _Page(browser)


def test_what_the_operator_registered_is_not_asked_about(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    services.ask("lps")
    [question] = phone.questions()
    assert (question["registered_on"], question["scope"], question["details"]) == (None, [], [])


@pytest.mark.spec("OIDCC-3.1.2.4", "RFC8628-5.4")
def test_the_page_of_a_device_shows_a_service_that_registered_itself_and_its_yes_is_kept(services: Services, devices: Devices) -> None:
    asked = devices.ask("itself", scope="openid scope_all").json()
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    warned = devices.warned(browser, asked["user_code"])
    page = browser.get(warned).text
    for shown in ("Service &lt;neuf&gt;", "22/11/2026", "Toute votre fiche professionnelle"):
        assert shown in page
    assert faults_of(page) == []
    done = devices.logged_in(browser, warned, phone)
    assert "Appareil connecté" in done.text
    [given] = services.provider.audit("consent.given")
    assert (given["user.id"], given["health.scope"]) == (CAMILLE, ["openid", "scope_all"])
    assert devices.poll(asked["device_code"], "itself").status_code == 200


def test_only_the_page_that_shows_the_service_as_it_is_lets_its_device_in(services: Services, devices: Devices) -> None:
    asked = devices.ask("itself", scope="openid").json()
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    warned = devices.warned(browser, asked["user_code"])
    form = {"csrf": csrf_of(browser.get(warned).text), "decision": "continue"}
    assert browser.request("POST", warned, data=form).status_code == 403
    assert browser.request("POST", warned, data=form | {"yes": "0" * 64}).status_code == 403
    assert devices.decide(browser, warned, "continue").status_code == 303
    services.register(replace(_client("itself", registered_at=START), client_name="Messagerie de la région"))
    login = warned.replace("/device/", "/login/")
    browser.identify(login, CAMILLE)
    [question] = phone.questions()
    phone.answer(question, "approve", browser.code(login))
    ended = browser.get(urlsplit(browser.wait(login).headers["location"]).path)
    assert "Appareil refusé" in ended.text
    assert devices.poll(asked["device_code"], "itself").json()["error"] == "access_denied"
    assert services.provider.audit("consent.given") == []


def test_a_page_that_was_passed_by_lets_no_device_of_such_a_service_in(services: Services, devices: Devices) -> None:
    asked = devices.ask("itself", scope="openid").json()
    browser, phone = devices.provider.browser(), devices.provider.phone(CAMILLE)
    login = devices.warned(browser, asked["user_code"]).replace("/device/", "/login/")
    browser.identify(login, CAMILLE)
    [question] = phone.questions()
    phone.answer(question, "approve", browser.code(login))
    browser.get(urlsplit(browser.wait(login).headers["location"]).path)
    assert devices.poll(asked["device_code"], "itself").json()["error"] == "access_denied"
