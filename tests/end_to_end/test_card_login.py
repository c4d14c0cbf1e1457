"""Logins by card with a real nginx, by the file that is shipped, and a real Chromium; and what an interface asks for by it.

Precedents: nginx CVE-2025-23419 (a session of TLS resumed under another name, past the certificate), CWE-348 (a header believed from
anybody).
"""

import base64
import hashlib
import html
import re
import secrets
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from idp.resource_server import Interface, Needs, Presented, Refused, check
from tests.end_to_end.card_stage import CLIENT_ID, ISSUER, NOW, Stage, card_stage
from tests.end_to_end.conftest import DOCTOR
from tests.end_to_end.test_browser import ARGUMENTS, PATIENCE_MS, shot
from tests.idp.cards import DAY

CONNECT = "/auth/realms/esante-wallet/protocol/openid-connect"
CARD = ISSUER.card(f"CN={DOCTOR}")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with card_stage(tmp_path_factory.mktemp("cards")) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


class Service:
    """A service that sends a browser to the provider, and its interface that looks at the tokens."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._verifier = secrets.token_urlsafe(32)

    def address(self, **parameters: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": self._stage.redirect_uri,
            "scope": "openid identity",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._stage.url}/auth?{urlencode({**query, **parameters})}"

    def token(self, back: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "redirect_uri": self._stage.redirect_uri,
            "code_verifier": self._verifier,
        }
        with self._stage.browser() as http:
            answer = http.post(f"{CONNECT}/token", data={**form, "code": parse_qs(urlsplit(back).query)["code"][0]})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def challenge(self, token: str, needs: Needs) -> dict[str, str]:
        """What the interface answers: nothing, or what the login must be."""
        with self._stage.browser() as http:
            keys = jwt.PyJWKSet.from_dict(http.get(f"{CONNECT}/certs").json())
        issuer = f"{self._stage.url}/auth/realms/esante-wallet"
        presented = Presented(scheme="Bearer", token=token, method="GET", url="https://medicaments.example/fhir")
        try:
            check(presented, Interface(issuer=issuer, audience=issuer), keys, needs=needs, now=datetime.now(UTC))
        except Refused as refused:
            return dict(re.findall(r'(acr_values|max_age|error)="?([^",]+)"?', refused.challenge))
        return {}


def _window(chromium: Browser, stage: Stage, *, with_card: bool = True, script: bool = True) -> BrowserContext:
    certificate, key = stage.files(CARD)
    shown = [{"origin": stage.card_url, "certPath": str(certificate), "keyPath": str(key)}] if with_card else None
    context = chromium.new_context(
        client_certificates=shown,  # type: ignore[arg-type]
        ignore_https_errors=True,
        java_script_enabled=script,
        locale="fr-FR",
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    return context


def _choose_card(page: Page) -> None:
    page.get_by_label("Carte CPS").check()
    page.get_by_role("button", name="Continuer").click()


@pytest.mark.service("nginx", "chromium")
def test_a_person_without_script_logs_in_by_card_with_the_keyboard(stage: Stage, chromium: Browser) -> None:
    context, service = _window(chromium, stage, script=False), Service(stage)
    page = context.new_page()
    page.goto(service.address())
    expect(page.get_by_label("Identifiant national")).to_be_visible()
    page.get_by_label("Téléphone activé").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Carte CPS")).to_be_checked()
    expect(page.get_by_label("Identifiant national")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ouvrir Dossier patient avec cette carte")
    expect(page.get_by_role("main")).to_contain_text("CAMILLE MORVAN")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Me connecter").press("Enter")
    page.wait_for_url(f"{stage.redirect_uri}?*code=*")
    claims = jwt.decode(service.token(page.url), options={"verify_signature": False})
    assert (claims["acr"], claims["amr"]) == ("eidas3", ["sc", "pin", "mfa", "hwk"])
    page.goto(f"{stage.url}/sessions")
    expect(page.get_by_role("main")).to_contain_text("Carte CPS")
    context.close()


@pytest.mark.service("nginx", "chromium")
@pytest.mark.spec("RFC9470-3", "RFC9470-4", "RFC9470-5")
def test_an_interface_that_needs_more_gets_it_by_the_card(stage: Stage, chromium: Browser) -> None:
    context, service = _window(chromium, stage), Service(stage)
    page = context.new_page()
    page.goto(service.address())
    shot(page, "carte-choix")
    page.fill("#national_id", DOCTOR)
    page.keyboard.press("Enter")
    page.wait_for_url("**/wait")
    control = f"{stage.scene.idp_url}/control/v1/approvals"
    (waiting,) = httpx.get(control, params={"national_id": DOCTOR}).json()["approvals"]
    httpx.post(f"{control}/{waiting['id']}", json={"outcome": "approve"}).raise_for_status()
    page.wait_for_url(f"{stage.redirect_uri}?*code=*")
    needs = Needs(acr_values=("eidas3",), max_age=timedelta(minutes=5))
    asked = service.challenge(service.token(page.url), needs)
    assert asked.pop("error") == "insufficient_user_authentication"
    assert asked == {"acr_values": "eidas3", "max_age": "300"}
    page.goto(service.address(**asked))
    expect(page.get_by_role("note")).to_contain_text("demande une connexion de niveau élevé")
    expect(page.get_by_label("Carte CPS")).to_be_checked()
    shot(page, "carte-niveau")
    page.get_by_role("button", name="Continuer").click()
    shot(page, "carte-confirmation")
    page.get_by_role("button", name="Me connecter").click()
    page.wait_for_url(f"{stage.redirect_uri}?*code=*")
    raised = service.token(page.url)
    assert service.challenge(raised, needs) == {}
    page.goto(service.address(**asked))
    page.wait_for_url(f"{stage.redirect_uri}?*code=*")
    assert service.challenge(raised, Needs(acr_values=("eidas3",), max_age=timedelta(seconds=-1))) != {}
    context.close()


@pytest.mark.service("nginx", "chromium")
def test_a_browser_without_card_is_told_what_to_do(stage: Stage, chromium: Browser) -> None:
    context = _window(chromium, stage, with_card=False)
    page = context.new_page()
    page.goto(Service(stage).address())
    _choose_card(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Aucune carte n’a été lue")
    shot(page, "carte-absente")
    page.get_by_role("link", name="Choisir un autre moyen").click()
    expect(page.get_by_label("Identifiant national")).to_be_visible()
    context.close()


def _send_off(stage: Stage, browser: httpx.Client) -> str:
    """The address of cards that the login page sends this browser to."""
    login = browser.get(browser.get(Service(stage).address()).headers["location"])
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', login.text)
    assert found, login.text
    sent = browser.post(str(login.url), data={"csrf": found.group(1), "method": "certificate"})
    return str(sent.headers["location"])


@pytest.mark.service("nginx")
def test_what_nginx_would_refuse_is_told_in_words_by_the_provider(stage: Stage) -> None:
    revoked = ISSUER.card(f"CN={DOCTOR}")
    stage.revoke(revoked)
    ended = ISSUER.card(f"CN={DOCTOR}", begins=NOW - 9 * DAY, ends=NOW - DAY)
    for card, words in ((ended, "périmée"), (revoked, "révoquée"), (None, "Aucune carte")):
        with stage.browser(card) as browser:
            back = browser.get(_send_off(stage, browser))
            assert back.status_code == 303, back.text
            assert words in html.unescape(browser.get(back.headers["location"]).text)


@pytest.mark.service("nginx")
@pytest.mark.precedent("CWE-348")
@pytest.mark.spec("RFC9700-4.13")
def test_headers_that_a_browser_writes_do_not_get_through(stage: Stage) -> None:
    spoofed = {"X-Client-Cert": CARD.escaped, "X-Client-Verify": "SUCCESS", "X-Forwarded-For": "127.0.0.2"}
    with stage.browser() as browser:
        address = _send_off(stage, browser)
        path = urlsplit(address).path
        for url in (address, f"{stage.url}{path}", f"{stage.scene.idp_url}{path}"):
            back = browser.get(url, headers=spoofed)
            assert back.headers["location"].endswith("/card"), "a fault, not a proof"
    assert {event["event.reason"] for event in stage.audit("login.failed")} >= {
        "the browser showed no certificate",
        "the header of the certificate is not a trusted proxy's",
    }


def _handshake(
    stage: Stage, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLSession | None, str]:
    """One request under a name that shares its address with another, never resumed; what could be resumed next, and the status line."""
    with socket.create_connection(("127.0.0.1", stage.shared_port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=name, session=session) as secure:
            assert not secure.session_reused
            secure.sendall(f"GET /card/x/y HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            status = secure.recv(64).decode("latin-1").split("\r\n", 1)[0]
            while secure.recv(4096):
                pass
            return secure.session, status


@pytest.mark.service("nginx")
@pytest.mark.precedent("CVE-2025-23419")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_no_session_is_resumed_in_place_of_a_card(stage: Stage, version: ssl.TLSVersion) -> None:
    context = stage.context(CARD)
    context.maximum_version = version
    for first in ("idp.example", "carte.idp.example"):
        session, _ = _handshake(stage, context, first)
        for name in ("carte.idp.example", "idp.example"):
            _, status = _handshake(stage, context, name, session)
            assert status.startswith("HTTP/1.1 410"), status


@pytest.mark.service("nginx")
def test_at_the_address_of_cards_there_is_nothing_else(stage: Stage) -> None:
    with stage.browser(CARD) as browser:
        for path in ("/", "/auth", "/login/x", f"{CONNECT}/token", "/admin/v1/sessions", "/assets/veilleur.css"):
            assert browser.get(f"{stage.card_url}{path}").status_code == 404
        answer = browser.get(f"{stage.card_url}/card/x/y")
        assert (answer.status_code, answer.headers["connection"]) == (410, "close")


def test_the_shipped_file_names_the_settings_of_the_how_to() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "deploy" / "nginx" / "cards.conf").read_text("utf-8")
    told = (root / "docs" / "how-to" / "log-in-by-card.md").read_text("utf-8")
    for header in re.findall(r"proxy_set_header (X-Client-\w+)", text):
        assert header in told
    assert "https://carte.idp.example" in told
