"""The administration pages let nobody in by another door, and no other page act in an administrator's name.

Precedents: cross-site requests (CWE-352), frames (CWE-1021), session fixation (CWE-384), codes of other clients (RFC9700-4.4), cookies
that cross ports (RFC6265-8.5).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.sessions import hash_secret
from tests.idp.endpoints.console.entering import ADMIN, CLIENTS, Console, administering
from tests.idp.wire import BASE

pytestmark = pytest.mark.precedent("CWE-352", "CWE-1021", "CWE-384", "RFC9700-4.4", "RFC6265-8.5")

ACTS = (
    (f"{CLIENTS}/baseline/suspend", {}),
    (f"{CLIENTS}/baseline/secret", {}),
    ("/administration/registration", {"entry": "client_id: x", "act": "save"}),
    (f"{CLIENTS}/baseline/registration", {"entry": "client_id: baseline", "act": "save"}),
    ("/administration/keys", {"alg": "ES256", "lead_hours": "0"}),
    ("/administration/keys/withdraw", {"kid": "x", "reason": "y"}),
    ("/administration/people", {"national_id": "899700000005"}),
    ("/administration/leave", {}),
    ("/administration/audit", {"from_at": "2026-11-22T00:00"}),
)
CHANGES = ("client.changed", "key.rotated", "key.withdrawn", "session.ended", "audit.searched")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with administering(tmp_path) as made:
        yield made


def _changes(console: Console) -> list[dict[str, Any]]:
    return [event for event in console.wire.events() if event["event.action"] in CHANGES]


@pytest.mark.parametrize(("path", "form"), ACTS)
def test_another_site_s_form_does_nothing(console: Console, path: str, form: dict[str, str]) -> None:
    console.enter()
    for given in ({}, {"csrf": ""}, {"csrf": "é"}, {"csrf": "0" * 64}):
        answer = console.request("POST", path, data={"a": "b", **form, **given}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
    assert console.request("POST", path, json=form).status_code == 400
    assert _changes(console) == []


@pytest.mark.parametrize(("path", "form"), ACTS)
def test_a_form_token_of_one_login_is_worth_nothing_in_another(console: Console, path: str, form: dict[str, str]) -> None:
    first, second = Console(console.wire), Console(console.wire)
    first.enter()
    token = first.get(CLIENTS).text.partition('name="csrf" value="')[2][:64]
    assert second.request("GET", second.log_in("second")).status_code == 200
    assert second.request("POST", path, data={**form, "csrf": token}).status_code == 403


def test_the_code_of_a_service_opens_nothing_here(console: Console) -> None:
    console.get("/administration/enter")
    state = hash_secret(f"administration-state\0{console.cookies['veilleur_entering']}")
    answer = console.get(f"/administration/return?code={console.wire.code('baseline')}&state={state}")
    assert answer.status_code == 403
    assert "veilleur_administration" not in console.cookies


def test_the_code_of_the_pages_is_worth_nothing_at_the_token_endpoint(console: Console) -> None:
    code = console.log_in().partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "code": code, "client_id": "_administration"}
    form |= {"redirect_uri": f"{ADMIN}/administration/return", "code_verifier": console.cookies["veilleur_entering"]}
    assert console.wire.post("token", None, **form).status_code == 401


def test_a_login_cannot_be_put_into_somebody_s_browser(console: Console) -> None:
    planted = Console(console.wire).log_in("thief")
    assert console.request("GET", planted).status_code == 403
    console.cookies["veilleur_entering"] = "x"
    assert console.request("GET", planted).status_code == 403


def test_the_cookies_of_the_other_port_let_nobody_in(console: Console) -> None:
    value = console.wire.log_in().partition("=")[2]
    console.cookies = {"veilleur_idp_sso": value, "veilleur_administration": value}
    assert 'action="/administration/leave"' not in console.get(CLIENTS).text


def test_the_way_back_leads_to_the_port_of_the_settings_alone(console: Console) -> None:
    query = {"client_id": "_administration", "response_type": "code", "redirect_uri": "https://evil.example/", "scope": "openid"}
    answer = console.wire.http.get(f"{BASE}/auth", params=query, follow_redirects=False)
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


@pytest.mark.parametrize("path", [CLIENTS, "/administration/enter", "/administration/return?code=x&state=y"])
def test_no_page_can_be_framed_or_kept(console: Console, path: str) -> None:
    answer = console.get(path)
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
