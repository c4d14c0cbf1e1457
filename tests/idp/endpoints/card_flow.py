"""A provider that takes cards, and a browser with one in its reader, as it reaches the provider behind a trusted proxy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.idp.cards import Authority, Issued, pem_of
from tests.idp.endpoints.login_flow import CAMILLE, LUCAS, START, SUSPENDED, Browser, Provider, csrf_of, running_provider

ROOT = Authority("CN=Racine d'essai,O=Exemple,C=FR", START)
ISSUER = Authority("CN=Cartes d'essai,O=Exemple,C=FR", START, ROOT)
#: Where the proxy asks for certificates: another host, which the cookies of the login do not reach.
CARD_BASE_URL = "http://cartes.example:8801"
CARDS = {national_id: ISSUER.card(f"CN={national_id}") for national_id in (CAMILLE, LUCAS, SUSPENDED)}


def settings_of_cards(folder: Path) -> dict[str, Any]:
    """Settings with which cards are taken; lists of revoked ones are in ``lists.pem`` of the folder: nobody is on them."""
    (folder / "authorities.pem").write_bytes(ROOT.pem + ISSUER.pem)
    (folder / "lists.pem").write_bytes(pem_of(ISSUER.revokes()))
    return {
        "client_certificate_header": "X-Client-Cert",
        "client_certificate_verify_header": "X-Client-Verify",
        "card_base_url": CARD_BASE_URL,
        "card_authorities_file": folder / "authorities.pem",
        "card_revocations_file": folder / "lists.pem",
    }


@contextmanager
def taking_cards(folder: Path, **settings: Any) -> Iterator[Provider]:
    """The provider with :func:`settings_of_cards`."""
    with running_provider(folder, **settings_of_cards(folder), **settings) as provider:
        yield provider


def choose(browser: Browser, login: str) -> str:
    """Choose the card on the login page; the address to which the browser is sent."""
    sent = browser.request("POST", login, data={"csrf": csrf_of(browser.get(login).text), "method": "certificate"})
    assert sent.status_code == 303, sent.text
    return str(sent.headers["location"])


def show(provider: Provider, address: str, card: Issued | None, **headers: str) -> Any:
    """The browser at the address of cards, without cookies: what the proxy passes on, and the answer."""
    provider.client.cookies.clear()
    sent = {"X-Forwarded-For": "203.0.113.7", "User-Agent": "Mozilla/5.0 Firefox/140.0"}
    if card is not None:
        sent |= {"X-Client-Cert": card.escaped, "X-Client-Verify": "FAILED:unable to verify the first certificate"}
    return provider.client.get(address, headers={**sent, **headers}, follow_redirects=False)


def read(provider: Provider, browser: Browser, login: str, card: Issued | None, **headers: str) -> Any:
    """Choose, show, come back: the page that confirms, or that refuses."""
    answer = show(provider, choose(browser, login), card, **headers)
    assert answer.status_code == 303, answer.text
    return browser.get(urlsplit(answer.headers["location"]).path)


def confirm(browser: Browser, page: Any) -> Any:
    """Send the form of the page that confirms."""
    path = str(page.url.path)
    return browser.request("POST", path, data={"csrf": csrf_of(page.text)})


def log_in(provider: Provider, browser: Browser, login: str, national_id: str = CAMILLE) -> Any:
    """The whole login; the answer of the authorization endpoint."""
    entered = confirm(browser, read(provider, browser, login, CARDS[national_id]))
    assert entered.status_code == 303, entered.text
    return browser.get(urlsplit(entered.headers["location"]).path)
