"""Where every means of login ends."""

from pathlib import Path

from tests.idp.endpoints.card_flow import CARDS, confirm, log_in, read, taking_cards
from tests.idp.endpoints.login_flow import CAMILLE

SSO = "veilleur_idp_sso"


def test_each_login_has_a_session_and_a_cookie_of_its_own(tmp_path: Path) -> None:
    with taking_cards(tmp_path) as provider:
        browser = provider.browser()
        browser.cookies[SSO] = "planted"
        log_in(provider, browser, browser.begin())
        first = browser.cookies[SSO]
        log_in(provider, browser, browser.begin(prompt="login"))
        assert len({"planted", first, browser.cookies[SSO]}) == 3
        started, again = provider.audit("session.started")
        assert started["health.session.id"] != again["health.session.id"]


def test_the_log_ties_the_login_to_the_session_that_it_began(tmp_path: Path) -> None:
    with taking_cards(tmp_path) as provider:
        browser = provider.browser()
        page = read(provider, browser, browser.begin(), CARDS[CAMILLE])
        entered = confirm(browser, page)
        assert entered.status_code == 303
        (succeeded,) = provider.audit("login.succeeded")
        (started,) = provider.audit("session.started")
        assert succeeded["health.session.id"] == started["health.session.id"]
        assert "health.device.id" not in succeeded
