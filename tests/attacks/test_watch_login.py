"""A lying OpenID Provider against the console's login: nobody gets in, and the console answers in good order.

Precedents: PyJWT CVE-2024-53861 (part of an issuer was enough), authlib CVE-2026-114619 (nonce and issuer).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from starlette.testclient import TestClient

from tests.siem.console.provider import Peer, Provider
from tests.siem.console.world import NOW, World

pytestmark = pytest.mark.precedent("CVE-2024-53861", "CVE-2026-114619")


Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def _provider() -> Iterator[Provider]:
    made = Provider(lambda: NOW)
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("watch"), issuer=_provider.peer.issuer)
    yield made
    made.close()


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    """The provider, honest again."""
    fresh = Peer(_provider.peer.clock)
    for name in ("spoil", "subject", "userinfo_sub", "metadata", "published"):
        setattr(_provider.peer, name, getattr(fresh, name))
    return _provider


def come_back(browser: TestClient, peer: Peer, **changed: str | None) -> Any:
    answer: dict[str, str | None] = {**peer.authorize(browser.get("/connexion").headers["location"]), **changed}
    return browser.get("/connexion/retour", params={name: value for name, value in answer.items() if value is not None})


def shut_out(browser: TestClient) -> bool:
    return "veilleur_console" not in browser.cookies and browser.get("/alertes").status_code == 303


def claims_of(token: str) -> dict[str, Any]:
    import base64

    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def unsigned(peer: Peer, token: str) -> str:
    import base64

    def packed(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{packed({'alg': 'none'})}.{packed(claims_of(token))}."


def signed_with_the_client_secret(peer: Peer, token: str) -> str:
    return jwt.encode({"alg": "HS256"}, claims_of(token), OctKey.import_key(peer.client_secret.ljust(32, "0")), algorithms=["HS256"])


def signed_with_the_public_key_as_a_secret(peer: Peer, token: str) -> str:
    pem = peer.key.as_pem(private=False)
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims_of(token), OctKey.import_key(pem), algorithms=["HS256"])


@pytest.mark.spec("OIDCC-3.1.3.7", "RFC8725-3.1")
@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        signed_with_the_client_secret,
        lambda peer, token: token.rsplit(".", 1)[0] + ".",
        lambda peer, token: token[:-8] + ("A" * 8),
        lambda peer, token: "",
        lambda peer, token: None,
        lambda peer, token: ["a", "b"],
        lambda peer, token: 7,
        lambda peer, token: "a.b.c",
        lambda peer, token: "é" * 50,
        lambda peer, token: "." * 10_000,
    ],
)
def test_a_token_without_the_providers_signature_lets_nobody_in(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch, forge: Callable[[Peer, str], object]
) -> None:
    sound = provider.peer.token

    def token(form: dict[str, str], authorization: str) -> Answer:
        status, answer = sound(form, authorization)
        return status, {**answer, "id_token": forge(provider.peer, answer["id_token"])}

    monkeypatch.setattr(provider.peer, "token", token)
    browser = world.client()
    assert come_back(browser, provider.peer).status_code == 400
    assert shut_out(browser)


@pytest.mark.spec("OIDCC-3.1.3.7")
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": "soon"},
        {"exp": None},
        {"exp": -1},
        {"iat": "x"},
        {"iat": []},
        {"iss": ["http://a"]},
        {"iss": None},
        {"aud": []},
        {"aud": None},
        {"aud": ["veilleur-console", "evil"]},
        {"aud": ["veilleur-console", "evil"], "azp": "evil"},
        {"aud": {"veilleur-console": 1}},
        {"azp": "evil"},
        {"nonce": None},
        {"nonce": ["x"]},
        {"nonce": True},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
        {"sub": ["f:1:899700000011"]},
        {"at_hash": "of-another-token"},
        {"at_hash": 5},
    ],
    ids=str,
)
def test_a_signed_token_that_says_something_else_lets_nobody_in(world: World, provider: Provider, changes: dict[str, Any]) -> None:
    provider.peer.spoil = lambda claims: claims.update(changes)
    browser = world.client()
    assert come_back(browser, provider.peer).status_code == 400
    assert shut_out(browser)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}),
        (200, {"access_token": "at"}),
        (200, {"error": "x"}),
        (500, {}),
        (200, []),
        (200, "x"),
        (204, {}),
        (200, {"access_token": 5}),
    ],
    ids=str,
)
def test_a_token_answer_that_makes_no_sense_lets_nobody_in(
    world: World, provider: Provider, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(provider.peer, "token", lambda form, authorization: answer)
    browser = world.client()
    assert come_back(browser, provider.peer).status_code in {400, 503}
    assert shut_out(browser)


@pytest.mark.parametrize(
    "national_id", ["", None, 5, ["899700000011"], {"a": 1}, "899700000011\x00", "8997000000110", " ", "' OR 1=1 --", "x" * 100_000]
)
def test_a_userinfo_answer_about_nobody_known_lets_nobody_in(world: World, provider: Provider, national_id: Any) -> None:
    provider.peer.subject = national_id
    browser = world.client()
    assert come_back(browser, provider.peer).status_code in {400, 403}
    assert shut_out(browser)


@pytest.mark.spec("RFC9207-2.4")
def test_an_answer_without_issuer_is_refused_when_the_provider_says_that_it_sends_one(world: World, provider: Provider) -> None:
    without = world.client()
    provider.peer.metadata = {"authorization_response_iss_parameter_supported": True}
    assert come_back(without, provider.peer, iss=None).status_code == 400
    assert shut_out(without)
    assert come_back(world.client(), provider.peer).status_code == 303
    provider.peer.metadata = {}
    assert come_back(world.client(), provider.peer, iss=None).status_code == 303


@pytest.mark.parametrize(
    "metadata", [{"token_endpoint": None}, {"token_endpoint": 5}, {"jwks_uri": "file:///etc/passwd"}, {"userinfo_endpoint": "x"}], ids=str
)
def test_a_description_that_leads_nowhere_is_an_error_in_good_order(world: World, provider: Provider, metadata: dict[str, Any]) -> None:
    browser = world.client()
    answer = provider.peer.authorize(browser.get("/connexion").headers["location"])
    provider.peer.metadata = metadata
    assert browser.get("/connexion/retour", params=answer).status_code in {400, 503}
    assert shut_out(browser)


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": 5}, {"keys": [5]}, {"keys": [{"kty": "EC"}]}, []], ids=str)
def test_keys_that_are_none_let_nobody_in(world: World, provider: Provider, keys: Any) -> None:
    provider.peer.published = keys
    browser = world.client()
    assert come_back(browser, provider.peer).status_code == 400
    assert shut_out(browser)
