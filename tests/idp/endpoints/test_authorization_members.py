"""``resource``, ``claims``, levels and hints, from the request to the tokens."""

import json

import pytest

from tests.idp.wire import BASE, CHALLENGE, ISSUER, PERSON, REDIRECT, Wire, claims_of, client, query_of

API, OTHER = "https://api.example/", "https://other.example/"


@pytest.fixture(autouse=True)
def _client(wire: Wire) -> None:
    registered = client("api", resources=(API, OTHER))
    wire.call(lambda provider: provider.store.clients.put(registered))


@pytest.mark.spec("RFC8707-2", "RFC9068-3", "RFC9700-2.3")
def test_a_token_for_a_resource_server_is_for_it_alone(wire: Wire) -> None:
    got = wire.tokens("api", resource=API)
    assert claims_of(got["access_token"])["aud"] == API
    assert wire.userinfo(got["access_token"]).status_code == 401
    told = wire.post("token/introspect", "api", token=got["access_token"]).json()
    assert (told["active"], told["aud"]) == (True, API)
    assert claims_of(got["id_token"])["aud"] == "api"


@pytest.mark.spec("RFC8707-2.2")
def test_several_resources_are_narrowed_token_by_token(wire: Wire) -> None:
    params = [
        *{"client_id": "api", "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid"}.items(),
        *{"code_challenge": CHALLENGE, "code_challenge_method": "S256", "resource": API}.items(),
        ("resource", ISSUER),
    ]
    answer = wire.http.get(f"{BASE}/auth", params=params, headers={"Cookie": wire.log_in()}, follow_redirects=False)
    got = wire.redeem(query_of(answer)["code"], "api").json()
    assert claims_of(got["access_token"])["aud"] == sorted([API, ISSUER])
    assert wire.userinfo(got["access_token"]).status_code == 200
    narrowed = wire.refresh(got["refresh_token"], "api", resource=API).json()
    assert claims_of(narrowed["access_token"])["aud"] == API
    wider = wire.refresh(narrowed["refresh_token"], "api", resource=OTHER)
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_target")
    assert claims_of(wire.refresh(narrowed["refresh_token"], "api").json()["access_token"])["aud"] == sorted([API, ISSUER])


@pytest.mark.spec("RFC8707-2")
def test_a_resource_that_is_not_the_client_s_is_an_invalid_target(wire: Wire) -> None:
    cookie = wire.log_in()
    assert query_of(wire.authorize("api", cookie=cookie, resource="https://evil.example/"))["error"] == "invalid_target"
    assert query_of(wire.authorize("baseline", cookie=cookie, resource=API))["error"] == "invalid_target"
    assert wire.redeem(wire.code("baseline"), resource=API).json()["error"] == "invalid_target"


@pytest.mark.spec("OIDCC-5.5", "OIDCC-5.4")
def test_claims_move_into_the_id_token_as_far_as_the_scope_goes(wire: Wire) -> None:
    wished = json.dumps({"id_token": {"given_name": None, "name": {"essential": True}, "SubjectNameID": None, "email": None, "iss": None}})
    got = claims_of(wire.tokens(claims=wished, scope="openid profile")["id_token"])
    assert (got["given_name"], got["name"]) == (PERSON.given_name, f"{PERSON.given_name} {PERSON.family_name}")
    assert not {"SubjectNameID", "email", "family_name"} & got.keys()
    assert (got["iss"], got["sub"]) == (ISSUER, PERSON.id)
    bare = claims_of(wire.tokens(claims=wished)["id_token"])
    assert not {"given_name", "name", "SubjectNameID"} & bare.keys()
    psc = claims_of(wire.tokens("psc", claims=wished, scope="openid scope_all")["id_token"])
    assert psc["SubjectNameID"] == PERSON.national_id


@pytest.mark.spec("OIDCC-5.5", "OIDCC-12.2")
def test_a_refreshed_id_token_has_them_too(wire: Wire) -> None:
    first = wire.tokens(claims='{"id_token": {"given_name": null}}', scope="openid profile")
    again = wire.refresh(first["refresh_token"]).json()
    assert claims_of(again["id_token"])["given_name"] == PERSON.given_name


@pytest.mark.spec("OIDCC-5.5.1.1", "OIDCUAR-3")
def test_an_essential_level_is_told_or_ends_the_request(wire: Wire) -> None:
    def level(*values: str) -> str:
        return json.dumps({"id_token": {"acr": {"essential": True, "values": values}}})

    assert claims_of(wire.tokens(claims=level("eidas1"))["id_token"])["acr"] == "eidas1"
    told = query_of(wire.authorize(cookie=wire.log_in(), claims=level("eidas3")))
    assert told["error"] == "unmet_authentication_requirements"
    raised = wire.authorize(cookie=wire.log_in(acr="eidas1"), claims=level("eidas2"))
    assert "/login/" in raised.headers["location"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_a_login_hint_fills_the_field_and_can_do_nothing_else(wire: Wire) -> None:
    asked = wire.authorize(login_hint='8"><script>x', ui_locales="en")
    cookie = asked.headers["set-cookie"].partition(";")[0]
    page = wire.http.get(asked.headers["location"], headers={"Cookie": cookie})
    assert 'value="8&#34;&gt;&lt;script&gt;x"' in page.text
    assert page.headers["content-language"] == "en"
    long = wire.authorize(cookie=cookie, login_hint="8" * 500)
    assert f'value="{"8" * 64}"' in wire.http.get(long.headers["location"], headers={"Cookie": cookie}).text
