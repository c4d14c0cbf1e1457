"""A login by card, through the whole application."""

import html
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.cards import DAY, EMAIL, Authority, Issued, pem_of
from tests.idp.endpoints.card_flow import CARD_BASE_URL, CARDS, ISSUER, choose, confirm, log_in, read, show, taking_cards
from tests.idp.endpoints.html_checks import faults_of
from tests.idp.endpoints.login_flow import CAMILLE, LUCAS, REDIRECT_URI, START, SUSPENDED, Provider, csrf_of, query_of, running_provider
from tests.idp.wire import claims_of

STRANGER = Authority("CN=Cartes d'ailleurs", START)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with taking_cards(tmp_path) as running:
        yield running


def test_a_person_logs_in_with_their_card(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    page = read(provider, browser, login, CARDS[CAMILLE])
    assert (page.status_code, faults_of(page.text)) == (200, [])
    assert "CAMILLE MORVAN" in page.text
    assert CAMILLE in page.text
    assert "veilleur_idp_sso" not in browser.cookies, "nothing has begun"
    entered = confirm(browser, page)
    assert entered.headers["location"].endswith(login.replace("/login/", "/auth/resume/"))
    back = browser.get(login.replace("/login/", "/auth/resume/"))
    assert back.headers["location"].startswith(REDIRECT_URI)
    assert query_of(back.headers["location"])["code"]


def test_the_log_holds_the_thumbprint_and_no_more_of_the_card(provider: Provider) -> None:
    browser = provider.browser()
    log_in(provider, browser, browser.begin())
    (succeeded,) = provider.audit("login.succeeded")
    assert succeeded["health.authentication.method"] == "certificate"
    assert (succeeded["health.authentication.acr"], succeeded["health.authentication.amr"]) == ("eidas3", ["sc", "pin", "mfa", "hwk"])
    assert (succeeded["user.id"], succeeded["source.ip"]) == (CAMILLE, "203.0.113.7")
    assert len(succeeded["tls.client.hash.sha256"]) == 64
    assert "CERTIFICATE" not in str(provider.audit())
    assert "Cartes d'essai" not in str(provider.audit())


def _refused_cards() -> dict[str, tuple[Issued | None, str, str]]:
    return {
        "nothing": (None, "Aucune carte", "showed no certificate"),
        "expired": (ISSUER.card(f"CN={CAMILLE}", begins=START - 9 * DAY, ends=START - DAY), "périmée", "ended at"),
        "early": (ISSUER.card(f"CN={CAMILLE}", begins=START + DAY), "pas encore valable", "begins at"),
        "purpose": (ISSUER.card(f"CN={CAMILLE}", usages=(EMAIL,)), "ne sert pas à se connecter", "not for the authentication"),
        "authority": (STRANGER.card(f"CN={CAMILLE}"), "n’est pas acceptée", "no authority of cards"),
        "nameless": (ISSUER.card("CN=CAMILLE MORVAN"), "ne porte pas d’identifiant", "not a national identifier"),
        "unknown": (ISSUER.card("CN=899700001003"), "pas de compte", "nobody has the identifier"),
        "suspended": (CARDS[SUSPENDED], "suspendu", "the account is suspended"),
    }


def test_each_card_that_does_not_count_is_told_why_and_audited(provider: Provider) -> None:
    browser = provider.browser()
    for card, words, reason in _refused_cards().values():
        login = browser.begin()
        page = read(provider, browser, login, card)
        assert (page.status_code, faults_of(page.text)) == (403, [])
        assert words in html.unescape(page.text)
        failed = provider.audit("login.failed")[-1]
        assert reason in failed["event.reason"]
        assert ("tls.client.hash.sha256" in failed) is (card is not None)
        assert browser.get(f"{login}/card/{'x' * 43}").status_code == 409
    told = [event.get("user.id") for event in provider.audit("login.failed")[-2:]]
    assert told == ["899700001003", SUSPENDED], "whoever holds a card has proved the identifier"
    assert provider.audit("session.started") == []


def test_a_revoked_card_is_out_at_once_and_stale_lists_keep_all_out(provider: Provider, tmp_path: Path) -> None:
    browser = provider.browser()
    (tmp_path / "lists.pem").write_bytes(pem_of(ISSUER.revokes(CARDS[CAMILLE])))
    assert "a été révoquée" in read(provider, browser, browser.begin(), CARDS[CAMILLE]).text
    # The watch looks for these very words (rules/authentication/idp_revoked_card.yml).
    revoked = provider.audit("login.failed")[-1]
    assert (revoked["event.reason"], revoked["user.id"]) == ("the authority has revoked the certificate of the card", CAMILLE)
    assert "Aucune" not in read(provider, browser, browser.begin(), CARDS[LUCAS]).text
    provider.wall.advance(8 * 86_400)
    page = read(provider, browser, browser.begin(), CARDS[LUCAS])
    assert "n’a pas pu être vérifiée" in html.unescape(page.text)
    assert "lists.pem is not current" in provider.audit("login.failed")[-1]["event.reason"]
    assert "lists.pem" not in page.text


def test_what_is_in_the_header_counts_from_a_trusted_proxy_alone_and_once(tmp_path: Path) -> None:
    with taking_cards(tmp_path, trusted_proxies=("192.0.2.1/32",)) as provider:
        browser = provider.browser()
        page = read(provider, browser, browser.begin(), CARDS[CAMILLE])
        assert "n’a pas pu être lue ici" in html.unescape(page.text)
        assert "not a trusted proxy" in provider.audit("login.failed")[-1]["event.reason"]


def test_a_header_twice_or_that_is_no_certificate_is_refused(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    provider.client.cookies.clear()
    twice = [("X-Client-Cert", CARDS[CAMILLE].escaped), ("X-Client-Cert", CARDS[LUCAS].escaped)]
    provider.client.get(choose(browser, login), headers=twice, follow_redirects=False)
    assert "more than once" in provider.audit("login.failed")[-1]["event.reason"]
    page = read(provider, browser, login, None, **{"X-Client-Cert": "nonsense"})
    assert "illisible" in page.text


def test_a_proof_serves_once_in_one_browser_and_for_a_short_time(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin()
    page = read(provider, browser, login, CARDS[CAMILLE])
    assert confirm(browser, page).status_code == 303
    again = confirm(browser, page)
    assert (again.status_code, "set-cookie" in again.headers) == (409, False)
    late = read(provider, browser, browser.begin(prompt="login"), CARDS[CAMILLE])
    provider.wall.advance(121)
    answer = confirm(browser, late)
    assert answer.status_code == 409
    assert "n’est plus valable" in html.unescape(answer.text)
    assert len(provider.audit("session.started")) == 1


def test_the_last_choice_counts(provider: Provider) -> None:
    phone, browser = provider.phone(CAMILLE), provider.browser()
    login = browser.begin()
    browser.identify(login, CAMILLE, method="device")
    (question,) = phone.questions()
    address = choose(browser, login)
    assert phone.answer(question, "approve").status_code == 409, "the question on the phone is over"
    browser.identify(login, CAMILLE, method="device")
    assert show(provider, address, CARDS[CAMILLE]).status_code == 410, "and so is the ticket of the card"


def test_a_person_who_was_suspended_meanwhile_does_not_enter(provider: Provider) -> None:
    browser = provider.browser()
    page = read(provider, browser, browser.begin(), CARDS[CAMILLE])
    change = {"national_id": CAMILLE, "reason": "essai"}
    authorization = provider.administrator("accounts:suspend")
    provider.client.post("http://127.0.0.1:8800/admin/v1/accounts/suspend", json=change, headers=authorization)
    assert confirm(browser, page).status_code == 409


def test_attempts_count_with_those_of_every_other_door(tmp_path: Path) -> None:
    with taking_cards(tmp_path, account_attempt_limit_count=2) as provider:
        browser = provider.browser()
        for _ in range(2):
            browser.identify(browser.begin(), CAMILLE, method="device")
        page = read(provider, browser, browser.begin(), CARDS[CAMILLE])
        assert (page.status_code, page.headers["retry-after"]) == (429, "900")
        assert "Trop de tentatives" in page.text
        provider.wall.advance(901)
        log_in(provider, browser, browser.begin())
        for _ in range(2):
            assert read(provider, browser, browser.begin(prompt="login"), CARDS[CAMILLE]).status_code == 200, "a success forgets"


def test_an_address_has_its_limit_whatever_it_shows(tmp_path: Path) -> None:
    with taking_cards(tmp_path, source_attempt_limit_count=2) as provider:
        browser = provider.browser()
        login = browser.begin()
        assert [read(provider, browser, login, None).status_code for _ in range(3)] == [403, 403, 429]


def test_without_cards_nothing_of_them_is_there(tmp_path: Path) -> None:
    with running_provider(tmp_path) as provider:
        browser = provider.browser()
        login = browser.begin()
        page = browser.get(login)
        assert "Carte CPS" not in page.text
        answer = browser.request("POST", login, data={"csrf": csrf_of(page.text), "method": "certificate"})
        assert (answer.status_code, "n’est pas proposé" in html.unescape(answer.text)) == (422, True)
        assert browser.get("/card/x/y").status_code == 410


def test_the_page_lets_its_form_end_at_the_address_of_cards(provider: Provider) -> None:
    browser = provider.browser()
    login = browser.begin(ui_locales="fr")
    page = browser.get(login)
    assert faults_of(page.text) == []
    assert f"form-action 'self' https://dossier.example {CARD_BASE_URL}" in page.headers["content-security-policy"]
    assert page.text.index("Téléphone activé") < page.text.index("Carte CPS")
    english = provider.browser(language="en")
    assert "CPS card" in english.get(english.begin()).text


def test_the_list_of_sessions_says_by_which_means(provider: Provider) -> None:
    browser = provider.browser()
    log_in(provider, browser, browser.begin())
    assert "Carte CPS" in browser.get("/sessions").text


def test_tokens_introspection_and_userinfo_tell_the_truth_of_a_card(provider: Provider) -> None:
    browser = provider.browser()
    answer = log_in(provider, browser, browser.begin())
    form = {"grant_type": "authorization_code", "code": query_of(answer.headers["location"])["code"], "redirect_uri": REDIRECT_URI}
    connect, auth = f"{provider.state.issuer}/protocol/openid-connect", ("dossier", "a" * 43)
    tokens = provider.client.post(f"{connect}/token", data={**form, "code_verifier": browser.verifier}, auth=auth).json()
    at = int(START.timestamp())
    for token in (tokens["id_token"], tokens["access_token"]):
        claims = claims_of(token)
        assert (claims["acr"], claims["amr"], claims["auth_time"]) == ("eidas3", ["sc", "pin", "mfa", "hwk"], at)
    told = provider.client.post(f"{connect}/token/introspect", data={"token": tokens["access_token"]}, auth=auth).json()
    assert (told["acr"], told["auth_time"]) == ("eidas3", at)


def test_what_a_card_yields_is_as_the_operator_says(tmp_path: Path) -> None:
    with taking_cards(tmp_path, card_acr="eidas2", card_amr="sc,hwk", device_acr="eidas1") as provider:
        browser = provider.browser()
        log_in(provider, browser, browser.begin())
        (succeeded,) = provider.audit("login.succeeded")
        assert (succeeded["health.authentication.acr"], succeeded["health.authentication.amr"]) == ("eidas2", ["sc", "hwk"])
