"""The guide for oidc-client-ts, exactly as printed: a single-page application in a real browser."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.end_to_end.guides.guide import go_in_and_out, log_in, service_of, window

PAGE = "log-in-with-oidc-client-ts.md"


@pytest.mark.service("chromium", "node", "npm")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC7636-4.6", "RFC9207-2", "OIDCRP-2", "OIDCBCL-2.5", "OIDCBCL-2.6", "RFC6749-6")
def test_a_professional_logs_in_with_oidc_client_ts_and_the_session_ends_on_both_sides(
    tmp_path: Path, kept: Path, chromium: Browser
) -> None:
    files = ("service.env", "service.mjs", "public/index.html", "public/app.js")
    with service_of(PAGE, tmp_path, kept, installs=("package.json",), gives="node_modules", files=files) as service:
        go_in_and_out(chromium, service, told="the provider ended session")
        page, _ = window(chromium)
        log_in(page, service)
        held = page.evaluate("Object.values({...sessionStorage, ...localStorage}).map(JSON.parse)")
        assert [(bool(one["id_token"]), one["access_token"], one.get("refresh_token")) for one in held] == [(True, "", None)]
        elsewhere = {"origin": "https://ailleurs.example"}
        assert httpx.post(f"{service.address}jeton", headers=elsewhere).status_code == 403
        assert httpx.post(f"{service.address}deconnexion", headers=elsewhere).status_code == 403
