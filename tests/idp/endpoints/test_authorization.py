from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from idp.model import Client
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import BASE, CHALLENGE, ISSUER, PERSON, REDIRECT, Wire, client, query_of, running


@pytest.mark.spec("OIDCC-3.1.2.5", "RFC6749-4.1.2", "RFC9207-2", "RFC9700-4.12")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_someone_logged_in_goes_straight_back_with_a_code(wire: Wire, method: str) -> None:
    answer = wire.authorize(cookie=wire.log_in(), method=method)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{REDIRECT}?")
    assert query_of(answer).keys() == {"code", "state", "iss", "session_state"}
    assert (query_of(answer)["state"], query_of(answer)["iss"]) == ("s-1", ISSUER)
    (issued,) = wire.events("authorization_code.issued")
    assert (issued["user.id"], issued["health.session.id"]) == (PERSON.national_id, "session-one")


@pytest.mark.spec("PSC-2.2")
def test_a_psc_client_is_told_the_session_too(wire: Wire) -> None:
    assert query_of(wire.authorize("psc", cookie=wire.log_in()))["session_state"] == "session-one"


@pytest.mark.spec("OIDCC-3.1.2.3")
def test_a_stranger_is_sent_to_the_login_page_in_this_browser_alone(wire: Wire) -> None:
    answer = wire.authorize()
    assert answer.status_code == 303
    assert urlsplit(answer.headers["location"]).path.startswith("/login/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("veilleur_idp_login=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert len(wire.events("authorization.requested")) == 1


def test_a_second_tab_keeps_the_cookie_of_the_first(wire: Wire) -> None:
    cookie = wire.authorize().headers["set-cookie"].partition(";")[0]
    assert "set-cookie" not in wire.authorize(cookie=cookie).headers


@pytest.mark.spec("RFC6749-4.1.2.1", "RFC9700-4.11.2")
@pytest.mark.parametrize(
    "parameters",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "machine"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": None},
        {"redirect_uri": f"{REDIRECT}/", "response_type": "token", "scope": "x", "prompt": "none"},
    ],
    ids=str,
)
def test_an_unverified_request_gets_a_page_and_never_a_redirect(wire: Wire, parameters: dict[str, str | None]) -> None:
    answer = wire.authorize(**{"cookie": wire.log_in(), **parameters})  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    assert "evil.example" not in answer.text
    assert len(wire.events("authorization.refused")) == 1


@pytest.mark.spec("RFC6749-4.1.2.1", "RFC9207-2")
@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "identity"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "x"}, "request_uri_not_supported"),
    ],
)
def test_a_verified_client_is_told_what_was_wrong(wire: Wire, parameters: dict[str, str | None], error: str) -> None:
    answer = wire.authorize(**parameters)  # type: ignore[arg-type]
    assert answer.status_code == 303
    told = query_of(answer)
    assert (told["error"], told["state"], told["iss"]) == (error, "s-1", ISSUER)


@pytest.mark.spec("RFC6749-3.1")
def test_a_duplicate_is_a_page_since_nothing_of_the_request_can_be_trusted(wire: Wire) -> None:
    answer = wire.http.get(
        f"{BASE}/auth?client_id=baseline&redirect_uri={REDIRECT}&redirect_uri=https://evil.example/", follow_redirects=False
    )
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


def test_nothing_of_the_request_is_repeated_on_the_page(wire: Wire) -> None:
    page = wire.authorize("<script>alert(1)</script>", state='"><script>')
    assert "<script>alert" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_an_unknown_parameter_is_ignored(wire: Wire) -> None:
    assert wire.authorize(cookie=wire.log_in(), kc_idp_hint="LOCAL", display="popup", extra="1").status_code == 303


def test_the_session_is_kept_alive_by_use_but_not_past_its_maximum(wire: Wire) -> None:
    cookie = wire.log_in()
    for _ in range(8):
        wire.wall.advance(29 * 60)
        assert "code" in query_of(wire.authorize(cookie=cookie))
    wire.wall.advance(29 * 60)
    assert "/login/" in wire.authorize(cookie=cookie).headers["location"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_the_person_of_an_id_token_hint_goes_on_silently(wire: Wire) -> None:
    hint = wire.tokens()["id_token"]
    wire.wall.advance(3600)
    assert "code" in query_of(wire.authorize(cookie=wire.log_in("later"), prompt="none", id_token_hint=hint))
    assert query_of(wire.authorize(cookie=wire.log_in("later"), prompt="none", id_token_hint="forged"))["error"] == "invalid_request"


def test_a_login_is_resumed_only_by_the_browser_that_began_it(wire: Wire) -> None:
    began = wire.authorize()
    interaction = began.headers["location"].rpartition("/")[2]
    login = began.headers["set-cookie"].partition(";")[0]
    resume = f"{BASE}/auth/resume/{interaction}"
    stranger = wire.http.get(resume, headers={"Cookie": wire.log_in()}, follow_redirects=False)
    assert (stranger.status_code, stranger.headers.get("location")) == (400, None)
    not_yet = wire.http.get(resume, headers={"Cookie": login}, follow_redirects=False)
    assert not_yet.headers["location"] == began.headers["location"]
    done = wire.http.get(resume, headers={"Cookie": f"{login}; {wire.log_in()}"}, follow_redirects=False)
    assert query_of(done)["state"] == "s-1"
    again = wire.http.get(resume, headers={"Cookie": f"{login}; {wire.log_in()}"}, follow_redirects=False)
    assert again.status_code == 400


def test_a_client_removed_while_its_person_logs_in_gets_no_code(wire: Wire) -> None:
    began = wire.authorize()
    interaction = began.headers["location"].rpartition("/")[2]
    cookie = f"{began.headers['set-cookie'].partition(';')[0]}; {wire.log_in()}"
    gone: Client = replace(client("baseline"), disabled=True)
    wire.call(lambda provider: provider.store.clients.put(gone))
    answer = wire.http.get(f"{BASE}/auth/resume/{interaction}", headers={"Cookie": cookie}, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


def test_a_network_that_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    with running(tmp_path, trusted_proxies=("127.0.0.0/8",), peer="127.0.0.1", authorization_limit_count=3) as wire:

        def ask(address: str) -> Any:
            query = {"client_id": "baseline", "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid"}
            query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
            return wire.http.get(f"{BASE}/auth", params=query, headers={"X-Forwarded-For": address}, follow_redirects=False)

        answers = [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8::3"), ask("2001:db8::4"), ask("2001:db8::5")]
        assert [answer.status_code for answer in answers] == [303, 303, 303, 429, 429]
        assert answers[3].headers["retry-after"] == "20"
        assert faults_of(answers[3].text) == []
        assert "location" not in answers[3].headers
        refused = [event for event in wire.events("authorization.refused") if "too many" in event["event.reason"]]
        assert len(refused) == 1
        assert ask("2001:db8:0:1::1").status_code == 303
        wire.wall.advance(20)
        assert ask("2001:db8::1").status_code == 303
