"""The guide for openid-client, exactly as printed, with a professional in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.guides.guide import go_in_and_out, service_of

PAGE = "log-in-with-openid-client.md"


@pytest.mark.service("chromium", "node", "npm")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC7636-4.6", "RFC9207-2", "OIDCRP-2", "OIDCBCL-2.5", "OIDCBCL-2.6", "RFC6749-6")
def test_a_professional_logs_in_with_openid_client_and_the_session_ends_on_both_sides(
    tmp_path: Path, kept: Path, chromium: Browser
) -> None:
    files = ("service.env", "service.mjs")
    with service_of(PAGE, tmp_path, kept, installs=("package.json",), gives="node_modules", files=files) as service:
        go_in_and_out(chromium, service, told="the provider ended session")
