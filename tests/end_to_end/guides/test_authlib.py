"""The guide for Authlib, exactly as printed, with a professional in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.guides.guide import end_session_elsewhere, go_in_and_out, log_in, service_of, window

PAGE = "log-in-with-authlib.md"
FILES = ("service.env", "app.py")


@pytest.mark.service("chromium")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC7636-4.6", "RFC9207-2", "OIDCRP-2", "OIDCBCL-2.5", "OIDCBCL-2.6", "RFC6749-6")
def test_a_professional_logs_in_with_authlib_and_the_session_ends_on_both_sides(tmp_path: Path, kept: Path, chromium: Browser) -> None:
    with service_of(PAGE, tmp_path, kept, installs=("requirements.txt",), gives=".venv", files=FILES) as service:
        go_in_and_out(chromium, service, told='"POST /fin-de-session HTTP/1.1" 200')


@pytest.mark.service("chromium")
@pytest.mark.spec("RFC6749-5.2")
def test_a_service_with_authlib_that_nobody_tells_forgets_the_person_as_it_renews_its_token(
    tmp_path: Path, kept: Path, chromium: Browser
) -> None:
    with service_of(PAGE, tmp_path, kept, installs=("requirements.txt",), gives=".venv", files=FILES, told=False) as service:
        page, _ = window(chromium)
        log_in(page, service)
        end_session_elsewhere(page, service.provider)
        page.goto(service.address)
        page.wait_for_selector("#connexion")
        assert "POST /fin-de-session" not in service.guide.log("run.sh")
        page.context.close()
