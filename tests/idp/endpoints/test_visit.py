from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.idp.endpoints.login_flow import Provider, running_provider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as running:
        yield running


def test_a_login_goes_on_in_its_own_browser_alone_and_while_its_client_is_served(provider: Provider) -> None:
    browser, other = provider.browser(), provider.browser("198.51.100.9")
    login = browser.begin()
    other.begin()
    assert (browser.get(login).status_code, other.get(login).status_code) == (200, 410)
    client = provider.call(provider.state.store.clients.get("dossier"))
    provider.call(provider.state.store.clients.put(replace(client, disabled=True)))
    assert browser.get(login).status_code == 410


def test_a_form_counts_with_the_token_of_its_own_page_alone(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    assert browser.request("POST", login, data={"national_id": "899700000005"}).status_code == 403
    assert browser.request("POST", login, data={"national_id": "899700000005", "csrf": "é" * 64}).status_code == 403
    assert browser.identify(login, "899700000005").status_code == 303
