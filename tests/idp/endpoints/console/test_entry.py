from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from idp.endpoints.console.entry import LONGEST
from idp.model import AccountState
from tests.idp.endpoints.console.entering import ADMIN, CLIENTS, PERSON, Console, administering
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.wire import BASE, NATIONAL_ID

COOKIE = "veilleur_administration"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Console]:
    with administering(tmp_path) as made:
        yield made


def _is_in(console: Console) -> bool:
    return 'action="/administration/leave"' in console.get(CLIENTS).text


def test_an_administrator_enters_by_a_login_and_it_is_in_the_audit_log(outside: Console) -> None:
    assert faults_of(outside.get(CLIENTS).text) == []
    assert not _is_in(outside)
    back = outside.log_in()
    assert back.startswith(f"{ADMIN}/administration/return?")
    answer = outside.request("GET", back)
    assert faults_of(answer.text) == []
    [cookie] = [line for line in answer.headers.get_list("set-cookie") if line.startswith(COOKIE) and "Max-Age=0" not in line]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert _is_in(outside)
    [event] = outside.wire.events("administration.entered")
    assert (event["event.outcome"], event["user.id"], event["source.ip"]) == ("success", NATIONAL_ID, "testclient")


def test_a_session_that_lies_around_lets_nobody_in_without_a_new_login(outside: Console) -> None:
    sso, _, value = outside.wire.log_in().partition("=")
    outside.cookies[sso] = value
    away = outside.get("/administration/enter").headers["location"]
    assert f"{BASE}/login/" in outside.request("GET", away).headers["location"]


@pytest.mark.parametrize(
    ("people", "changes"), [(("899700000013",), {}), ((), {}), ((NATIONAL_ID,), {"acr": "eidas1"})], ids=["another", "nobody", "low level"]
)
def test_nobody_else_enters(tmp_path: Path, people: tuple[str, ...], changes: dict[str, str]) -> None:
    with administering(tmp_path, administrators=people) as console:
        if not people:
            away = console.get("/administration/enter").headers["location"]
            assert console.request("GET", away).status_code == 400
            return
        answer = console.request("GET", console.log_in(**changes))
        assert answer.status_code == 403
        assert COOKIE not in console.cookies
        assert not _is_in(console)


def test_a_code_serves_once_and_only_in_the_browser_that_began(outside: Console) -> None:
    back = outside.log_in()
    stranger = Console(outside.wire)
    assert stranger.request("GET", back).status_code == 403
    stranger.get("/administration/enter")
    assert stranger.request("GET", back).status_code == 403
    assert outside.request("GET", back).status_code == 200
    again = Console(outside.wire)
    again.cookies = dict(outside.cookies)
    assert again.request("GET", back).status_code == 403


def test_it_ends_after_an_hour_however_busy(outside: Console) -> None:
    outside.enter()
    for _ in range(3):
        outside.wire.wall.advance(LONGEST.total_seconds() / 4)
        assert _is_in(outside)
    outside.wire.wall.advance(LONGEST.total_seconds() / 4)
    assert not _is_in(outside)


def test_it_ends_with_its_session_and_with_the_account(outside: Console) -> None:
    outside.enter()
    outside.wire.call(lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)))
    assert not _is_in(outside)
    outside.wire.call(lambda provider: provider.store.accounts.put(PERSON))
    assert _is_in(outside)
    outside.wire.call(lambda provider: provider.store.revocations.revoke_session("session-admin", provider.clock()))
    assert not _is_in(outside)


def test_who_left_cannot_come_back_with_a_copied_cookie(outside: Console) -> None:
    outside.enter()
    copied = dict(outside.cookies)
    assert outside.send("/administration/leave").status_code == 200
    outside.cookies = copied
    assert not _is_in(outside)


@pytest.mark.parametrize("change", ["x", ".1.2", "session-admin.99999999999.x", "é"])
def test_a_cookie_that_was_made_up_or_changed_is_worth_nothing(outside: Console, change: str) -> None:
    outside.enter()
    outside.cookies[COOKIE] = change
    assert not _is_in(outside)


def test_a_form_without_its_token_changes_nothing(outside: Console) -> None:
    outside.enter()
    for csrf in ("", "0" * 64, "é"):
        answer = outside.request("POST", f"{CLIENTS}/baseline/suspend", data={"csrf": csrf, "version": "*"})
        assert answer.status_code == 403
        assert faults_of(answer.text) == []
    client = outside.wire.call(lambda provider: provider.store.clients.get("baseline"))
    assert client is not None and not client.disabled


def test_the_pages_are_not_on_the_other_port(outside: Console) -> None:
    outside.enter()
    assert outside.request("GET", f"{BASE}{CLIENTS}").status_code == 404
    assert outside.request("GET", f"{BASE}/administration").status_code == 404


def test_the_pages_bring_their_stylesheet_and_forbid_frames_and_inline_scripts(outside: Console) -> None:
    assert outside.get("/assets/veilleur.css").status_code == 200
    page = outside.get("/administration/clients")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "unsafe-inline" not in policy
    assert page.headers["cache-control"] == "no-store"
