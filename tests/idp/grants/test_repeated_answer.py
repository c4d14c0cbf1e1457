import pytest

from idp.grants.phases import TokenRequest
from idp.grants.repeated_answer import seal_answer
from idp.tokens.issuer import hash_token
from idp.tokens.sender import Sender
from tests.idp.dpop_proofs import ClientKey
from tests.idp.wire import CONNECT, Wire, client


@pytest.mark.spec("RFC9700-4.14.2")
def test_a_refresh_asked_again_at_once_gets_the_same_answer_and_nothing_more(wire: Wire) -> None:
    first = wire.tokens()
    second, again = (wire.refresh(first["refresh_token"]) for _ in range(2))
    assert second.status_code == 200
    assert again.json() == second.json()
    assert wire.refresh(again.json()["refresh_token"]).status_code == 200
    assert len(wire.events("access_token.issued")) == 3
    reasons = [event.get("event.reason") for event in wire.events("refresh_token.rotated")]
    assert reasons == [None, "asked again within seconds: the same answer", None]
    assert wire.events("refresh_token.replayed") == []


@pytest.mark.spec("RFC9700-4.14.2")
def test_outside_of_the_window_it_is_a_replay(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.refresh(first["refresh_token"]).json()
    wire.wall.advance(9.9)
    assert wire.refresh(first["refresh_token"]).status_code == 200
    wire.wall.advance(0.1)
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.userinfo(second["access_token"]).status_code == 401


def test_a_client_can_have_another_window(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("quick", quirks={"refresh_repeat_seconds": 1})))
    first = wire.tokens("quick")
    wire.refresh(first["refresh_token"], "quick")
    wire.wall.advance(1)
    assert wire.refresh(first["refresh_token"], "quick").json()["error"] == "invalid_grant"


def test_once_the_successor_was_used_the_old_token_is_a_thiefs(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.refresh(first["refresh_token"]).json()
    third = wire.refresh(second["refresh_token"]).json()
    assert wire.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert wire.refresh(third["refresh_token"]).json()["error"] == "invalid_grant"


def test_asking_for_something_else_is_no_repetition(wire: Wire) -> None:
    first = wire.tokens(scope="openid identity")
    wire.refresh(first["refresh_token"])
    assert wire.refresh(first["refresh_token"], scope="openid").json()["error"] == "invalid_grant"
    assert len(wire.events("refresh_token.replayed")) == 1


@pytest.mark.spec("RFC9449-5")
def test_another_key_gets_nothing_and_the_same_key_needs_a_fresh_proof(wire: Wire) -> None:
    url, key = f"{CONNECT}/token", ClientKey()
    code = wire.code("public")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://service.example/retour", "client_id": "public"}
    form["code_verifier"] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    tokens = wire.http.post(url, data=form, headers={"DPoP": key.proof(wire)}).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "public"}
    once = key.proof(wire)
    first = wire.http.post(url, data=refresh, headers={"DPoP": once})
    assert first.status_code == 200, first.text
    assert wire.http.post(url, data=refresh, headers={"DPoP": once}).json()["error"] == "invalid_dpop_proof"
    assert wire.http.post(url, data=refresh, headers={"DPoP": key.proof(wire)}).json() == first.json()
    assert wire.http.post(url, data=refresh).json()["error"] == "invalid_grant"
    assert wire.http.post(url, data=refresh, headers={"DPoP": key.proof(wire)}).status_code == 200, "a thief costs nobody a login"


def test_what_is_kept_cannot_be_read_without_the_token(wire: Wire) -> None:
    first = wire.tokens()
    second = wire.refresh(first["refresh_token"]).json()
    kept = wire.call(lambda provider: provider.store.tokens.get_refresh_token(hash_token(first["refresh_token"])))
    assert kept is not None and kept.answer is not None
    for secret in (second["access_token"], second["refresh_token"], first["refresh_token"]):
        assert secret.encode() not in kept.answer


def test_the_same_answer_is_sealed_in_another_way_each_time() -> None:
    request = TokenRequest(client=client("c"), parameters={"refresh_token": "r" * 43}, source_ip="192.0.2.1")
    assert seal_answer(request, Sender(), {"a": 1}) != seal_answer(request, Sender(), {"a": 1})
