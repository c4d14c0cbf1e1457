import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from idp.endpoints.my_sessions import moment
from idp.endpoints.pages import pages
from idp.model import Account, AccountKind
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.endpoints.login_flow import CAMILLE, running_provider
from tests.idp.wire import BASE, Wire, client

ONE, TWO = "veilleur_idp_sso=cookie-one", "veilleur_idp_sso=cookie-two"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def _open(wire: Wire, cookie: str = ONE, language: str = "fr") -> Any:
    wire.http.cookies.clear()
    return wire.http.get("/sessions", headers={"Cookie": cookie, "Accept-Language": language}, follow_redirects=False)


def _send(wire: Wire, path: str, cookie: str, csrf: str) -> Any:
    wire.http.cookies.clear()
    return wire.http.post(path, data={"csrf": csrf}, headers={"Cookie": cookie, "Accept-Language": "fr"}, follow_redirects=False)


def _csrf(page: Any) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


@pytest.fixture
def two(wire: Wire) -> Wire:
    """A person with a session here and one elsewhere; each has reached a service."""
    wire.call(lambda provider: provider.store.clients.put(client("told", backchannel_logout_uri="https://service.example/fin")))
    wire.log_in()
    wire.log_in("two", user_agent=FIREFOX, source_ip="198.51.100.9")
    wire.redeem(wire.code("baseline", cookie=ONE))
    wire.redeem(wire.code("told", cookie=TWO), "told")
    return wire


@pytest.mark.parametrize(
    ("language", "words"), [("fr", ("Cet appareil", "Firefox sur Linux")), ("en", ("This device", "Firefox on Linux"))]
)
def test_the_page_shows_each_session_with_its_device_place_time_and_services(two: Wire, language: str, words: tuple[str, str]) -> None:
    page = _open(two, language=language)
    assert page.status_code == 200
    assert faults_of(page.text) == []
    for word in (*words, "198.51.100.9", "22 nov. 2026, 21:00" if language == "fr" else "22 Nov 2026, 21:00", "Told", "Baseline"):
        assert word in page.text.replace("\u00a0", " ").replace("\u202f", " ")
    assert page.text.index("session-one") < page.text.index("session-two"), "this one first"
    assert "cookie-" not in page.text


def test_the_page_says_until_when_access_stays_valid(two: Wire) -> None:
    assert "21:02:00" in _open(two).text
    two.wall.advance(121)
    assert "Aucun accès délivré ici ne resterait valable" in _open(two).text


def test_another_session_is_ended_with_its_tokens_and_its_services_hear_of_it(two: Wire) -> None:
    token = two.redeem(two.code("told", cookie=TWO), "told").json()["access_token"]
    answer = _send(two, "/sessions/session-two/end", ONE, _csrf(_open(two)))
    assert answer.status_code == 200
    assert 'role="status"' in answer.text and "21:02:00" in answer.text
    assert two.userinfo(token).status_code == 401
    assert "/login/" in two.authorize(cookie=TWO).headers["location"]
    assert "code=" in two.authorize(cookie=ONE).headers["location"]
    [ended] = two.events("session.ended")
    assert (ended["health.session.id"], ended["health.residual.seconds"]) == ("session-two", 120)
    while "Told" not in _open(two).text.partition('id="notices"')[2]:
        two.wall.advance(1)
    assert "pas encore joint" in _open(two).text


def test_one_s_own_session_ends_as_a_logout_does(two: Wire) -> None:
    answer = _send(two, "/sessions/session-one/end", ONE, _csrf(_open(two)))
    assert "Vous êtes déconnecté" in answer.text
    assert "veilleur_idp_sso=;" in answer.headers["set-cookie"]
    assert _open(two).status_code == 303


def test_everything_ends_at_once(two: Wire) -> None:
    answer = _send(two, "/sessions", ONE, _csrf(_open(two)))
    assert "Vous êtes déconnecté" in answer.text
    assert "Told" in answer.text
    assert "Baseline" in answer.text.partition('id="untold"')[2]
    assert "21:02:00" in answer.text
    for cookie in (ONE, TWO):
        assert "/login/" in two.authorize(cookie=cookie).headers["location"]
    assert {event["health.session.id"] for event in two.events("session.ended")} == {"session-one", "session-two"}


@pytest.mark.parametrize("path", ["/sessions", "/sessions/session-two/end", "/sessions/session-one/end"])
@pytest.mark.parametrize("token", ["", "0" * 64, "another session's"])
def test_a_form_that_this_browser_was_not_shown_ends_nothing(two: Wire, path: str, token: str) -> None:
    sent = _csrf(_open(two, TWO)) if token.startswith("another") else token
    assert _send(two, path, ONE, sent).status_code == 403
    assert two.events("session.ended") == []


def test_another_person_s_session_is_as_if_it_were_not_there(two: Wire) -> None:
    other = Account(id="other-person", kind=AccountKind.PROFESSIONAL, national_id="899700000013")
    two.call(lambda provider: provider.store.accounts.put(other))
    two.log_in("three", account_id=other.id)
    csrf = _csrf(_open(two))
    theirs, nobody_s = (_send(two, f"/sessions/{name}/end", ONE, csrf) for name in ("session-three", "session-none"))
    assert theirs.status_code == nobody_s.status_code == 404
    assert theirs.text == nobody_s.text
    assert "session-three" not in theirs.text
    assert "code=" in two.authorize(cookie="veilleur_idp_sso=cookie-three").headers["location"]


def test_a_browser_without_session_logs_in_and_comes_back(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        browser = provider.browser()
        begun = browser.get(browser.get("/sessions").headers["location"])
        login = begun.headers["location"].removeprefix(BASE)
        browser.identify(login, CAMILLE)
        [pending] = provider.control("GET", f"approvals?national_id={CAMILLE}").json()["approvals"]
        assert pending["client_name"] == "Mes sessions"
        provider.control("POST", f"approvals/{pending['id']}", {"outcome": "approve"})
        resumed = browser.get(browser.wait(login).headers["location"].removeprefix(BASE))
        returned = browser.get(resumed.headers["location"].removeprefix(BASE))
        assert returned.headers["location"] == "/sessions"
        page = browser.get("/sessions")
        assert page.status_code == 200
        assert "Firefox" in page.text


def test_a_cancelled_login_ends_on_a_page_of_ours(wire: Wire) -> None:
    page = wire.http.get("/sessions/return?error=access_denied", follow_redirects=False)
    assert page.status_code == 200
    assert faults_of(page.text) == []


def test_a_moment_is_written_as_the_reader_writes_it() -> None:
    at = datetime(2026, 8, 1, 23, 30, tzinfo=UTC)
    assert [moment(at, pages().messages(language)) for language in ("fr", "en")] == ["2 août 2026, 01:30", "2 Aug 2026, 01:30"]
