from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.idp.endpoints.backchannel_flow import CONNECT, Services, running_services
from tests.idp.endpoints.card_flow import settings_of_cards
from tests.idp.endpoints.login_flow import CAMILLE, NOBODY, SUSPENDED
from tests.idp.wire import claims_of


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with running_services(tmp_path) as started:
        yield started


@pytest.mark.spec("CIBA-7.1", "CIBA-7.3")
def test_a_request_as_pro_sante_connect_takes_it_is_acknowledged(services: Services) -> None:
    answer = services.ask()
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"auth_req_id", "expires_in", "interval"}
    assert (body["expires_in"], body["interval"]) == (120, 5)
    assert len(body["auth_req_id"]) >= 43
    assert services.ask(login_hint=CAMILLE[1:]).status_code == 200
    [first, _] = services.provider.audit("authorization.requested")
    assert first["health.scope"] == ["openid", "scope_all"]
    assert first["health.relying_party.id"] == "lps"


@pytest.mark.spec("CIBA-7.1")
def test_the_phone_shows_the_service_s_message_instead_of_three_numbers(services: Services) -> None:
    phone = services.provider.phone(CAMILLE)
    services.ask(binding_message="42")
    [question] = phone.questions()
    assert (question["kind"], question["binding_message"], question["choices"]) == ("service", "42", [])


@pytest.mark.spec("CIBA-7.1")
@pytest.mark.parametrize(
    "hints",
    [
        {"login_hint": None},
        {"login_hint_token": "t"},
        {"id_token_hint": "t"},
        {"login_hint": None, "id_token_hint": "t"},
        {"login_hint": None, "login_hint_token": "t"},
    ],
)
def test_exactly_one_hint_that_we_can_read_is_taken(services: Services, hints: dict[str, str | None]) -> None:
    answer = services.ask(**hints)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.spec("CIBA-13")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"scope": None}, "invalid_scope"),
        ({"scope": "scope_all"}, "invalid_scope"),
        ({"scope": "openid sessions:revoke"}, "invalid_scope"),
        ({"login_hint": "camille"}, "unknown_user_id"),
        ({"login_hint": "899700000006"}, "unknown_user_id"),
        ({"binding_message": None}, "invalid_binding_message"),
        ({"binding_message": "   "}, "invalid_binding_message"),
        ({"binding_message": "1" * 41}, "invalid_binding_message"),
        ({"binding_message": "12\u202e34"}, "invalid_binding_message"),
        ({"channel": "FAX"}, "invalid_request"),
        ({"channel": "CARD"}, "invalid_request"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"requested_expiry": "-5"}, "invalid_request"),
        ({"requested_expiry": "1.5"}, "invalid_request"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"request": "e30.e30.x"}, "invalid_request"),
        ({"request_uri": "https://service.example/r"}, "request_uri_not_supported"),
    ],
)
def test_what_is_wrong_is_named_and_written_and_asks_nobody(services: Services, changed: dict[str, str | None], error: str) -> None:
    phone = services.provider.phone(CAMILLE)
    answer = services.ask(**changed)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    [event] = services.provider.audit("authorization.refused")
    assert event["event.reason"].startswith(error)
    assert phone.questions() == []


@pytest.mark.spec("CIBA-7.1")
def test_requested_expiry_shortens_and_never_lengthens(services: Services) -> None:
    assert services.ask(requested_expiry="30").json()["expires_in"] == 30
    assert services.ask(requested_expiry="99999").json()["expires_in"] == 120


@pytest.mark.spec("CIBA-4")
def test_only_confidential_clients_registered_for_it_may_ask(services: Services) -> None:
    assert services.ask("browser-only").json()["error"] == "unauthorized_client"
    public = services.provider.client.post(
        f"{CONNECT}/ext/ciba/auth", data={"client_id": "public", "scope": "openid", "login_hint": CAMILLE, "binding_message": "00"}
    )
    assert (public.status_code, public.json()["error"]) == (400, "unauthorized_client")
    wrong = services.provider.client.post(f"{CONNECT}/ext/ciba/auth", data={"scope": "openid"}, auth=("lps", "wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert services.provider.audit("device_approval.requested") == []


@pytest.mark.spec("CIBA-13")
@pytest.mark.parametrize("national_id", [NOBODY, SUSPENDED])
def test_whether_somebody_exists_is_not_told(services: Services, national_id: str) -> None:
    known, unknown = services.ask(), services.ask(login_hint=national_id)
    assert (known.status_code, known.json().keys()) == (unknown.status_code, unknown.json().keys())
    polled = [services.poll(answer.json()["auth_req_id"]) for answer in (known, unknown)]
    assert polled[0].json() == polled[1].json() == {**polled[0].json(), "error": "authorization_pending"}
    services.provider.wall.advance(121)
    assert {services.poll(answer.json()["auth_req_id"]).json()["error"] for answer in (known, unknown)} == {"expired_token"}


def test_a_client_whose_rules_say_so_is_told(services: Services) -> None:
    answer = services.ask("told", login_hint=NOBODY, binding_message=None)
    assert (answer.status_code, answer.json()["error"]) == (400, "unknown_user_id")


def test_channel_means_nothing_outside_the_profile_of_pro_sante_connect(services: Services) -> None:
    assert services.ask("plain", channel="FAX").status_code == 200


def test_the_counter_of_failures_is_that_of_every_other_door(services: Services) -> None:
    answers = [services.ask() for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    browser = services.provider.browser()
    assert browser.identify(browser.begin(), CAMILLE).status_code == 429
    # One person's failures keep nobody else of the same service out.
    assert services.ask(login_hint="899700000039").status_code == 200


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["login_hint", "binding_message", "requested_expiry", "channel", "scope"]), value=st.text(max_size=80))
def test_no_value_is_a_fault_of_ours(services: Services, name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    assert services.ask(**{name: value}).status_code in (200, 400, 429)


def test_a_question_for_the_card_is_no_phones_to_see_or_answer(tmp_path: Path) -> None:
    with running_services(tmp_path, **settings_of_cards(tmp_path)) as services:
        phone = services.provider.phone(CAMILLE)
        auth_req_id = services.ask(channel="CARD").json()["auth_req_id"]
        (requested,) = services.provider.audit("authorization.requested")
        assert requested["health.authentication.method"] == "certificate"
        assert phone.questions() == []
        (waiting,) = services.provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
        assert phone.answer({**waiting, "challenge": "x"}, "approve").status_code == 404
        services.provider.control("POST", f"approvals/{waiting['id']}", {"outcome": "approve"})
        claims = claims_of(services.poll(auth_req_id).json()["access_token"])
        assert (claims["acr"], claims["authMode"]) == ("eidas3", "CARD")
        assert {event["health.authentication.method"] for event in services.provider.audit("login.succeeded")} == {"certificate"}
