from typing import Any

import pytest

from idp.model import Profile
from tests.idp.dpop_proofs import TOKEN, USERINFO, ClientKey, redeem, refresh, userinfo
from tests.idp.wire import Wire, claims_of, client, query_of

KEY = ClientKey()
OTHER = ClientKey()


def _register(wire: Wire, **members: Any) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("baseline", **members)))


def _tokens(wire: Wire, client_id: str = "baseline") -> dict[str, Any]:
    answer = redeem(wire, wire.code(client_id), KEY.proof(wire), client_id)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.spec("RFC9449-10")
def test_a_code_bound_at_authorization_needs_its_key(wire: Wire) -> None:
    for proof in (None, OTHER.proof(wire)):
        refused = redeem(wire, wire.code(dpop_jkt=KEY.jkt), proof)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert redeem(wire, wire.code(dpop_jkt=KEY.jkt), KEY.proof(wire)).status_code == 200


@pytest.mark.spec("RFC9449-10")
def test_a_thumbprint_that_is_none_is_refused_at_authorization(wire: Wire) -> None:
    answer = wire.authorize(cookie=wire.log_in(), dpop_jkt="short")
    assert query_of(answer)["error"] == "invalid_request"


@pytest.mark.spec("RFC9449-5", "RFC9700-2.2.2")
def test_refresh_tokens_of_a_public_client_are_bound_and_those_of_others_follow_the_client(wire: Wire) -> None:
    first = _tokens(wire, "public")["refresh_token"]
    for proof in (None, OTHER.proof(wire)):
        assert refresh(wire, first, proof, "public").json()["error"] == "invalid_grant"
    second = refresh(wire, first, KEY.proof(wire), "public").json()
    assert claims_of(second["access_token"])["cnf"] == {"jkt": KEY.jkt}
    assert refresh(wire, second["refresh_token"], KEY.proof(wire), "public").status_code == 200
    moved = refresh(wire, _tokens(wire)["refresh_token"], OTHER.proof(wire)).json()
    assert claims_of(moved["access_token"])["cnf"] == {"jkt": OTHER.jkt}


@pytest.mark.spec("RFC9449-5.2", "FAPI2SP-5.3.2.1", "RFC9700-2.2.1")
@pytest.mark.parametrize("members", [{"dpop_bound_access_tokens": True}, {"profile": Profile.FAPI2}])
def test_a_client_held_to_bound_tokens_gets_no_other(wire: Wire, members: dict[str, Any]) -> None:
    code = wire.code()
    _register(wire, **members)
    refused = redeem(wire, code, None)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.spec("RFC9449-8", "RFC9449-8.2", "RFC9449-9")
def test_a_client_that_needs_a_nonce_is_told_it_and_loses_nothing(wire: Wire) -> None:
    _register(wire, quirks={"dpop_nonce_required": True})
    code = wire.code()
    refused = redeem(wire, code, KEY.proof(wire))
    assert (refused.status_code, refused.json()["error"]) == (400, "use_dpop_nonce")
    assert redeem(wire, code, KEY.proof(wire, nonce="guessed")).json()["error"] == "use_dpop_nonce"
    answer = redeem(wire, code, KEY.proof(wire, nonce=refused.headers["dpop-nonce"]))
    token, nonce = answer.json()["access_token"], answer.headers["dpop-nonce"]
    told = userinfo(wire, token, KEY.proof(wire, USERINFO, "GET", token))
    assert told.status_code == 401
    assert 'error="use_dpop_nonce"' in told.headers["www-authenticate"]
    assert userinfo(wire, token, KEY.proof(wire, USERINFO, "GET", token, nonce=told.headers["dpop-nonce"])).status_code == 200
    wire.wall.advance(600)
    late = redeem(wire, wire.code(), KEY.proof(wire, nonce=nonce))
    assert late.json()["error"] == "use_dpop_nonce"
    assert late.headers["dpop-nonce"] != nonce


@pytest.mark.spec("RFC9449-7.1", "RFC9449-7.2", "RFC9449-4.3", "RFC9700-2.2.1", "RFC9700-4.10.1")
def test_a_bound_token_is_worth_nothing_without_its_key(wire: Wire) -> None:
    token = _tokens(wire)["access_token"]
    once = KEY.proof(wire, USERINFO, "GET", token)
    assert userinfo(wire, token, once).status_code == 200
    for proof, scheme in (
        (None, "Bearer"),
        (KEY.proof(wire, USERINFO, "GET", token), "Bearer"),
        (None, "DPoP"),
        (once, "DPoP"),
        (OTHER.proof(wire, USERINFO, "GET", token), "DPoP"),
        (KEY.proof(wire, USERINFO, "GET"), "DPoP"),
        (KEY.proof(wire, USERINFO, "GET", "another"), "DPoP"),
        (KEY.proof(wire, USERINFO, "POST", token), "DPoP"),
        (KEY.proof(wire, TOKEN, "GET", token), "DPoP"),
    ):
        answer = userinfo(wire, token, proof, scheme)
        assert (answer.status_code, answer.headers["www-authenticate"][:5]) == (401, "DPoP "), answer.text
    in_form = wire.http.post(USERINFO, data={"access_token": token})
    assert in_form.status_code == 401
    misuses = wire.events("access_token.misused")
    assert len(misuses) == 10
    assert {event["health.token.id"] for event in misuses} == {claims_of(token)["jti"]}


@pytest.mark.spec("RFC9449-7.1")
def test_a_bearer_token_is_not_dressed_up_as_a_bound_one(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    assert userinfo(wire, token, KEY.proof(wire, USERINFO, "GET", token)).status_code == 401


@pytest.mark.spec("RFC9449-6.2")
def test_introspection_tells_what_a_token_is_bound_to(wire: Wire) -> None:
    document = wire.post("token/introspect", token=_tokens(wire)["access_token"]).json()
    assert (document["active"], document["token_type"], document["cnf"]) == (True, "DPoP", {"jkt": KEY.jkt})
    assert "cnf" not in wire.post("token/introspect", token=wire.tokens()["access_token"]).json()
