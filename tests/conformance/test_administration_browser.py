"""The administration pages in a real Chromium: entered by a login, sound for a screen reader, whole at 320 px, in languages and themes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from idp.model import Account, AccountKind, Device
from tests.conformance.live import Live, chromium, live_provider, sound, window
from tests.end_to_end.conftest import artefact
from tests.idp.wire import NATIONAL_ID, PERSON, START, client

pytestmark = pytest.mark.service("chromium")

LOU = Account(id="lou", kind=AccountKind.PROFESSIONAL, national_id="899700000013", given_name="LOU", family_name="TESTEUR0000013")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_provider(tmp_path_factory.mktemp("idp"), administrators=(NATIONAL_ID,)) as started:
        started.register(client("record", client_name="Dossier patient", structure_name="Centre hospitalier d’Exemple"))
        started.register(client("old", client_name="Ancien portail", disabled=True))
        started.call(lambda provider: provider.store.accounts.put(LOU))
        phone = Device(id="phone", account_id="lou", name="Téléphone de Lou", public_jwk={}, pin_mac="", enrolled_at=START)
        started.call(lambda provider: provider.store.devices.put(phone))
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _enter(live: Live, page: Page, theme: str) -> None:
    """By the button, the login page, and the way back; the phone's answer is given on the provider's side."""
    page.goto(f"{live.admin_url}/administration?theme={theme}")
    page.goto(f"{live.admin_url}/administration/clients?theme={theme}")
    sound(page)
    page.screenshot(path=artefact(f"administration-door-{theme}.png"), full_page=True)
    page.click("a.primary")
    expect(page.locator("#national_id")).to_be_visible()
    interaction_id = page.url.rpartition("/")[2]
    live.log_in(page.context)

    async def prove(provider: Any) -> None:
        now = provider.clock()
        found = await provider.store.interactions.get(interaction_id, now)
        await provider.store.interactions.put(replace(found, authenticated_at=found.created_at))

    live.call(prove)
    page.goto(f"{live.base_url}/auth/resume/{interaction_id}")
    expect(page.locator(".tabs")).to_be_visible()


@pytest.mark.parametrize(("language", "theme"), [("fr-FR", "light"), ("en-GB", "dark")])
@pytest.mark.parametrize("width", [1000, 320])
def test_an_administrator_goes_through_every_page(live: Live, browser: Browser, language: str, theme: str, width: int) -> None:
    context = window(browser, language=language, width=width)
    page = context.new_page()

    def look(name: str) -> None:
        sound(page)
        page.screenshot(path=artefact(f"administration-{name}-{language}-{width}.png"), full_page=True)

    _enter(live, page, theme)
    look("clients")
    page.click("text=Dossier patient")
    look("client")
    page.click("#rotate button")
    expect(page.locator("#secret")).to_be_visible()
    look("secret")
    page.click("#state button")
    expect(page.locator("[role=status]")).to_be_visible()
    page.click("#state button")
    expect(page.locator("#rotate")).to_be_visible()
    page.click("a[href$='/registration']")
    page.fill("#entry", page.input_value("#entry").replace("Exemple", f"Exemple {width}"))
    page.click("button[value=check]")
    expect(page.locator("#change-title")).to_be_visible()
    look("registration")
    page.click("button[value=save]")
    expect(page.locator("[role=status]")).to_be_visible()
    page.click(".tabs a >> nth=0")
    page.click("a[href='/administration/registration']")
    page.click("button[value=check]")
    expect(page.locator("#entry")).to_have_attribute("aria-invalid", "true")
    look("registration-wrong")
    page.click(".tabs a >> nth=1")
    page.fill("#national_id", "0")
    page.click("#find button")
    look("people")
    page.fill("#national_id", NATIONAL_ID)
    page.click("#find button")
    expect(page.locator("h1")).to_contain_text(PERSON.family_name)
    look("person")
    page.click(".tabs a >> nth=2")
    look("keys")
    page.click("#rotate button")
    expect(page.locator("[role=status]")).to_be_visible()
    page.click(".tabs a >> nth=3")
    page.select_option("#action", "client.changed")
    page.click("#search button")
    page.click(".results summary >> nth=0")
    look("audit")
    page.click(".tabs button")
    expect(page.locator("a.primary")).to_be_visible()
    context.close()


def test_the_keyboard_alone_is_enough_to_suspend_a_service(live: Live, browser: Browser) -> None:
    live.register(client("keyboard", client_name="Au clavier"))
    context = window(browser, language="fr-FR", width=1000)
    page = context.new_page()
    _enter(live, page, "light")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    _tab_to(page, "Au clavier")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Au clavier")
    _tab_to(page, "Suspendre ce service")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]")).to_be_visible()
    context.close()


def _tab_to(page: Page, text: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == text:
            return
    raise AssertionError(f"{text} is not reached by the keyboard")
