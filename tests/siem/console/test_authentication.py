from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from tests.siem.console.provider import Provider
from tests.siem.console.world import ANALYST, NOW, PEOPLE, World, csrf


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider(lambda: NOW)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path, provider: Provider) -> Iterator[World]:
    made = World(tmp_path, issuer=provider.peer.issuer)
    yield made
    made.close()


def _log_in(browser: TestClient, provider: Provider, path: str = "/alertes") -> Any:
    start = browser.get("/connexion", params={"retour": path})
    assert start.status_code == 303
    return browser.get("/connexion/retour", params=provider.peer.authorize(start.headers["location"]))


@pytest.mark.spec("OIDCC-3.1.2.1", "RFC7636-4.3", "RFC9700-2.1.1")
def test_the_request_carries_state_nonce_and_a_pkce_challenge(world: World, provider: Provider) -> None:
    location = world.client().get("/connexion").headers["location"]
    asked = parse_qs(urlsplit(location).query)
    assert location.startswith(f"{provider.peer.issuer}/auth?") and asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"] and asked["redirect_uri"] == ["http://testserver/connexion/retour"]
    assert all(len(asked[name][0]) >= 20 for name in ("state", "nonce", "code_challenge")) and "openid" in asked["scope"][0].split()


def test_a_person_with_a_role_gets_in_and_lands_where_they_wanted(world: World, provider: Provider) -> None:
    browser = world.client()
    back = _log_in(browser, provider, "/incidents?etat=tous")
    assert back.status_code == 303 and back.headers["location"] == "/incidents?etat=tous"
    cookie = back.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
    assert ANALYST.name in browser.get("/incidents").text


def test_cookies_are_bound_to_the_host_on_https(tmp_path: Path, provider: Provider) -> None:
    folder = tmp_path / "secure"
    folder.mkdir()
    world = World(folder, url="https://testserver", issuer=provider.peer.issuer)
    browser = TestClient(world.app, base_url="https://testserver", follow_redirects=False)
    back = _log_in(browser, provider)
    assert "__Host-veilleur_console=" in back.headers["set-cookie"] and "Secure" in back.headers["set-cookie"]
    assert browser.get("/alertes").headers["strict-transport-security"].startswith("max-age=")
    world.close()


def test_a_person_without_a_role_learns_who_can_grant_one(world: World, provider: Provider) -> None:
    provider.peer.subject = "899700000999"
    browser = world.client()
    page = _log_in(browser, provider)
    assert page.status_code == 403 and "Hugo Lefèvre-Essai, poste 4012" in page.text and "899700000999" in page.text
    assert browser.get("/alertes").headers["location"].startswith("/connexion")


@pytest.mark.spec("OIDCC-3.1.3.7")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda claims: claims.update(nonce="another"),
        lambda claims: claims.pop("nonce"),
        lambda claims: claims.update(iss="https://evil.example"),
        lambda claims: claims.update(aud="dossier-patient"),
        lambda claims: claims.update(exp=claims["iat"] - 3600),
        lambda claims: claims.update(iat=claims["iat"] + 3600, exp=claims["iat"] + 7200),
        lambda claims: claims.pop("sub"),
    ],
    ids=["nonce", "no-nonce", "issuer", "audience", "expired", "future", "no-sub"],
)
def test_an_id_token_that_is_not_sound_is_refused(world: World, provider: Provider, spoil: Callable[[dict[str, Any]], None]) -> None:
    provider.peer.spoil = spoil
    browser = world.client()
    assert _log_in(browser, provider).status_code == 400
    assert browser.get("/alertes").status_code == 303


def test_an_id_token_signed_by_another_key_is_refused(world: World, provider: Provider) -> None:
    provider.peer.other_key = True
    assert _log_in(world.client(), provider).status_code == 400


@pytest.mark.spec("OIDCC-5.3.2")
def test_claims_about_another_person_are_refused(world: World, provider: Provider) -> None:
    provider.peer.userinfo_sub = "f:1:somebody-else"
    assert _log_in(world.client(), provider).status_code == 400


@pytest.mark.spec("RFC6749-10.12", "RFC9700-4.7.1")
def test_a_state_works_once_and_only_in_the_browser_that_asked(world: World, provider: Provider) -> None:
    victim, attacker = world.client(), world.client()
    answer = provider.peer.authorize(attacker.get("/connexion").headers["location"])
    assert victim.get("/connexion/retour", params=answer).status_code == 400
    assert attacker.get("/connexion/retour", params=answer).status_code == 303
    attacker.cookies.delete("veilleur_console")
    assert attacker.get("/connexion/retour", params=answer).status_code == 400


@pytest.mark.spec("RFC9207-2.4")
def test_an_answer_of_another_issuer_is_refused(world: World, provider: Provider) -> None:
    browser = world.client()
    answer = provider.peer.authorize(browser.get("/connexion").headers["location"]) | {"iss": "https://evil.example"}
    assert browser.get("/connexion/retour", params=answer).status_code == 400


def test_a_refusal_by_the_person_is_said_plainly(world: World, provider: Provider) -> None:
    browser = world.client()
    state = provider.peer.authorize(browser.get("/connexion").headers["location"])["state"]
    page = browser.get("/connexion/retour", params={"state": state, "error": "access_denied"})
    assert page.status_code == 403 and "Connexion refusée" in page.text


@pytest.mark.spec("RFC7636-4.6")
def test_the_code_is_exchanged_with_its_own_verifier(world: World, provider: Provider) -> None:
    browser = world.client()
    answer = provider.peer.authorize(browser.get("/connexion").headers["location"])
    provider.peer.codes[answer["code"]]["code_challenge"] = "of-somebody-else"
    assert browser.get("/connexion/retour", params=answer).status_code == 400 and provider.peer.refusals == ["invalid_grant"]


def test_a_configuration_of_another_issuer_is_not_believed(world: World, provider: Provider) -> None:
    provider.peer.discovered_issuer = "https://evil.example"
    assert world.client().get("/connexion").status_code == 503


def test_a_provider_that_is_away_is_said_with_what_is_safe(tmp_path: Path) -> None:
    world = World(tmp_path, issuer="http://127.0.0.1:9/realm")
    page = world.client().get("/connexion")
    assert page.status_code == 503 and "en sûreté" in page.text
    world.close()


@pytest.mark.spec("OIDCRP-2")
def test_logging_out_ends_the_session_here_and_at_the_provider(world: World, provider: Provider) -> None:
    browser = world.client()
    _log_in(browser, provider)
    cookie = browser.cookies["veilleur_console"]
    out = browser.post("/deconnexion", data={"csrf": csrf(browser.get("/alertes").text)})
    asked = parse_qs(urlsplit(out.headers["location"]).query)
    assert out.headers["location"].startswith(f"{provider.peer.issuer}/logout?")
    assert asked["post_logout_redirect_uri"] == ["http://testserver/deconnexion"] and asked["id_token_hint"][0].count(".") == 2
    browser.cookies.set("veilleur_console", cookie)
    assert browser.get("/alertes").status_code == 303
    assert "Vous êtes déconnecté" in browser.get("/deconnexion").text


def test_somebody_already_inside_is_not_sent_to_the_provider(world: World) -> None:
    assert world.client(ANALYST).get("/connexion", params={"retour": "/regles"}).headers["location"] == "/regles"


@pytest.mark.parametrize(("who", "first"), [(0, "/alertes"), (2, "/incidents"), (4, "/dossiers")])
def test_home_is_the_first_page_of_ones_roles(world: World, who: int, first: str) -> None:
    assert world.client(PEOPLE[who]).get("/").headers["location"] == first
