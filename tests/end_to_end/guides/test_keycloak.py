"""The guide for Keycloak, exactly as printed, with a real Keycloak between the browser and the provider.

It takes two minutes of a processor, so `make test` leaves it out; `make test-keycloak` fetches Keycloak and runs it.
"""

import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet
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
            claims = _id_token(page, f"http://127.0.0.1:{port}/realms/hopital/protocol/openid-connect")
            assert (claims["SubjectNameID"], claims["acr_psc"]) == (DOCTOR, "eidas2")
            end_session_elsewhere(page, provider)
            assert until(lambda: not _knows_someone(page, account)), "nobody told Keycloak that the session is over"
            page.context.close()
    guide.check_used()


def _knows_someone(page: Page, account: str) -> bool:
    page.goto(account)
    page.wait_for_selector(f"#social-psc, {IDENTIFIER}")
    return page.locator(IDENTIFIER).count() > 0


def _id_token(page: Page, endpoints: str) -> dict[str, Any]:
    """What an application behind Keycloak learns: the browser's session of Keycloak gives it a code at once."""
    with OAuth2Client(
        "mon-application", scope="openid", redirect_uri="http://127.0.0.1:8081/retour", code_challenge_method="S256"
    ) as client:
        verifier = "v" * 64
        url, state = client.create_authorization_url(f"{endpoints}/auth", code_verifier=verifier, kc_idp_hint="psc")
        cookies = {one["name"]: one["value"] for one in page.context.cookies(url)}
        back = httpx.get(url, cookies=cookies).headers["location"]
        token = client.fetch_token(f"{endpoints}/token", authorization_response=back, code_verifier=verifier, state=state)
        keys = KeySet.import_key_set(client.request("GET", f"{endpoints}/certs", withhold_token=True).json())
    return dict(jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims)
