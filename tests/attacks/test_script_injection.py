"""Nothing a request says becomes part of a page as anything but text, and no page would run it if it did.

Precedents: Keycloak CVE-2020-10776 and CVE-2023-6717 (unsafe schemes), Hydra GO-2026-4861 (``error_hint``), Zitadel CVE-2026-29191.
"""

from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from idp.model import Client
from idp.registration import RegistrationError, parse_client
from tests.idp.endpoints.login_flow import BASE_URL, CAMILLE, Provider, csrf_of

pytestmark = pytest.mark.precedent("CVE-2020-10776", "CVE-2023-6717", "GO-2026-4861", "CVE-2026-29191")


PAYLOADS = [
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{7777*7777}}{% import os %}",
    "</title><svg/onload=alert(1)>",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "--><script>alert(1)</script>",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    '" autofocus onfocus=alert(1) x="',
]


REQUEST = {
    "client_id": "dossier",
    "response_type": "code",
    "redirect_uri": "https://dossier.example/retour",
    "scope": "openid",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


class _Page(HTMLParser):
    """Collects what a browser would run or follow."""

    def __init__(self) -> None:
        super().__init__()
        self.dangerous: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            scheme = (value or "").strip().lower().partition(":")[0]
            if name.startswith("on") or (name in {"href", "src", "action", "formaction"} and scheme in {"javascript", "data", "vbscript"}):
                self.dangerous.append(f"{tag} {name}={value}")
        known = {name: value or "" for name, value in attrs}
        if tag == "script" and not known.get("src", "").startswith("/assets/"):
            self.dangerous.append(f"script {known}")
        if tag in {"iframe", "object", "embed", "base", "img"} and not known.get("src", "").startswith("/assets/"):
            self.dangerous.append(f"{tag} {known}")


def _is_harmless(answer: Any) -> None:
    if answer.headers["content-type"] == "application/json":
        # What is not there, told to who did not ask for a page: in words of ours alone.
        assert "<" not in answer.text
        return
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = _Page()
    page.feed(answer.text)
    assert page.dangerous == []
    assert str(7777 * 7777) not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


@pytest.mark.parametrize("payload", PAYLOADS)
def test_on_the_error_page(provider: Provider, payload: str) -> None:
    names = ("client_id", "redirect_uri", "state", "error", "error_description", "error_hint", "login_hint", "ui_locales", "lang", "theme")
    query = "&".join(f"{name}={quote(payload)}" for name in names)
    for path in (f"/auth?{query}", f"/auth?{quote(payload)}=1", f"/auth/realms/esante-wallet/protocol/openid-connect/logout?{query}"):
        answer = provider.browser().get(path)
        _is_harmless(answer)
        assert "alert(1)" not in answer.text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_on_the_login_pages(provider: Provider, payload: str) -> None:
    named = Client(
        client_id="dossier",
        client_name=payload,
        structure_name=payload,
        redirect_uris=("https://dossier.example/retour",),
    )
    provider.call(provider.state.store.clients.put(named))
    browser = provider.browser()
    browser._headers["User-Agent"] = "x" + payload.encode("ascii", "ignore").decode()
    login = browser.begin(state=payload, login_hint=payload, ui_locales=payload, nonce=payload, scope="openid")
    _is_harmless(browser.get(login))
    _is_harmless(browser.get(f"{login}?lang={quote(payload)}&theme={quote(payload)}"))
    _is_harmless(browser.identify(login, payload))
    browser.identify(login, CAMILLE)
    _is_harmless(browser.wait(login))
    answer = browser.request("POST", f"{login}/cancel", data={"csrf": csrf_of(browser.get(login).text)})
    location = answer.headers["location"]
    assert location.startswith("https://dossier.example/retour?error=access_denied")
    assert not set(location) & set("<>\"' \n")


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
def test_on_the_page_that_posts_an_answer(provider: Provider, mode: str, payload: str) -> None:
    answer = provider.browser().request("GET", "/auth", params={**REQUEST, "prompt": "none", "response_mode": mode, "state": payload})
    assert answer.status_code == 200
    _is_harmless(answer)
    assert "form-action https://dossier.example/retour" in answer.headers["content-security-policy"]
    for elsewhere in ("https://evil.example", f"https://dossier.example/{payload}", payload):
        refused = provider.browser().request("GET", "/auth", params={**REQUEST, "response_mode": mode, "redirect_uri": elsewhere})
        assert refused.status_code == 400
        assert "<form" not in refused.text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_on_the_other_pages(provider: Provider, payload: str) -> None:
    browser = provider.browser()
    for path in (f"/login/{quote(payload, safe='')}", f"/auth/resume/{quote(payload, safe='')}", f"/phone/?x={quote(payload)}"):
        _is_harmless(browser.get(path))
    answer = provider.client.get(f"{BASE_URL}/phone/enrol", params={"code": payload})
    _is_harmless(answer)
    assert "alert(1)" not in answer.text
    missing = browser.get(f"/{quote(payload, safe='')}")
    assert "html" not in missing.headers["content-type"]


@pytest.mark.parametrize(
    "uri",
    [
        *("javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "http://service.example/"),
        *(
            "https://service.example/<script>",
            'https://service.example/"',
            "https://user@service.example/",
            "https://*.example/",
            "https:///x",
        ),
        *(
            "https://service.example/#x",
            "//service.example/",
            "service.example",
            "custom:/x",
            "http://localhost:80@evil.example/cb",
            "https://a b/",
        ),
    ],
)
@pytest.mark.parametrize("member", ["redirect_uris", "post_logout_redirect_uris"])
def test_an_address_that_would_run_or_mislead_is_not_registered(member: str, uri: str) -> None:
    entry = {"client_id": "a", "client_name": "A", "redirect_uris": ["https://service.example/"], member: [uri]}
    with pytest.raises(RegistrationError, match=member):
        parse_client(entry, "here")
