"""Guessing is counted at every door with one counter, and nobody can lock a person out from afar.

Precedents: Keycloak CVE-2026-9798 (a door that ignored the lock-out), CVE-2024-4629 (attempts in parallel), Zitadel CVE-2025-64102.
"""

import base64
import json

import pytest

from idp.http import counted_network
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, LUCAS, NOBODY, SECRET, Phone, Provider

pytestmark = pytest.mark.precedent("CVE-2024-4629", "CVE-2025-64102", "CVE-2026-9798")


def _token(provider: Provider, secret: str, address: str, client_id: str = "dossier") -> int:
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "X-Forwarded-For": address}
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    return int(provider.client.post(f"{provider.state.issuer}/protocol/openid-connect/token", data=form, headers=headers).status_code)


def test_a_client_secret_is_guessed_twenty_times_at_most_and_the_client_elsewhere_goes_on(provider: Provider) -> None:
    assert [_token(provider, "wrong", "203.0.113.9") for _ in range(25)] == [401] * 20 + [429] * 5
    assert _token(provider, SECRET, "192.0.2.1") == 400
    introspect = f"{provider.state.issuer}/protocol/openid-connect/token/introspect"
    basic = base64.b64encode(b"dossier:wrong").decode()
    headers = {"Authorization": f"Basic {basic}", "X-Forwarded-For": "203.0.113.9"}
    assert provider.client.post(introspect, data={"token": "x"}, headers=headers).status_code == 429, "the other door counts too"


def test_a_whole_ipv6_line_counts_as_one(provider: Provider) -> None:
    answers = [_token(provider, "wrong", f"2001:db8:1:2::{n:x}") for n in range(1, 23)]
    assert answers[-2:] == [429, 429]
    assert _token(provider, "wrong", "2001:db8:1:3::1") == 401
    assert counted_network("fe80::1%eth0") == "fe80::/64"
    assert [counted_network(f"::ffff:192.0.2.{n}") for n in (1, 2)] == ["192.0.2.1", "192.0.2.2"], "not one line: two"
    assert (counted_network("192.0.2.1"), counted_network("testclient")) == ("192.0.2.1", "testclient")


def test_a_client_id_that_is_none_is_neither_counted_nor_kept(provider: Provider) -> None:
    for client_id in ("a" * 101, "x y", "é", "a\nb", "../x"):
        assert _token(provider, "x", "203.0.113.9", client_id) == 401
    counted = provider.state.store._file.read("SELECT count(*) FROM counted").fetchone()
    assert counted == (0,)
    assert all("health.relying_party.id" not in event for event in provider.audit("client.refused"))


def test_questions_to_a_person_are_limited_whoever_asks_and_the_limit_is_the_same_for_nobody(provider: Provider) -> None:
    for national_id in (CAMILLE, NOBODY):
        answers = []
        for number in range(22):
            browser = provider.browser(f"203.0.113.{number + 1}")
            answers.append(browser.identify(browser.begin(), national_id).status_code)
        assert answers == [303] * 20 + [429] * 2


def test_who_was_here_before_is_not_locked_out_by_a_stranger(provider: Provider) -> None:
    phone, home = provider.phone(CAMILLE), "192.0.2.77"
    for attempt in range(2):
        browser = provider.browser(home)
        login = browser.begin()
        assert browser.identify(login, CAMILLE).status_code == 303, attempt
        question = next(asked for asked in phone.questions() if asked["source_ip"] == home)
        phone.answer(question, "approve", browser.code(login))
        assert browser.wait(login).status_code == 303
        for number in range(25):
            stranger = provider.browser(f"203.0.113.{number + 1}")
            stranger.identify(stranger.begin(), CAMILLE)


def test_an_address_is_limited_over_all_accounts(provider: Provider) -> None:
    browser = provider.browser("203.0.113.9")
    login = browser.begin()
    answers = [browser.identify(login, f"ANS{number:014}").status_code for number in range(102)]
    assert answers == [303] * 100 + [429] * 2
    document = {"activation_code": "AAAA", "name": "x", "public_jwk": {}, "pin": "1234"}
    enrolment = provider.client.post(f"{BASE_URL}/phone/api/devices", json=document, headers={"X-Forwarded-For": "203.0.113.9"})
    assert enrolment.status_code == 429, "one counter for both doors"
    assert int(enrolment.headers["retry-after"]) > 0


def test_activation_codes_cannot_be_guessed_and_every_guess_shows(provider: Provider) -> None:
    code = provider.control("POST", "enrolments", {"national_id": CAMILLE}).json()["activation_code"]
    near = [code[:-1] + letter for letter in "0123456789ABCDEFGHJKMNPQRSTVWXYZ" if letter != code[-1]]
    guesses = [*near, code[:-1], code + "A", "", " ", "%", "' OR 1=1 --"]
    assert all(_enrol(provider, guess) == (403, "invalid_activation_code") for guess in guesses)
    assert len(provider.audit("login.failed")) >= len(near)
    assert code[:9] not in json.dumps(provider.audit())
    assert _enrol(provider, code)[0] == 201
    assert _enrol(provider, code) == (403, "invalid_activation_code")


def test_a_pin_is_tried_three_times_whatever_the_question_and_the_order(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    answers = []
    for number in range(4):
        login = browser.begin()
        browser.identify(login, CAMILLE)
        question, code = phone.questions()[-1], browser.code(login)
        answers.append(phone.answer(question, "approve", code, pin=f"000{number}").status_code if number < 3 else 0)
        if number == 2:
            break
    assert answers == [403, 403, 403]
    right = phone.answer(question, "approve", code)
    assert (right.status_code, right.json()) == (403, {"error": "device_blocked", "remaining": 0})
    assert browser.wait(login).status_code == 200


def test_another_phone_of_the_person_has_tries_of_its_own_but_the_first_stays_blocked(provider: Provider) -> None:
    browser, first, second = provider.browser(), provider.phone(CAMILLE), provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    question, code = second.questions()[-1], browser.code(login)
    for pin in ("0000", "1111", "2222"):
        first.answer(question, "approve", code, pin=pin)
    assert second.answer(question, "approve", code).json() == {"state": "approved"}
    assert first.send("GET", "/phone/api/approvals").json()["error"] == "device_blocked"


def test_the_number_cannot_be_guessed_by_trying_all_three(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    question, code = phone.questions()[-1], browser.code(login)
    wrong = next(choice for choice in question["choices"] if choice != code)
    assert phone.answer(question, "approve", wrong).json() == {"state": "mismatched"}
    assert phone.answer(question, "approve", code).status_code == 409


def test_a_question_of_another_person_is_not_there(provider: Provider) -> None:
    browser, mine, theirs = provider.browser(), provider.phone(CAMILLE), provider.phone(LUCAS)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    question, code = mine.questions()[-1], browser.code(login)
    for decision in ("approve", "deny", "report"):
        assert theirs.answer(question, decision, code).status_code == 404
    assert theirs.answer({**question, "id": "unknown"}, "deny").status_code == 404
    assert theirs.questions() == []
    assert mine.answer({**question, "challenge": "x"}, "approve", code).json() == {"error": "invalid_challenge"}
    assert browser.state(login) == "seen"


def _enrol(provider: Provider, code: str) -> tuple[int, str]:
    phone = Phone(provider, code)
    return phone.enrolment.status_code, phone.enrolment.json().get("error", "")
