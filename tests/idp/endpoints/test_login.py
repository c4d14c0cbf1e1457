"""The login pages, through the whole application."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.endpoints.login_flow import CAMILLE, NOBODY, REDIRECT_URI, SUSPENDED, Provider, csrf_of, query_of, running_provider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        yield running


def test_a_person_logs_in_with_their_phone(provider: Provider) -> None:
    phone, browser = provider.phone(CAMILLE), provider.browser()
    login = browser.begin()
    assert browser.identify(login, "99700000005").headers["location"] == f"{login}/wait"
    assert browser.state(login) == "requested"
    (question,) = phone.questions()
    assert browser.state(login) == "seen"
    code = browser.code(login)
    assert code in question["choices"]
    assert len(set(question["choices"])) == 3
    assert phone.answer(question, "approve", code).json() == {"state": "approved"}
    entered = browser.wait(login)
    assert entered.headers["location"].endswith(login.replace("/login/", "/auth/resume/"))
    assert "veilleur_idp_sso=" in entered.headers["set-cookie"]
    back = browser.get(login.replace("/login/", "/auth/resume/"))
    assert back.headers["location"].startswith(REDIRECT_URI)
    assert query_of(back.headers["location"])["state"] == "s-1"
    assert query_of(back.headers["location"])["code"]


def test_every_step_of_a_login_is_audited_in_order(provider: Provider) -> None:
    phone, browser = provider.phone(CAMILLE), provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    (question,) = phone.questions()
    phone.answer(question, "approve", browser.code(login))
    browser.wait(login)
    names = ["device.enrolled", "device_approval.requested", "device_approval.seen", "device_approval.granted", "session.started"]
    events = provider.audit(*names, "login.succeeded")
    assert [event["event.action"] for event in events] == [*names, "login.succeeded"]
    assert {event["user.id"] for event in events} == {CAMILLE}
    assert {event["health.approval.id"] for event in events[1:4]} == {question["id"]}
    assert {event["health.device.id"] for event in events if "health.device.id" in event} == {phone.device_id}
    requested, granted, succeeded = events[1], events[3], events[5]
    assert (requested["source.ip"], granted["source.ip"], succeeded["source.ip"]) == ("203.0.113.7", "192.0.2.9", "203.0.113.7")
    assert succeeded["user.roles"] == ["10C"]
    assert succeeded["health.relying_party.id"] == "dossier"


@pytest.mark.parametrize("national_id", [NOBODY, SUSPENDED])
def test_unknown_and_suspended_people_get_the_same_page(provider: Provider, national_id: str) -> None:
    known, other = provider.browser(), provider.browser()
    pages = []
    for browser, typed in ((known, CAMILLE), (other, national_id)):
        login = browser.begin()
        sent = browser.identify(login, typed)
        page = browser.wait(login)
        text = (
            page.text.replace(login.rsplit("/", 1)[1], "ID").replace(f">{browser.code(login)}<", ">NN<").replace(csrf_of(page.text), "CSRF")
        )
        pages.append((sent.status_code, page.status_code, dict(page.headers).keys(), text))
    assert pages[0] == pages[1]
    assert other.state(login) == "requested"


def test_what_was_typed_for_an_unknown_person_is_not_written(provider: Provider) -> None:
    browser = provider.browser()
    browser.identify(browser.begin(), NOBODY)
    (failed,) = provider.audit("login.failed")
    assert failed["event.reason"] == "nobody has this identifier"
    assert NOBODY not in str(provider.audit())


def test_another_browser_cannot_go_on_with_a_login(provider: Provider) -> None:
    victim, thief = provider.browser(), provider.browser("198.51.100.9")
    login = victim.begin()
    victim.identify(login, CAMILLE)
    thief.begin()
    for method, path in (("GET", login), ("GET", f"{login}/wait"), ("GET", f"{login}/state"), ("POST", login), ("POST", f"{login}/cancel")):
        assert thief.request(method, path).status_code == 410
    provider.control("POST", f"approvals/{_approval(provider)}", {"outcome": "approve"})
    assert thief.request("GET", f"{login}/wait").status_code == 410
    assert victim.wait(login).status_code == 303


def _approval(provider: Provider) -> str:
    found = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
    return str(found[-1]["id"])


def test_a_form_of_another_page_is_refused(provider: Provider) -> None:
    browser = provider.browser()
    login, other = browser.begin(), browser.begin()
    form = {"csrf": csrf_of(browser.get(other).text), "national_id": CAMILLE}
    assert browser.request("POST", login, data=form).status_code == 403
    assert browser.request("POST", f"{login}/cancel", data=form).status_code == 403
    assert provider.audit("device_approval.requested") == []


@pytest.mark.parametrize(
    ("typed", "words"), [("", "Saisissez"), ("99700000006", "faute de frappe"), ("<script>", "forme"), ("8" * 300, "faute de frappe")]
)
def test_a_field_that_cannot_be_right_is_named(provider: Provider, typed: str, words: str) -> None:
    browser = provider.browser()
    answer = browser.identify(browser.begin(), typed)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'href="#national_id"' in answer.text
    assert "<script>" not in answer.text


def test_an_approval_serves_once(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    provider.control("POST", f"approvals/{_approval(provider)}", {"outcome": "approve"})
    assert browser.wait(login).status_code == 303
    assert browser.wait(login).status_code == 409
    assert len(provider.audit("session.started")) == 1


def test_someone_suspended_after_approving_does_not_enter(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    provider.control("POST", f"approvals/{_approval(provider)}", {"outcome": "approve"})
    authorization = provider.administrator("accounts:suspend")
    change = {"national_id": CAMILLE, "reason": "essai"}
    provider.client.post("http://127.0.0.1:8800/admin/v1/accounts/suspend", json=change, headers=authorization)
    assert browser.wait(login).status_code == 409
    assert provider.audit("session.started") == []


def test_a_question_nobody_answers_expires_once(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    provider.wall.advance(121)
    assert browser.state(login) == "expired"
    assert "Personne n’a répondu" in browser.wait(login).text
    assert len(provider.audit("device_approval.expired")) == 1
    assert len(provider.audit("login.failed")) == 1


def test_asking_again_ends_the_question_before(provider: Provider) -> None:
    phone, browser = provider.phone(CAMILLE), provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    (first,) = phone.questions()
    browser.identify(login, CAMILLE)
    (second,) = phone.questions()
    assert first["id"] != second["id"]
    assert phone.answer(first, "approve").status_code == 409


@pytest.mark.spec("RFC6749-4.1.2.1")
def test_a_cancelled_login_tells_the_client(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    page = browser.wait(login)
    assert "form-action 'self' https://dossier.example" in page.headers["content-security-policy"]
    answer = browser.request("POST", f"{login}/cancel", data={"csrf": csrf_of(page.text)})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(REDIRECT_URI)
    members = query_of(answer.headers["location"])
    assert (members["error"], members["state"], members["iss"]) == ("access_denied", "s-1", provider.state.issuer)
    assert browser.get(login).status_code == 410
    assert provider.audit("device_approval.expired")[0]["event.reason"] == "cancelled in the browser"


def test_too_many_attempts_are_slowed_for_known_and_unknown_alike(tmp_path: Path) -> None:
    with running_provider(tmp_path, account_attempt_limit_count=2) as provider:
        for national_id in (CAMILLE, NOBODY):
            browser = provider.browser()
            login = browser.begin()
            statuses = [browser.identify(login, national_id).status_code for _ in range(3)]
            assert statuses == [303, 303, 429]
        provider.wall.advance(15 * 60 + 1)
        browser = provider.browser()
        assert browser.identify(browser.begin(), CAMILLE).status_code == 303


def test_a_success_forgets_the_attempts_before(tmp_path: Path) -> None:
    with running_provider(tmp_path, account_attempt_limit_count=2) as provider:
        for _ in range(4):
            browser = provider.browser()
            login = browser.begin()
            assert browser.identify(login, CAMILLE).status_code == 303
            provider.control("POST", f"approvals/{_approval(provider)}", {"outcome": "approve"})
            assert browser.wait(login).status_code == 303


def test_an_address_has_its_limit_whoever_is_typed(tmp_path: Path) -> None:
    with running_provider(tmp_path, source_attempt_limit_count=2) as provider:
        browser = provider.browser("198.51.100.20")
        login = browser.begin()
        assert [browser.identify(login, typed).status_code for typed in (CAMILLE, NOBODY, SUSPENDED)] == [303, 303, 429]
        elsewhere = provider.browser("198.51.100.21")
        assert elsewhere.identify(elsewhere.begin(), CAMILLE).status_code == 303


@pytest.mark.parametrize("outcome", ["deny", "report", "wrong_code", "expire"])
def test_each_refusal_has_its_page_and_no_session(provider: Provider, outcome: str) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE)
    provider.control("POST", f"approvals/{_approval(provider)}", {"outcome": outcome})
    page = browser.wait(login)
    assert page.status_code == 200
    assert f'href="{login}"' in page.text
    assert provider.audit("session.started") == []
    assert len(provider.audit("login.failed")) == 1
