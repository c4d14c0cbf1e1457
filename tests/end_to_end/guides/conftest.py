"""What the tests of all guides share: a browser, and a place where what they install is kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def kept(request: pytest.FixtureRequest) -> Path:
    """Packages that a guide installs stay here between runs, by the hash of what asked for them."""
    assert request.config.cache is not None
    return request.config.cache.mkdir("veilleur-guides")
