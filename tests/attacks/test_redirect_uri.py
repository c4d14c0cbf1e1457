"""A code must never go where the service did not register.

Precedents: Keycloak CVE-2022-3782, CVE-2023-6291, CVE-2024-1132, CVE-2024-8883, CVE-2026-3872, CVE-2026-7504, CVE-2026-9689 (parameter
pollution), authentik CVE-2024-52289, authlib's «http://localhost:80@attacker.test», Authorizer CVE-2026-54072.
"""

from typing import Any
from urllib.parse import quote

import pytest

from tests.idp.wire import BASE, CHALLENGE, REDIRECT, Wire, client, query_of

pytestmark = pytest.mark.precedent(
    *("CVE-2022-3782", "CVE-2023-6291", "CVE-2024-1132", "CVE-2024-8883", "CVE-2026-3872", "CVE-2026-7504", "CVE-2026-9689"),
    *("CVE-2024-52289", "CVE-2026-54072"),
)


HOST = "service.example"
MUTATED = [
    *(
        f"{REDIRECT}{tail}"
        for tail in ("/", "/.", "/..", "/../x", "?", "?a=1", "?state=x", "#", "#x", ";x", ",", "%20", "%00", "%0d%0aX:y")
    ),
    *(
        f"{REDIRECT}{tail}"
        for tail in ("\\", "\\..\\x", " ", "\t", "\n", "\x00", f",{REDIRECT}", " https://evil.example", "&a=1", "%23", "%3f")
    ),
    *(f"https://{HOST}/{path}" for path in ("RETOUR", "%72etour", "%2572etour", "./retour", "/retour", "x/../retour", "x/%2e%2e/retour")),
    *(f"https://{HOST}/{path}" for path in ("x/%252e%252e/retour", "retour/%2e%2e/x", "retou", "*", "", "retour%2f..%2fx", "%c0%aeretour")),
    *(
        f"https://{HOST}/{path}"
        for path in ("autre", "autre?a=2", "autre?A=1", "autre?a=1&b=2", "autre?b=2&a=1", "autre?a=1&a=1", "autre?a=1#")
    ),
    f"https://{HOST}@evil.example/retour",
    f"https://user:password@{HOST}/retour",
    f"https://evil.example\\@{HOST}/retour",
    f"https://{HOST}\\@evil.example/retour",
    f"https://evil.example#@{HOST}/retour",
    f"https://evil.example?@{HOST}/retour",
    f"https://evil.example/{REDIRECT}",
    f"https://{HOST}.evil.example/retour",
    f"https://evil{HOST}/retour",
    f"https://sub.{HOST}/retour",
    f"https://{HOST}./retour",
    f"https://{HOST.upper()}/retour",
    f"https://{HOST}:443/retour",
    f"https://{HOST}:8443/retour",
    f"https://{HOST}:80@evil.example/retour",
    f"https://{HOST}:/retour",
    f"https://{HOST}%00.evil.example/retour",
    f"https://{HOST}%2f@evil.example/retour",
    "https://s\u0435rvice.example/retour",
    "https://service\u3002example/retour",
    "https://*.example/retour",
    f"HTTPS://{HOST}/retour",
    f"http://{HOST}/retour",
    f"//{HOST}/retour",
    f"https:/{HOST}/retour",
    f"https:///{HOST}/retour",
    f"https:\\\\{HOST}\\retour",
    f"https:{HOST}/retour",
    f"\u00a0{REDIRECT}",
    f" {REDIRECT}",
    "/retour",
    "retour",
    "http://127.0.0.1/retour",
    "http://localhost:80@evil.example/retour",
    "http://[::1]/retour",
    f"javascript:alert(1)//{REDIRECT}",
    f"data:text/html,<script>location='{REDIRECT}'</script>",
    "about:blank",
    "null",
]
QUERY = f"client_id=baseline&response_type=code&scope=openid&code_challenge={CHALLENGE}&code_challenge_method=S256"


def _is_a_page(answer: Any) -> None:
    assert 400 <= answer.status_code < 500, answer.headers.get("location")
    assert "location" not in answer.headers
    assert "refresh" not in answer.headers
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "evil" not in answer.text
    assert "http-equiv" not in answer.text


def _ask(wire: Wire, query: str, cookie: str) -> Any:
    wire.http.cookies.clear()
    return wire.http.get(f"{BASE}/auth?{query}", headers={"Cookie": cookie} if cookie else {}, follow_redirects=False)


@pytest.mark.parametrize("mutated", MUTATED)
@pytest.mark.spec("RFC9700-2.1", "RFC9700-4.1.3")
def test_another_uri_than_a_registered_one_is_a_page(shared: Wire, mutated: str) -> None:
    cookie = shared.log_in()
    for cookies in ("", cookie):
        _is_a_page(shared.authorize("baseline", cookie=cookies, redirect_uri=mutated))
        _is_a_page(shared.authorize("baseline", cookie=cookies, redirect_uri=mutated, prompt="none"))
    _is_a_page(shared.authorize("baseline", cookie=cookie, redirect_uri=mutated, method="POST"))
    posted = shared.authorize("baseline", redirect_uri=mutated, method="POST").headers["location"]
    assert posted.startswith(f"{BASE}/auth/posted/"), "without cookies a form is asked again by GET, at our own address"
    _is_a_page(shared.http.get(posted, headers={"Cookie": cookie}, follow_redirects=False))


PORTS = (":", ":0", ":65536", ":00080", ":080", ":+80", ":8e1", ":80:80", ":80 ", "%3a80", ":\u0661")
TAILS = (
    *("@evil.example/cb", "\\@evil.example/cb", ".evil.example/cb", "#@evil.example/cb", "/cb/../x", "/cb/", "/cb?", "/cb?a=1"),
    *("/CB", "/c%62", "//cb", "", "/", "?/cb", "/cb\n", "/cb#"),
)
HOSTS = (
    *("localhost", "LOCALHOST", "127.1", "127.0.0.2", "0.0.0.0", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "127.0.0.1."),
    *("[0:0:0:0:0:0:0:1]", "[::1%25lo]", "a@127.0.0.1", "127.0.0.1@evil.example"),
)
SCHEMES = ("https://", "HTTP://", "//", "http:\\\\", "http:/", "")
APP_MUTATED = [
    *(f"http://127.0.0.1{port}/cb" for port in PORTS),
    *(f"http://127.0.0.1:80{tail}" for tail in TAILS),
    *(f"http://{host}:51004/cb" for host in HOSTS),
    *(f"{scheme}127.0.0.1:51004/cb" for scheme in SCHEMES),
]
APP = client(
    "app", application_type="native", token_endpoint_auth_method="none", client_secret_hash=None, redirect_uris=("http://127.0.0.1/cb",)
)


@pytest.mark.parametrize("mutated", APP_MUTATED)
@pytest.mark.spec("RFC8252-7.3", "RFC9700-2.1")
def test_an_app_s_port_is_all_that_may_differ(shared: Wire, mutated: str) -> None:
    shared.call(lambda provider: provider.store.clients.put(APP))
    _is_a_page(shared.authorize("app", cookie=shared.log_in(), redirect_uri=mutated))
    pushed = {"client_id": "app", "response_type": "code", "redirect_uri": mutated, "scope": "openid"}
    assert shared.post("ext/par/request", None, **pushed).json()["error"] == "invalid_request"


@pytest.mark.spec("RFC8252-7.3", "RFC6749-4.1.3", "RFC9126-2.1")
def test_an_app_s_code_is_given_for_the_address_that_was_asked_and_no_other(shared: Wire) -> None:
    shared.call(lambda provider: provider.store.clients.put(APP))
    here, pkce = "http://127.0.0.1:51004/cb", {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    for redeemed, status in ((here, 200), ("http://127.0.0.1/cb", 400), ("http://127.0.0.1:51005/cb", 400)):
        asked = {"client_id": "app", "response_type": "code", "redirect_uri": here, "scope": "openid", **pkce}
        request_uri = shared.post("ext/par/request", None, **asked).json()["request_uri"]
        answer = shared.authorize("app", cookie=shared.log_in(), request_uri=request_uri)
        assert answer.headers["location"].startswith(f"{here}?code=")
        code = query_of(answer)["code"]
        assert shared.redeem(code, None, client_id="app", redirect_uri=redeemed).status_code == status


@pytest.mark.parametrize(
    "query",
    [
        f"{QUERY}&redirect_uri={quote(REDIRECT)}&redirect_uri=https%3A%2F%2Fevil.example",
        f"{QUERY}&redirect_uri=https%3A%2F%2Fevil.example&redirect_uri={quote(REDIRECT)}",
        f"{QUERY}&redirect_uri=&redirect_uri={quote(REDIRECT)}",
        f"{QUERY}&redirect_uri={quote(REDIRECT)}&client_id=other",
        f"{QUERY}&redirect_uri[]={quote(REDIRECT)}",
        f"{QUERY}&REDIRECT_URI={quote(REDIRECT)}",
        f"{QUERY};redirect_uri={quote(REDIRECT)}",
        f"{QUERY}&redirect_uri={quote(REDIRECT)};redirect_uri=https://evil.example",
        f"{QUERY}&redirect_uri={quote(quote(REDIRECT, safe=''))}",
        f"{QUERY}&redirect_uri={quote(REDIRECT)}%FF",
        f"{QUERY}&redirect_uri={quote(REDIRECT)}&scope=openid",
        QUERY,
        "",
    ],
)
@pytest.mark.spec("RFC6749-3.1", "RFC9700-4.1.3")
def test_polluted_parameters_are_a_page(shared: Wire, query: str) -> None:
    _is_a_page(_ask(shared, query, ""))
    _is_a_page(_ask(shared, query, shared.log_in()))


def test_a_uri_of_another_service_is_a_page(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("neighbour", redirect_uris=("https://neighbour.example/retour",))))
    _is_a_page(wire.authorize("baseline", cookie=wire.log_in(), redirect_uri="https://neighbour.example/retour"))


def test_the_registered_ones_are_served(shared: Wire) -> None:
    for uri in (REDIRECT, f"https://{HOST}/autre?a=1"):
        assert shared.authorize(cookie=shared.log_in(), redirect_uri=uri).headers["location"].startswith(uri)


@pytest.mark.spec("RFC6749-4.1.3", "RFC9700-4.1.3")
@pytest.mark.parametrize("mutated", [None, f"{REDIRECT}/", "https://service.example/autre?a=1", f"{REDIRECT}?a=1", "https://evil.example"])
def test_a_code_is_not_given_for_another_uri(shared: Wire, mutated: str | None) -> None:
    answer = shared.redeem(shared.code(), redirect_uri=mutated)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
