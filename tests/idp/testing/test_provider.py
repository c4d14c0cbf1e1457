"""A provider for the tests of services: a stock client library logs invented people in, and time passes when a test says so."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from idp.testing import DevProvider, LoginStopped, running

CALLBACK = "http://127.0.0.1:9876/retour"
CAMILLE, LUCAS = "899700000005", "899700000039"


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with running("--redirect-uri", CALLBACK) as started:
        yield started


def _url(provider: DevProvider, **changes: str) -> str:
    asked = {"response_type": "code", "client_id": "dev", "redirect_uri": CALLBACK, "scope": "openid scope_all", "state": "s"}
    metadata = httpx.get(f"{provider.issuer}/.well-known/openid-configuration", trust_env=False).json()
    return str(httpx.URL(metadata["authorization_endpoint"], params={**asked, **changes}))


def _answered(url: str) -> dict[str, str]:
    assert url.startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def _redeem(provider: DevProvider, code: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    credentials = (provider.client_id, provider.client_secret)
    return httpx.post(f"{provider.issuer}/protocol/openid-connect/token", data=form, auth=credentials, trust_env=False)


def test_a_person_logs_in_and_the_service_learns_who_it_is(provider: DevProvider) -> None:
    tokens = _redeem(provider, _answered(provider.log_in(_url(provider), CAMILLE))["code"]).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    userinfo = httpx.get(f"{provider.issuer}/protocol/openid-connect/userinfo", headers=headers, trust_env=False).json()
    assert userinfo["SubjectNameID"] == CAMILLE
    assert CAMILLE in {person["national_id"] for person in provider.people}


@pytest.mark.parametrize("outcome", ["deny", "report", "wrong_code", "expire"])
def test_a_login_that_fails_shows_its_page_and_gives_no_code(provider: DevProvider, outcome: str) -> None:
    with pytest.raises(LoginStopped, match=outcome):
        provider.log_in(_url(provider), LUCAS, outcome)  # type: ignore[arg-type]


def test_a_person_who_gives_up_is_an_error_that_comes_back_to_the_service(provider: DevProvider) -> None:
    assert _answered(provider.log_in(_url(provider), LUCAS, "cancel"))["error"] == "access_denied"


def test_a_question_can_be_left_open_and_answered_later(provider: DevProvider) -> None:
    waiting = provider.log_in(_url(provider), LUCAS, "wait")
    assert waiting.startswith(provider.base_url)
    provider.answer(LUCAS)
    with pytest.raises(LoginStopped, match="no question waits"):
        provider.answer(LUCAS)


def test_an_error_comes_back_to_the_service(provider: DevProvider) -> None:
    assert _answered(provider.log_in(_url(provider, prompt="none"), CAMILLE))["error"] == "login_required"


def test_a_redirect_uri_that_is_not_registered_is_a_page_that_stops(provider: DevProvider) -> None:
    with pytest.raises(LoginStopped, match="answers 400"):
        provider.log_in(_url(provider, redirect_uri="http://127.0.0.1:9876/ailleurs"), CAMILLE)


def test_time_passes_when_a_test_says_so(provider: DevProvider) -> None:
    code = _answered(provider.log_in(_url(provider), CAMILLE))["code"]
    provider.advance(61)
    assert _redeem(provider, code).json()["error"] == "invalid_grant"


def test_a_provider_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="redirect_uris"), running("--redirect-uri", "ftp://x"):
        pass


def _claims(provider: DevProvider, url: str) -> dict[str, object]:
    token = _redeem(provider, _answered(url)["code"]).json()["id_token"]
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def test_a_person_logs_in_by_card_and_is_raised_to_its_level(provider: DevProvider) -> None:
    with httpx.Client(trust_env=False) as browser:
        by_phone = _claims(provider, provider.log_in(_url(provider), CAMILLE, browser=browser))
        assert (by_phone["acr"], by_phone["authMode"]) == ("eidas2", "MOBILE")
        # Whoever has the session already is asked again, as the service asks for more.
        by_card = _claims(provider, provider.log_in(_url(provider, acr_values="eidas3"), CAMILLE, browser=browser, means="card"))
        assert (by_card["acr"], by_card["amr"], by_card["authMode"]) == ("eidas3", ["sc", "pin", "mfa", "hwk"], "CARD")
    assert _answered(provider.log_in(_url(provider), LUCAS, "cancel", means="card"))["error"] == "access_denied"
    with pytest.raises(ValueError, match="a card does not end as «deny»"):
        provider.log_in(_url(provider), LUCAS, "deny", means="card")


def test_where_a_level_is_demanded_a_phone_that_does_not_reach_it_stops(provider: DevProvider) -> None:
    demand = json.dumps({"id_token": {"acr": {"essential": True, "value": "eidas3"}}})
    with pytest.raises(LoginStopped, match="answers 422"):
        provider.log_in(_url(provider, claims=demand), LUCAS)
    assert _claims(provider, provider.log_in(_url(provider, claims=demand), LUCAS, means="card"))["acr"] == "eidas3"


def test_a_backchannel_login_on_the_channel_of_cards_is_told_as_one(provider: DevProvider) -> None:
    form = {"scope": "openid scope_all", "login_hint": CAMILLE, "binding_message": "00", "channel": "CARD"}
    connect, credentials = f"{provider.issuer}/protocol/openid-connect", (provider.client_id, provider.client_secret)
    asked = httpx.post(f"{connect}/ext/ciba/auth", data=form, auth=credentials, trust_env=False).json()
    provider.answer(CAMILLE)
    poll = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": asked["auth_req_id"]}
    tokens = httpx.post(f"{connect}/token", data=poll, auth=credentials, trust_env=False).json()
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert (claims["acr"], claims["authMode"]) == ("eidas3", "CARD")
