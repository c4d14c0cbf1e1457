"""A person's page of sessions shows and ends what is theirs, for nobody else, and from no other page.

Precedents: cross-site requests (CWE-352, RFC 6749 §10.12), broken object-level authorisation (OWASP API1:2023), pages in frames (CWE-1021,
RFC 9700 §4.16).
"""

import pytest

from idp.model import Account, AccountKind
from tests.idp.wire import Wire, client

pytestmark = pytest.mark.precedent("CWE-352", "API1:2023", "CWE-1021")


VICTIM, THIEF = "veilleur_idp_sso=cookie-one", "veilleur_idp_sso=cookie-thief"


@pytest.fixture
def two(wire: Wire) -> Wire:
    other = Account(id="thief", kind=AccountKind.PROFESSIONAL, national_id="899700000013")
    wire.call(lambda provider: provider.store.accounts.put(other))
    wire.log_in()
    wire.log_in("thief", account_id=other.id)
    return wire


def _is_logged_in(wire: Wire, cookie: str) -> bool:
    return "code=" in wire.authorize(cookie=cookie, prompt="none").headers["location"]


@pytest.mark.parametrize("path", ["/sessions", "/sessions/session-one/end"])
@pytest.mark.spec("RFC9700-4.7.1")
def test_another_site_s_form_ends_nothing(two: Wire, path: str) -> None:
    stolen = two.http.get("/sessions", headers={"Cookie": THIEF}).text.partition('name="csrf" value="')[2][:64]
    for form in ({}, {"csrf": ""}, {"csrf": stolen}, {"csrf": "é"}):
        two.http.cookies.clear()
        headers = {"Cookie": VICTIM, "Origin": "https://evil.example"}
        assert two.http.post(path, data={"a": "b", **form}, headers=headers).status_code == 403
    two.http.cookies.clear()
    assert two.http.post(path, json={"csrf": stolen}, headers={"Cookie": VICTIM}).status_code == 400
    assert _is_logged_in(two, VICTIM)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_ends_nothing(two: Wire, method: str) -> None:
    two.http.cookies.clear()
    assert two.http.request(method, "/sessions/session-one/end", headers={"Cookie": VICTIM}).status_code == 405
    assert _is_logged_in(two, VICTIM)


def test_a_thief_sees_and_ends_their_own_sessions_alone(two: Wire) -> None:
    two.http.cookies.clear()
    page = two.http.get("/sessions", headers={"Cookie": THIEF}).text
    assert "session-one" not in page
    csrf = page.partition('name="csrf" value="')[2][:64]
    assert two.http.post("/sessions/session-one/end", data={"csrf": csrf}, headers={"Cookie": THIEF}).status_code == 404
    assert _is_logged_in(two, VICTIM)


def test_what_a_browser_calls_itself_is_text(two: Wire) -> None:
    two.log_in("three", user_agent='"><script>alert(1)</script>')
    named = client("hostile", client_name="<img src=x onerror=alert(1)>")
    two.call(lambda provider: provider.store.clients.put(named))
    two.redeem(two.code("hostile", cookie=VICTIM), "hostile")
    two.http.cookies.clear()
    page = two.http.get("/sessions", headers={"Cookie": VICTIM})
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.spec("RFC9700-4.11.1")
def test_an_address_of_return_leads_nowhere_else(wire: Wire) -> None:
    for query in ("?code=x&next=https://evil.example", "?error=x&error_description=<script>", "//evil.example"):
        answer = wire.http.get(f"/sessions/return{query}", follow_redirects=False)
        assert "evil" not in answer.headers.get("location", "")
        assert "<script>" not in answer.text
