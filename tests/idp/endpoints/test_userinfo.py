from uuid import UUID

import pytest

from idp.errors import InvalidToken
from tests.idp.wire import CONNECT, NATIONAL_ID, PERSON, Wire, claims_of, client


@pytest.mark.spec("OIDCC-5.3.1", "OIDCC-5.3.2", "RFC6750-2.1", "RFC6750-2.2")
def test_claims_come_by_get_by_post_and_by_form(wire: Wire) -> None:
    token = wire.tokens(scope="openid identity")["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answers = [
        wire.http.get(f"{CONNECT}/userinfo", headers=bearer),
        wire.http.post(f"{CONNECT}/userinfo", headers=bearer),
        wire.http.post(f"{CONNECT}/userinfo", data={"access_token": token}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["SubjectNameID"] for answer in answers} == {NATIONAL_ID}
    assert {answer.json()["sub"] for answer in answers} == {claims_of(token)["sub"]}
    assert answers[0].headers["cache-control"] == "no-store"


@pytest.mark.spec("OIDCC-5.4")
def test_only_what_the_scope_gives_is_released(wire: Wire) -> None:
    assert wire.userinfo(wire.tokens()["access_token"]).json() == {"sub": PERSON.id}
    (released,) = wire.events("userinfo.released")
    assert released["health.claims.count"] == 1


@pytest.mark.spec("PSC-4.1")
def test_a_psc_client_with_scope_all_gets_the_whole_tree(wire: Wire) -> None:
    claims = wire.userinfo(wire.tokens("psc", scope="openid scope_all")["access_token"]).json()
    assert claims["sub"].endswith(f":{NATIONAL_ID}")
    assert claims["authMode"] == "MOBILE"
    assert {"SubjectRefPro", "SubjectRole", "Palier_Authentification", "otherIds"} <= claims.keys()
    assert "SubjectRefPro" not in wire.userinfo(wire.tokens("psc", scope="openid identity")["access_token"]).json()


@pytest.mark.spec("RFC6750-3", "RFC6750-3.1", "RFC9700-4.3.2")
def test_a_missing_or_bad_token_is_challenged_and_the_query_is_not_read(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    missing = wire.http.get(f"{CONNECT}/userinfo", params={"access_token": token})
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"] == 'Bearer realm="veilleur"'
    bad = wire.userinfo("x.y.z")
    assert bad.status_code == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    assert bad.json()["error"] == InvalidToken.error


@pytest.mark.spec("RFC6750-2")
def test_a_token_sent_twice_is_refused(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    answer = wire.http.post(f"{CONNECT}/userinfo", headers={"Authorization": f"Bearer {token}"}, data={"access_token": token})
    assert answer.json()["error"] == "invalid_request"


def test_a_token_ends_with_its_two_minutes(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    wire.wall.advance(119)
    assert wire.userinfo(token).status_code == 200
    wire.wall.advance(1)
    assert wire.userinfo(token).status_code == 401


@pytest.mark.spec("RFC9470-3", "RFC9470-4", "RFC9470-5")
def test_a_login_that_is_too_old_is_challenged_and_a_new_one_gets_the_answer(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("careful", quirks={"userinfo_max_age_seconds": 60})))
    cookie = wire.log_in()
    token = wire.redeem(wire.code("careful", cookie=cookie), "careful").json()["access_token"]
    assert wire.userinfo(token).status_code == 200
    wire.wall.advance(61)
    refused = wire.userinfo(token)
    assert (refused.status_code, refused.json()["error"]) == (401, "insufficient_user_authentication")
    challenge = refused.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="veilleur", error="insufficient_user_authentication"')
    assert 'max_age="60"' in challenge
    # The client asks for just that: the person logs in again, and the new token is good.
    again = wire.authorize("careful", cookie=cookie, max_age="60")
    assert "/login/" in again.headers["location"]
    fresh = wire.redeem(wire.code("careful", cookie=wire.log_in("two"), max_age="60"), "careful").json()["access_token"]
    assert wire.userinfo(fresh).status_code == 200


@pytest.mark.spec("RFC9470-3")
def test_a_level_that_is_too_low_is_challenged_by_its_name(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("careful", quirks={"userinfo_acr": "eidas2"})))
    low = wire.redeem(wire.code("careful", cookie=wire.log_in("low", acr="eidas1")), "careful").json()["access_token"]
    refused = wire.userinfo(low)
    assert refused.status_code == 401
    assert 'acr_values="eidas2"' in refused.headers["www-authenticate"]
    assert wire.events("userinfo.released") == []
    assert "/login/" in wire.authorize("careful", cookie=wire.log_in("low", acr="eidas1"), acr_values="eidas2").headers["location"]
    high = wire.redeem(wire.code("careful", cookie=wire.log_in("high")), "careful").json()["access_token"]
    assert wire.userinfo(high).status_code == 200


@pytest.mark.spec("FAPI1B-6.2.1")
@pytest.mark.parametrize("sent", [None, "c770aef3-6784-41f7-8e0e-ff5f97bddb3a", "another text, not to be given back"])
def test_the_name_that_a_service_gives_an_exchange_comes_back_or_one_of_ours(wire: Wire, sent: str | None) -> None:
    headers = {"Authorization": f"Bearer {wire.tokens()['access_token']}", **({"x-fapi-interaction-id": sent} if sent else {})}
    told = wire.http.get(f"{CONNECT}/userinfo", headers=headers).headers["x-fapi-interaction-id"]
    assert str(UUID(told)) == told
    assert (told == sent) == (sent is not None and " " not in sent)
