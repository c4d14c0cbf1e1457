"""The developers' pages tell nobody else anything, run nothing that a request said, and cannot be filled up or pushed empty.

Precedents: error pages that echo (CWE-79, CWE-209), references that can be guessed (CWE-340, OWASP API1), logs that are flooded (CWE-779).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.model import Account, AccountKind, Refusal
from tests.idp.registering import registering
from tests.idp.wire import BASE, CONNECT, NATIONAL_ID, Wire, client, running

pytestmark = pytest.mark.precedent("CWE-79", "CWE-209", "CWE-340", "CWE-779")

DEVELOPER, STRANGER = "veilleur_idp_sso=cookie-one", "veilleur_idp_sso=cookie-stranger"
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*43717}}\u202e'


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    bounds = {"refusal_client_limit_count": 30, "refusal_source_limit_count": 10}
    with running(tmp_path, trusted_proxies=("127.0.0.0/8",), peer="127.0.0.1", **bounds) as made:
        stranger = Account(id="stranger", kind=AccountKind.PROFESSIONAL, national_id="899700000013")
        made.call(lambda provider: provider.store.accounts.put(stranger))
        made.call(lambda provider: provider.store.clients.put(client("developed", developers=(NATIONAL_ID,))))
        made.log_in()
        made.log_in("stranger", account_id="stranger")
        yield made


def _page(wire: Wire, path: str, cookie: str = DEVELOPER) -> Any:
    wire.http.cookies.clear()
    return wire.http.get(f"{BASE}{path}", headers={"Cookie": cookie}, follow_redirects=False)


def _refused(wire: Wire, address: str = "203.0.113.5", **parameters: str) -> str:
    wire.http.cookies.clear()
    sent = {"client_id": "developed", "response_type": "code", "redirect_uri": "https://evil.example/", **parameters}
    answer = wire.http.get(f"{BASE}/auth", params=sent, headers={"X-Forwarded-For": address}, follow_redirects=False)
    reference: str = answer.headers["x-request-id"]
    return reference


def _all(wire: Wire) -> list[Refusal]:
    return list(wire.call(lambda provider: provider.store.refusals.of_client("developed", provider.clock())))


def test_a_stranger_cannot_tell_a_reference_that_exists_from_one_that_does_not(wire: Wire) -> None:
    known = _refused(wire)
    for cookie in (STRANGER, "none=1"):
        there, absent = _page(wire, f"/developers/{known}", cookie), _page(wire, "/developers/" + "f" * 16, cookie)
        assert there.status_code == absent.status_code
        assert there.text == absent.text
        assert {name: value for name, value in there.headers.items() if name not in ("x-request-id", "location")} == {
            name: value for name, value in absent.headers.items() if name not in ("x-request-id", "location")
        }


@pytest.mark.parametrize("name", ["redirect_uri", "scope", "response_type", "response_mode", "resource", "code_challenge_method", "prompt"])
def test_what_a_request_says_is_text_on_the_page(wire: Wire, name: str) -> None:
    page = _page(wire, f"/developers/{_refused(wire, **{name: HOSTILE})}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "306019" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"


def test_a_hostile_assertion_is_text_too(wire: Wire) -> None:
    form = {"client_id": "developed", "client_assertion": f"{HOSTILE}.{HOSTILE}.x", "grant_type": HOSTILE, "client_secret": "x"}
    answer = wire.http.post(f"{CONNECT}/token", data=form)
    listed = _page(wire, "/developers")
    assert "<script>alert" not in listed.text
    assert "<script>alert" not in _page(wire, f"/developers/{answer.headers['x-request-id']}").text


def test_a_flood_from_one_network_leaves_the_refusals_of_others_where_they_are(wire: Wire) -> None:
    mine = _refused(wire, "198.51.100.1")
    for number in range(60):
        wire.wall.advance(1)
        _refused(wire, f"2001:db8::{number:x}")
    kept = _all(wire)
    assert mine in {one.reference for one in kept}
    assert len(kept) == 11


def test_a_flood_from_everywhere_is_bounded(wire: Wire) -> None:
    for number in range(60):
        wire.wall.advance(1)
        _refused(wire, f"198.51.100.{number}", redirect_uri="https://evil.example/" + "x" * 5_000)
    kept = _all(wire)
    assert len(kept) == 30
    assert max(len(one.facts["redirect_uri"]) for one in kept) <= 501


def test_a_client_cannot_make_itself_developers_by_registering(tmp_path: Path) -> None:
    with registering(tmp_path) as registrar:
        registrar.grant()
        assert registrar.register(developers=[NATIONAL_ID]).status_code == 400
