"""The guide for Keycloak, exactly as printed, with a real Keycloak between the browser and the provider.

It takes two minutes of a processor, so `make test` leaves it out; `make test-keycloak` fetches Keycloak and runs it.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from idp.testing import running
from tests.end_to_end.conftest import free_port
from tests.end_to_end.guides.guide import DOCTOR, Guide, answer_login, assert_asked_for, end_session_elsewhere, until, window

PAGE = "log-in-through-keycloak.md"
IDENTIFIER = "[name='attributes.SubjectNameID']"
KEYCLOAK = os.environ.get("VEILLEUR_KEYCLOAK", "")


@pytest.mark.skipif(not KEYCLOAK, reason="VEILLEUR_KEYCLOAK does not name an unpacked Keycloak; make test-keycloak does")
@pytest.mark.timeout(900)
@pytest.mark.service("chromium")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC7636-4.6", "OIDCRP-2", "OIDCBCL-2.5", "OIDCBCL-2.6")
def test_a_professional_logs_in_through_keycloak_and_the_session_ends_on_both_sides(tmp_path: Path, chromium: Browser) -> None:
    shutil.copytree(KEYCLOAK, tmp_path / "keycloak", ignore=shutil.ignore_patterns("data"))
    guide, port = Guide(PAGE, tmp_path / "keycloak"), free_port()
    guide.settle(service=port)
    account = f"http://127.0.0.1:{port}/realms/hopital/account"
    with running("--clients", str(guide.write("clients.yaml"))) as provider:
        guide.settle(provider=urlsplit(provider.base_url).port)
        guide.write("service.env", "data/import/hopital-realm.json")
        with guide.running("run.sh", account, patience_seconds=400):
            page, asked = window(chromium)
            page.goto(account)
            page.click("#social-psc")
            answer_login(page, provider)
            page.wait_for_url(f"{account}**")
            assert page.locator("[name='username']").input_value() == DOCTOR
            assert page.locator("[name='firstName']").input_value() == "CAMILLE"
            assert page.locator(IDENTIFIER).input_value() == DOCTOR
            page.click("[data-testid=options-toggle]")
            page.get_by_role("menuitem", name="Déconnexion").click()
            page.click("#social-psc")
            answer_login(page, provider)  # the provider asks again who it is: its session is over too
            page.wait_for_selector(IDENTIFIER)
            assert_asked_for(asked)
            end_session_elsewhere(page, provider)
            assert until(lambda: not _knows_someone(page, account)), "nobody told Keycloak that the session is over"
            page.context.close()
    guide.check_used()


def _knows_someone(page: Page, account: str) -> bool:
    page.goto(account)
    page.wait_for_selector(f"#social-psc, {IDENTIFIER}")
    return page.locator(IDENTIFIER).count() > 0
