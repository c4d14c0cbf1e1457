"""What a browser is told: who may frame, read, keep and send.

Precedents: CWE-1021 (pages in frames), CWE-525 (answers kept), CWE-1275 (cookies sent along);
RFC 9700 §2.6, §4.12 and §4.16; RFC 6265bis §4.1.3 (cookie prefixes); OpenID Connect Core §16.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from idp.app import create_app
from idp.keys import Seal
from idp.settings import Environment, Settings
from tests.idp.endpoints.login_flow import CAMILLE, Provider
from tests.idp.wire import CHALLENGE, CONNECT, ISSUER, REDIRECT, Wire, client

pytestmark = pytest.mark.precedent("CWE-1021", "CWE-525", "CWE-1275")


PAGES = ["/auth", "/login/x", "/phone/", "/phone/enrol", f"{CONNECT}/logout"]
PUBLIC = [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/.well-known/wallet-openid-configuration", f"{CONNECT}/certs"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.spec("RFC9700-4.2.4", "RFC9700-4.16")
def test_a_page_cannot_be_framed_kept_or_told_of(shared: Wire, path: str) -> None:
    headers = shared.http.get(path).headers
    assert headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8800"])
@pytest.mark.spec("RFC9700-2.6")
def test_only_what_is_public_can_be_read_from_another_site(shared: Wire, origin: str) -> None:
    sent = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in (
        *PAGES,
        f"{CONNECT}/token",
        f"{CONNECT}/token/introspect",
        f"{CONNECT}/userinfo",
        "/admin/v1/revocations",
        "/phone/api/devices",
    ):
        for method in ("GET", "POST", "OPTIONS"):
            headers = shared.http.request(method, path, headers=sent, follow_redirects=False).headers
            assert [name for name in headers if name.startswith("access-control")] == []
    for path in PUBLIC:
        headers = shared.http.get(path, headers=sent).headers
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers


def test_every_answer_of_the_token_endpoint_is_not_kept(shared: Wire) -> None:
    for path in ("token", "token/introspect", "revoke", "userinfo"):
        assert shared.http.post(f"{CONNECT}/{path}", data={"a": "b"}).headers["cache-control"] == "no-store"
    assert "max-age" in shared.http.get(f"{CONNECT}/certs").headers["cache-control"]


@pytest.fixture
def production(tmp_path: Path) -> Iterator[TestClient]:
    """A provider as it is served behind TLS."""
    Seal.create_file(tmp_path / "seal.key")
    app = create_app(Settings(environment=Environment.PRODUCTION, base_url="https://idp.example", state=tmp_path))
    with TestClient(app, base_url="https://idp.example", raise_server_exceptions=False) as http:
        assert http.portal is not None
        provider = app.state.provider
        http.portal.call(provider.keys.create_missing)
        http.portal.call(provider.store.clients.put, client("baseline"))
        yield http


def _begin(http: TestClient) -> str:
    query = {"client_id": "baseline", "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid"}
    answer = http.get("/auth", params={**query, "code_challenge": CHALLENGE, "code_challenge_method": "S256"}, follow_redirects=False)
    assert answer.status_code == 303
    return str(answer.headers["set-cookie"])


def test_cookies_of_production_stay_with_this_host_and_out_of_scripts(production: TestClient) -> None:
    cookie = _begin(production)
    name, _, attributes = cookie.partition("=")
    assert name == "__Host-veilleur_login"
    assert {part.strip() for part in attributes.split(";")[1:]} == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}
    for header in production.get("/phone/?lang=en&theme=dark").headers.get_list("set-cookie"):
        assert "HttpOnly" in header
        assert "Secure" in header
    assert "max-age=31536000" in production.get("/phone/").headers["strict-transport-security"]


def test_a_cookie_without_the_prefix_is_nobody_s(production: TestClient) -> None:
    login = production.get("/login/x", headers={"Cookie": "veilleur_idp_login=x; veilleur_login=x"})
    assert login.status_code == 410


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "clock"), ("POST", "enrolments"), ("GET", "approvals?national_id=1"), ("POST", "approvals/x")]
)
def test_the_control_api_is_absent_from_production(production: TestClient, method: str, path: str) -> None:
    for prefix in ("/control/v1/", "//control/v1/", "/control/v1//", "/admin/../control/v1/", "/CONTROL/v1/", "/control%2fv1/"):
        assert production.request(method, f"https://idp.example{prefix}{path}", json={"at": "2030-01-01T00:00:00Z"}).status_code == 404


def test_a_fault_tells_nothing(production: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: object) -> None:
        raise KeyError("the secret inside")

    monkeypatch.setattr(production.app.state.provider.store.clients, "get", fail)  # type: ignore[attr-defined]
    answer = production.get("/auth", params={"client_id": "baseline"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    reference = answer.json()["error_description"].rpartition(" ")[2]
    assert reference in caplog.text


def test_session_cookies_of_a_login_are_new_and_closed_to_scripts(provider: Provider) -> None:
    browser, phone = provider.browser(), provider.phone(CAMILLE)
    login = browser.begin()
    browser.identify(login, CAMILLE)
    phone.answer(phone.questions()[-1], "approve", browser.code(login))
    answer = browser.wait(login)
    assert answer.status_code == 303, "never 307 after a proof of identity"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("veilleur_idp_sso=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert len(cookie.partition("=")[2].partition(";")[0]) >= 43, "256 random bits"
