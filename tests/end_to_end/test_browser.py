"""A person at work after the night: phone in one window, console in another, from the first alert to the receipt's PDF."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pypdf
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deploy.demo import casting, checks, night, scene
from deploy.demo.checks import KNOWN
from deploy.demo.scene import Scene
from tests.end_to_end.conftest import artefact, free_port

pytestmark = pytest.mark.service("chromium")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PIN = "2580"
PATIENCE_MS = 20_000
ANALYST, DIRECTOR = "899700000146", "899700000161"


@pytest.fixture(scope="module")
def after_the_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A night is played and nobody has looked yet."""
    begin = datetime.now(UTC) - night.EVENING - timedelta(seconds=30)
    prepared = scene.prepare(tmp_path_factory.mktemp("night"), idp_port=free_port(), watch_port=free_port(), clock_start=begin)
    prepared.idp.start()
    prepared.watch.start()
    try:
        prepared.idp.wait_ready()
        prepared.watch.wait_ready()
        cast = casting.cast(prepared, begin)
        night.play(cast.stage, begin, cast.seed, lambda _at, _count: None)
        cast.stage.shipper.finish()
        prepared.set_clock(None)
        checks.wait_until_read(prepared, cast)
        cast.close()
        yield prepared
    finally:
        prepared.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


def window(chromium: Browser, width: int, height: int) -> Page:
    """A window with its own cookies and keys. A script fault or a refused resource fails the test."""
    context = chromium.new_context(
        locale="fr-FR", timezone_id="Europe/Paris", viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"a script failed on {page.url}: {error}"))
    page.on("console", lambda message: _refused(page, message.text) if message.type == "error" else None)
    return page


def _refused(page: Page, text: str) -> None:
    if "Content Security Policy" in text or "Refused" in text:
        pytest.fail(f"{page.url}: {text}")


def shot(page: Page, name: str, *, narrow: bool = True) -> None:
    """Keep the page as a person sees it, wide and at 320 px; nothing may stick out of the narrow one."""
    folder = artefact("screens")
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)
    assert_accessible(page, name)
    if narrow:
        size = page.viewport_size
        page.set_viewport_size({"width": 320, "height": 640})
        page.screenshot(path=folder / f"{name}-320.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, f"{name} is wider than 320 px"
        if size:
            page.set_viewport_size(size)


def assert_accessible(page: Page, name: str) -> None:
    """Nothing that axe-core calls serious or critical."""
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not found, f"{name}: {[(one['id'], [node['target'] for node in one['nodes']]) for one in found]}"


def enrolled_phone(chromium: Browser, stage: Scene, national_id: str) -> Page:
    phone = window(chromium, 390, 760)
    phone.goto(stage.activation_code(national_id)[1])
    phone.fill("#new-pin", PIN)
    phone.fill("#new-pin-again", PIN)
    phone.click("#enrol button[type=submit]")
    phone.wait_for_selector("[data-panel=idle]:not([hidden])")
    return phone


def log_in(page: Page, phone: Page, stage: Scene, national_id: str, *, keep: str = "") -> None:
    page.goto(stage.watch_url)
    page.fill("#national_id", national_id)
    page.keyboard.press("Enter")
    code = page.inner_text("#code").strip()
    if keep:
        shot(page, f"{keep}-attente")
    phone.locator("[data-panel=question] label.tile", has_text=code).click()
    if keep:
        shot(phone, f"{keep}-telephone", narrow=False)
    phone.fill("#pin", PIN)
    phone.click("#answer button[type=submit]")
    page.wait_for_url(re.compile(rf"{re.escape(stage.watch_url)}/(alertes|incidents|dossiers).*"))


def test_from_the_first_alert_to_the_receipt(after_the_night: Scene, chromium: Browser, tmp_path: Path) -> None:
    stage = after_the_night
    analyst, analyst_phone = window(chromium, 1280, 900), enrolled_phone(chromium, stage, ANALYST)
    log_in(analyst, analyst_phone, stage, ANALYST, keep="connexion")
    dossier_url = _contain(analyst, stage)
    director, director_phone = window(chromium, 1280, 900), enrolled_phone(chromium, stage, DIRECTOR)
    log_in(director, director_phone, stage, DIRECTOR)
    _declare(director, dossier_url)
    _look_at_the_receipt(director, dossier_url, tmp_path)
    _look_around(analyst, stage)


def _contain(page: Page, stage: Scene) -> str:
    """Triage by keyboard, qualify, approve; returns the dossier's address."""
    page.goto(f"{stage.watch_url}/alertes")
    shot(page, "alertes")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url(re.compile(r"/alertes/.+"))
    shot(page, "alerte")
    page.goto(f"{stage.watch_url}/incidents")
    shot(page, "incidents")
    page.locator("main a[href^='/incidents/']").first.click()
    page.wait_for_url(re.compile(r"/incidents/.+"))
    incident_url = page.url
    shot(page, "incident")
    answers = ("securite_soins:non", "donnees_sante:oui", "fonctionnement_normal:non", "organisation_systeme_sante:non")
    for answer in (*answers, "autres_structures:inconnu"):
        name, value = answer.split(":")
        page.check(f"#qualification input[name={name}][value={value}]")
    page.fill("#qualification textarea", "Consultation massive et export depuis une session ouverte à l’étranger.")
    page.click("#qualification button")
    page.locator("a[href^='/executions/']").first.click()
    approve = page.locator("button[name=decision][value=approuver]")
    expect(approve).to_be_visible()
    shot(page, "execution")
    page.locator("form.decide", has=approve).locator("textarea").fill("Le médecin confirme ne pas être à l’origine de la connexion.")
    approve.click()
    expect(page.locator(".head .state-completed")).to_be_visible(timeout=PATIENCE_MS)
    shot(page, "execution-terminee")
    page.goto(incident_url)
    shot(page, "incident-contenu")
    link = page.locator("a[href^='/dossiers/']").first.get_attribute("href")
    assert link is not None
    return stage.watch_url + link


def _declare(page: Page, dossier_url: str) -> None:
    page.goto(dossier_url)
    shot(page, "dossier")
    for _ in range(40):
        missing = page.locator("a[href^='?section='][href*='#champ-']")
        if missing.count() == 0:
            break
        href = missing.first.get_attribute("href") or ""
        section, key = re.fullmatch(r"\?section=([^#]+)#champ-(.+)", href).groups()  # type: ignore[union-attr]
        page.goto(f"{dossier_url}?section={section}")
        _answer(page, key)
        page.click("form.answers button.primary")
        page.goto(dossier_url)
    shot(page, "dossier-complet")
    page.check("#validation input[name=relu]")
    page.click("#validation button")
    page.click("#depot button")
    expect(page.locator(".receipt")).to_be_visible()
    shot(page, "dossier-depose")


def _answer(page: Page, key: str) -> None:
    known = KNOWN.get(key)
    if known is None:
        page.check(f"input[name=inconnu][value='{key}']")
        return
    for value in [known] if isinstance(known, str) else known:
        page.check(f"input[name='{key}'][value='{value}']")


def _look_at_the_receipt(page: Page, dossier_url: str, folder: Path) -> None:
    page.goto(f"{dossier_url}/recepisse")
    assert re.fullmatch(r"VEI-\d{4}-\d{6}", page.inner_text("#numero"))
    shot(page, "recepisse")
    with page.expect_download() as download:
        page.evaluate("() => document.querySelector(\"a[href*='.pdf']\").setAttribute('download', '')")
        page.locator("a[href*='.pdf']").first.click()
    download.value.save_as(folder / "declaration.pdf")
    text = "".join(part.extract_text() for part in pypdf.PdfReader(folder / "declaration.pdf").pages)
    assert "Centre hospitalier d’Exemple" in text


def _look_around(page: Page, stage: Scene) -> None:
    """Every other page an analyst has, once."""
    for name, path in (
        ("recherche", f"/recherche?q=source.ip:{night.ATTACKER_ADDRESS}"),
        ("sources", "/sources"),
        ("indicateurs", "/indicateurs"),
        ("regles", "/regles"),
        ("dossiers", "/dossiers"),
    ):
        page.goto(stage.watch_url + path)
        shot(page, name)
    page.emulate_media(color_scheme="dark")
    for name, path in (("alertes", "/alertes?etat=tous"), ("incidents", "/incidents"), ("recherche", "/recherche"), ("regles", "/regles")):
        page.goto(f"{stage.watch_url}{path}{'&' if '?' in path else '?'}langue=en")
        shot(page, f"{name}-sombre-en")
