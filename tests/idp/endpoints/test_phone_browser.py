"""The phone application and the login pages in a real browser: two windows, with and without script."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from idp.app import create_app
from idp.model import Client
from idp.people.file import read_people
from idp.settings import Environment, Settings
from tests.idp.endpoints.backchannel_flow import service
from tests.idp.endpoints.login_flow import CAMILLE, PEOPLE, SECRET
from tests.idp.wire import START

TYPES = Path(__file__).parents[3] / "deploy/demo/authorization_details.yaml"
ARGUMENTS = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run")
#: Long enough for a busy machine; nothing waits for it when all is well.
PATIENCE_MS = 20_000

pytestmark = pytest.mark.service("chromium")


@dataclass(frozen=True, slots=True)
class Windows:
    """A provider on a local port, and the browser that windows are opened in."""

    base_url: str
    chromium: Browser

    def open(self, language: str = "fr-FR", *, script: bool = True) -> Page:
        """A window of 320 px with its own cookies and keys; a fault in its scripts or policy fails the test at once."""
        context = self.chromium.new_context(
            locale=language, viewport={"width": 320, "height": 640}, java_script_enabled=script, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    def enrolled_phone(self, language: str = "fr-FR") -> Page:
        code = httpx.post(f"{self.base_url}/control/v1/enrolments", json={"national_id": CAMILLE}).json()
        phone = self.open(language)
        phone.goto(code["url"])
        phone.fill("#new-pin", "2580")
        phone.fill("#new-pin-again", "2580")
        phone.click("#enrol button[type=submit]")
        phone.wait_for_selector("[data-panel=idle]:not([hidden])")
        return phone

    def identified(self, page: Page) -> str:
        """Begin a login and name oneself; the number to choose."""
        query = {
            "client_id": "dossier", "response_type": "code", "redirect_uri": f"{self.base_url}/phone/", "scope": "openid",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
        }  # fmt: skip
        page.goto(f"{self.base_url}/auth?{urlencode(query)}")
        expect(page.locator("#national_id")).to_be_focused()
        page.keyboard.type("99700000005")
        page.keyboard.press("Enter")
        return page.inner_text("#code")


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Windows]:
    folder: Path = tmp_path_factory.mktemp("idp")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(
            state=folder, environment=Environment.DEVELOPMENT, control_api=True, base_url=base_url, authorization_details_file=TYPES
        )
        app = create_app(settings)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        ready = threading.Event()

        async def serve() -> None:
            store = app.state.provider.store
            for account in read_people(PEOPLE):
                await store.accounts.put(account)
            await store.clients.put(Client(client_id="dossier", client_name="Dossier patient", redirect_uris=(f"{base_url}/phone/",)))
            itself = service("lps", client_name="Logiciel du cabinet", registered_at=START, authorization_details_types=("dossier_access",))
            await store.clients.put(itself)
            listener.listen()
            ready.set()
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert ready.wait(30)
        try:
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[f"--{name}" for name in ARGUMENTS])
                yield Windows(base_url, chromium)
                chromium.close()
        finally:
            server.should_exit = True
            thread.join(30)


def _sound(page: Page) -> None:
    """No serious fault for people with a screen reader, and nothing beyond the edge of a narrow screen."""
    found = [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("language", ["fr-FR", "en-GB"])
def test_a_person_approves_on_the_phone_and_the_browser_goes_on(windows: Windows, language: str) -> None:
    phone, page = windows.enrolled_phone(language), windows.open(language)
    faults: list[str] = []
    phone.on("pageerror", lambda error: faults.append(str(error)))
    page.on("pageerror", lambda error: faults.append(str(error)))
    _sound(phone)
    code = windows.identified(page)
    phone.wait_for_selector("[data-panel=question]:not([hidden])")
    page.wait_for_selector("[data-step=seen].reached")
    _sound(phone)
    _sound(page)
    phone.click("#answer button[type=submit]")
    expect(phone.locator("#answer [data-error]")).not_to_be_empty()
    phone.click(f".tile:has-text('{code}')")
    phone.fill("#pin", "0000")
    phone.click("#answer button[type=submit]")
    expect(phone.locator("#answer [data-error]")).to_contain_text("2")
    phone.fill("#pin", "2580")
    phone.click("#answer button[type=submit]")
    phone.wait_for_selector("[data-panel=done]:not([hidden])")
    page.wait_for_url("**/phone/?code=*")
    assert faults == []


@pytest.mark.parametrize("language", ["fr-FR", "en-GB"])
def test_a_person_compares_the_message_of_a_service_that_asks_by_itself(windows: Windows, language: str) -> None:
    phone = windows.enrolled_phone(language)
    details = [{"type": "dossier_access", "actions": ["read"], "datatypes": ["letter"], "identifier": "<b>séjour</b>"}]
    form = {"scope": "openid scope_all", "login_hint": CAMILLE, "binding_message": "K7-42", "authorization_details": json.dumps(details)}
    url = f"{windows.base_url}/auth/realms/esante-wallet/protocol/openid-connect/ext/ciba/auth"
    assert httpx.post(url, data=form, auth=("lps", SECRET)).status_code == 200
    phone.wait_for_selector("[data-panel=question]:not([hidden])")
    expect(phone.locator("[data-fact=binding]")).to_have_text("K7-42")
    expect(phone.locator("[data-fact=eyebrow]")).to_contain_text("service")
    expect(phone.locator(".tile").first).to_be_hidden()
    expect(phone.locator("[data-fact=browser]")).to_be_hidden()
    expect(phone.locator("[data-list=details] li")).to_contain_text("<b>séjour</b>")
    expect(phone.locator("[data-list=scope] li")).to_have_count(2)
    expect(phone.locator("[data-fact=registered]")).to_contain_text("22/11/2026")
    _sound(phone)
    phone.fill("#pin", "2580")
    phone.click("#answer button[type=submit]")
    phone.wait_for_selector("[data-panel=done]:not([hidden])")


def test_a_person_logs_in_without_script(windows: Windows) -> None:
    phone, page = windows.enrolled_phone(), windows.open(script=False)
    code = windows.identified(page)
    phone.wait_for_selector("[data-panel=question]:not([hidden])")
    phone.click(f".tile:has-text('{code}')")
    phone.fill("#pin", "2580")
    phone.keyboard.press("Enter")
    page.wait_for_url("**/phone/?code=*")  # by the page's own refresh


def test_a_person_reports_a_login_they_did_not_ask_for(windows: Windows) -> None:
    phone, page = windows.enrolled_phone(), windows.open()
    windows.identified(page)
    phone.wait_for_selector("[data-panel=question]:not([hidden])")
    phone.click("[data-decision=report]")
    expect(phone.locator("#done-title")).to_contain_text("signalée")
    expect(page.locator("h1")).to_contain_text("Connexion refusée")
    _sound(page)


def test_the_key_cannot_be_taken_out_of_the_phone(windows: Windows) -> None:
    phone = windows.enrolled_phone()
    extractable = phone.evaluate("""async () => {
        const database = await new Promise((done) => { const r = indexedDB.open("veilleur-phone"); r.onsuccess = () => done(r.result); });
        const kept = await new Promise((done) => {
            const r = database.transaction("device").objectStore("device").get("this"); r.onsuccess = () => done(r.result);
        });
        const refused = await crypto.subtle.exportKey("jwk", kept.privateKey).then(() => "exported", (error) => error.name);
        return [kept.privateKey.extractable, kept.privateKey.usages, refused];
    }""")
    assert extractable == [False, ["sign"], "InvalidAccessError"]


def test_a_phone_survives_a_reload_and_forgets_when_asked(windows: Windows) -> None:
    phone = windows.enrolled_phone()
    assert phone.url == f"{windows.base_url}/phone/"
    phone.reload()
    phone.wait_for_selector("[data-panel=idle]:not([hidden])")
    phone.click("#forget summary")
    phone.click("#forget-yes")
    phone.wait_for_selector("[data-panel=enrol]:not([hidden])")
    phone.reload()
    phone.wait_for_selector("[data-panel=enrol]:not([hidden])")
