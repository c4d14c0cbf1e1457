"""A login by card belongs to the browser that began it, and to whoever holds the card.

Precedents: Keycloak CVE-2023-2422 (a certificate that nobody verified), CWE-295 and CWE-299 (certificates and their revocation not looked
at), CWE-348 (a header believed from anybody), CWE-294 (what was captured is played again), CWE-352 (a login or a yes of another site),
CWE-384 (a session planted beforehand).
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.idp.cards import DAY, Authority, pem_of
from tests.idp.endpoints.card_flow import CARD_BASE_URL, CARDS, ISSUER, ROOT, choose, confirm, read, show, taking_cards
from tests.idp.endpoints.login_flow import CAMILLE, LUCAS, START, Provider, csrf_of

SSO = "veilleur_idp_sso"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with taking_cards(tmp_path) as started:
        yield started


@pytest.mark.precedent("CWE-352")
@pytest.mark.spec("RFC9700-4.7.1")
def test_a_card_lured_to_somebody_elses_login_opens_nothing(provider: Provider) -> None:
    attacker, victim = provider.browser("198.51.100.9"), provider.browser()
    login = attacker.begin()
    address = choose(attacker, login)
    victim.begin()
    # The victim follows the link, and the card in the reader answers.
    back = urlsplit(show(provider, address, CARDS[CAMILLE]).headers["location"]).path
    assert victim.get(back).status_code == 410
    assert victim.request("POST", back, data={"csrf": csrf_of(attacker.get(login).text)}).status_code == 410
    assert SSO not in victim.cookies
    # The attacker has the login and its cookie, and never saw the proof.
    for guess in (f"{login}/card", f"{login}/card/{'A' * 43}", login.replace("/login/", "/auth/resume/")):
        answer = attacker.get(guess)
        assert "code=" not in answer.headers.get("location", "")
        assert "CAMILLE" not in answer.text
    assert provider.audit("session.started") == []


@pytest.mark.precedent("CWE-352")
def test_nobody_is_logged_in_as_another_by_a_link_alone(provider: Provider) -> None:
    attacker, victim = provider.browser("198.51.100.9"), provider.browser()
    own, victims = attacker.begin(), victim.begin()
    proof = urlsplit(show(provider, choose(attacker, own), CARDS[LUCAS]).headers["location"]).path
    # The attacker's proof in the victim's login, and in the victim's browser.
    for path in (proof, proof.replace(own, victims)):
        assert victim.get(path).status_code in (409, 410)
        assert victim.request("POST", path, data={"csrf": csrf_of(victim.get(victims).text)}).status_code in (409, 410)
    assert SSO not in victim.cookies


@pytest.mark.precedent("CWE-352")
def test_a_yes_without_the_token_of_its_page_begins_nothing(provider: Provider) -> None:
    browser = provider.browser()
    login, other = browser.begin(), browser.begin()
    page = read(provider, browser, login, CARDS[CAMILLE])
    for csrf in ("", "0" * 64, csrf_of(browser.get(other).text)):
        assert browser.request("POST", page.url.path, data={"csrf": csrf}).status_code == 403
    assert browser.request("POST", login, data={"csrf": "", "method": "certificate"}).status_code == 403
    assert SSO not in browser.cookies


@pytest.mark.precedent("CWE-294")
def test_a_form_that_is_posted_again_begins_nothing(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    page = read(provider, browser, login, CARDS[CAMILLE])
    # Somebody captured everything that the browser sent.
    thief = provider.browser("198.51.100.9")
    thief.cookies = dict(browser.cookies)
    assert confirm(browser, page).status_code == 303
    for again in (confirm(browser, page), confirm(thief, page)):
        assert (again.status_code, "set-cookie" in again.headers) == (409, False)
    browser.get(login.replace("/login/", "/auth/resume/"))
    assert confirm(thief, page).status_code == 410, "the request has been answered"
    assert len(provider.audit("session.started")) == 1


@pytest.mark.precedent("CWE-294")
def test_a_ticket_leads_nowhere_without_its_login(provider: Provider) -> None:
    browser = provider.browser()
    one, other = browser.begin(), browser.begin()
    address = choose(browser, one)
    for path in (address.replace(one.rpartition("/")[2], other.rpartition("/")[2]), address[:-1], f"{CARD_BASE_URL}/card/x/y"):
        assert show(provider, path, CARDS[CAMILLE]).status_code == 410
    cancelled = browser.request("POST", f"{one}/cancel", data={"csrf": csrf_of(browser.get(one).text)})
    assert cancelled.status_code == 303
    assert show(provider, address, CARDS[CAMILLE]).status_code == 410
    assert provider.audit("session.started") == []


@pytest.mark.precedent("CVE-2023-2422", "CWE-295", "CWE-299")
def test_no_card_counts_that_was_made_ended_or_taken_back(provider: Provider, tmp_path: Path) -> None:
    self_made = Authority(ROOT.certificate.subject.rfc4514_string(), START)
    namesake = Authority(ISSUER.certificate.subject.rfc4514_string(), START, self_made)
    revoked = ISSUER.card(f"CN={CAMILLE}")
    (tmp_path / "lists.pem").write_bytes(pem_of(ISSUER.revokes(revoked)))
    issued_by_a_card = Authority("CN=Cartes d'essai,O=Exemple,C=FR", START, key=CARDS[LUCAS].key).card(f"CN={CAMILLE}")
    ended = ISSUER.card(f"CN={CAMILLE}", begins=START - 9 * DAY, ends=START - DAY)
    for card in (self_made.card(f"CN={CAMILLE}"), namesake.card(f"CN={CAMILLE}"), issued_by_a_card, ended, revoked):
        browser = provider.browser()
        page = read(provider, browser, browser.begin(), card, **{"X-Client-Verify": "SUCCESS"})
        assert (page.status_code, SSO in browser.cookies) == (403, False)
    assert provider.audit("session.started") == []


@pytest.mark.precedent("CWE-348")
@pytest.mark.spec("RFC9700-4.13")
def test_a_header_of_anybody_but_the_proxy_is_no_card(tmp_path: Path) -> None:
    with taking_cards(tmp_path, trusted_proxies=("192.0.2.1/32",)) as provider:
        browser = provider.browser()
        login = browser.begin()
        for headers in ({}, {"X-Client-Verify": "SUCCESS", "X-Forwarded-For": "192.0.2.1"}):
            page = read(provider, browser, login, CARDS[CAMILLE], **headers)
            assert (page.status_code, SSO in browser.cookies) == (403, False)


@pytest.mark.precedent("CWE-348")
def test_a_certificate_counts_at_the_address_of_cards_alone(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    browser._headers |= {"X-Client-Cert": CARDS[CAMILLE].escaped, "X-Client-Verify": "SUCCESS"}
    for path in (login, f"{login}/card", f"{login}/card/x", f"{login}/wait", login.replace("/login/", "/auth/resume/")):
        browser.get(path)
    assert (SSO in browser.cookies, provider.audit("session.started")) == (False, [])


@pytest.mark.precedent("CWE-384")
def test_a_proof_does_not_take_over_a_session_that_was_planted(provider: Provider) -> None:
    browser = provider.browser()
    browser.cookies[SSO] = "planted"
    assert confirm(browser, read(provider, browser, browser.begin(), CARDS[CAMILLE])).status_code == 303
    assert browser.cookies[SSO] != "planted"
