"""Raising a login: which means is offered for the level that is asked for, and why the person is asked again."""

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from idp.tokens.step_up import LoginRequirement
from tests.idp.endpoints.card_flow import log_in, taking_cards
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.endpoints.login_flow import CAMILLE, REDIRECT_URI, SECRET, Browser, Provider, csrf_of, query_of, running_provider
from tests.idp.wire import claims_of


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with taking_cards(tmp_path) as running:
        yield running


def _essential(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def _by_phone(provider: Provider, browser: Browser, login: str) -> Any:
    browser.identify(login, CAMILLE, method="device")
    found = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
    provider.control("POST", f"approvals/{found[-1]['id']}", {"outcome": "approve"})
    assert browser.wait(login).status_code == 303
    return browser.get(login.replace("/login/", "/auth/resume/"))


def _tokens(provider: Provider, browser: Browser, answer: Any) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": query_of(answer.headers["location"])["code"], "redirect_uri": REDIRECT_URI}
    token = f"{provider.state.issuer}/protocol/openid-connect/token"
    found: dict[str, Any] = provider.client.post(token, data={**form, "code_verifier": browser.verifier}, auth=("dossier", SECRET)).json()
    return found


def _choices(page: str) -> dict[str, bool]:
    """Every means on the page, and whether it is chosen beforehand."""
    return {name: bool(checked) for name, checked in re.findall(r'type="radio" name="method" value="(\w+)"( checked)?', page)}


def _again(browser: Browser, **parameters: str) -> Any:
    """The authorization endpoint with a session: the login page's path, or the way back to the service."""
    query = {"client_id": "dossier", "response_type": "code", "redirect_uri": REDIRECT_URI, "scope": "openid identity"}
    pkce = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    return browser.request("GET", "/auth", params={**query, **pkce, **parameters})


@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-5.5.1.1", "RFC9470-4")
@pytest.mark.parametrize(
    ("parameters", "choices", "words"),
    [
        ({"acr_values": "eidas3"}, {"device": False, "certificate": True}, "demande une connexion de niveau élevé"),
        ({"claims": _essential("eidas3")}, {"certificate": True}, "exige une connexion de niveau élevé"),
    ],
    ids=["wish", "must"],
)
def test_a_session_by_phone_is_raised_by_the_card_and_the_page_says_why(
    provider: Provider, parameters: dict[str, str], choices: dict[str, bool], words: str
) -> None:
    browser = provider.browser()
    _by_phone(provider, browser, browser.begin())
    login = browser.begin(**parameters)
    page = browser.get(login)
    assert faults_of(page.text) == []
    assert _choices(page.text) == choices
    assert words in html.unescape(page.text)
    assert "est d’un niveau inférieur" in html.unescape(page.text)
    provider.wall.advance(60)
    claims = claims_of(_tokens(provider, browser, log_in(provider, browser, login))["id_token"])
    assert (claims["acr"], claims["amr"]) == ("eidas3", ["sc", "pin", "mfa", "hwk"])
    assert claims["auth_time"] == int(provider.wall().timestamp()), "of the login by card"
    for wanted in (
        {"acr_values": "eidas1"},
        {"acr_values": "eidas2"},
        {"acr_values": "eidas3"},
        parameters,
        {"claims": _essential("eidas2")},
    ):
        assert "code=" in _again(browser, **wanted).headers["location"]


def test_who_is_not_logged_in_is_told_of_the_level_alone(provider: Provider) -> None:
    browser = provider.browser()
    page = html.unescape(browser.get(browser.begin(acr_values="eidas3")).text)
    assert "demande une connexion de niveau élevé" in page
    assert "est d’un niveau inférieur" not in page
    for parameters in ({}, {"acr_values": "eidas2"}, {"acr_values": "eidas3 eidas1"}):
        page = browser.get(browser.begin(**parameters)).text
        assert _choices(page) == {"device": True, "certificate": False}
        assert 'id="level"' not in page


@pytest.mark.spec("OIDCC-5.5.1.1")
def test_a_wish_is_met_as_far_as_the_person_goes_and_a_must_is_not_passed_by_a_form(provider: Provider) -> None:
    browser = provider.browser()
    answer = _by_phone(provider, browser, browser.begin(acr_values="eidas3"))
    assert claims_of(_tokens(provider, browser, answer)["id_token"])["acr"] == "eidas2"
    login = browser.begin(claims=_essential("eidas3"))
    form = {"csrf": csrf_of(browser.get(login).text), "method": "device", "national_id": CAMILLE}
    refused = browser.request("POST", login, data=form)
    assert (refused.status_code, faults_of(refused.text)) == (422, [])
    assert "ne suffit pas pour ce service" in html.unescape(refused.text)
    assert len(provider.audit("device_approval.requested")) == 1


@pytest.mark.spec("OIDCUAR-3")
def test_without_cards_a_must_of_their_level_ends_it_and_a_wish_goes_on(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        browser = provider.browser()
        answer = _again(browser, claims=_essential("eidas3"))
        assert query_of(answer.headers["location"])["error"] == "unmet_authentication_requirements"
        page = browser.get(browser.begin(acr_values="eidas3")).text
        assert _choices(page) == {"device": True}
        assert 'id="level"' not in page


@pytest.mark.spec("RFC9470-3", "RFC9470-4", "RFC9470-5")
def test_what_a_resource_server_challenges_with_leads_to_a_token_that_meets_it(provider: Provider) -> None:
    required = LoginRequirement(acr="eidas3")
    browser = provider.browser()
    first = _tokens(provider, browser, _by_phone(provider, browser, browser.begin()))["access_token"]

    def meets(token: str, wanted: LoginRequirement) -> bool:
        claims = claims_of(token)
        at = provider.wall().fromtimestamp(claims["auth_time"], provider.wall().tzinfo)
        return wanted.is_met(acr=claims["acr"], auth_time=at, now=provider.wall())

    assert not meets(first, required)
    login = browser.begin(**required.parameters)
    second = _tokens(provider, browser, log_in(provider, browser, login))["access_token"]
    assert meets(second, required)
    fresh = LoginRequirement(acr="eidas3", max_age=timedelta(minutes=2))
    provider.wall.advance(600)
    assert not meets(second, fresh)
    third = _tokens(provider, browser, log_in(provider, browser, browser.begin(**fresh.parameters)))["access_token"]
    assert meets(third, fresh)
