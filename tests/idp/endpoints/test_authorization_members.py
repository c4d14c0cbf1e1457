"""``resource``, ``claims``, levels and hints, from the request to the tokens."""

import json
from dataclasses import replace

import pytest

from idp.endpoints.discovery import metadata
from idp.people.directory import directory_entry
from tests.idp.wire import BASE, CHALLENGE, ISSUER, NATIONAL_ID, PERSON, REDIRECT, Wire, claims_of, client, query_of

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


ASKED = {
    "userinfo": {"given_name": {"essential": True}, "codeCivilite": None, "auth_time": None, "email": None},
    "id_token": {"given_name": None, "name": {"essential": True}, "SubjectNameID": None, "email": None, "iss": None},
}


@pytest.mark.spec("OIDCC-5.5", "OIDCC-5.5.1")
def test_single_claims_are_given_where_they_were_asked_as_far_as_the_registered_scope_goes(wire: Wire) -> None:
    got = wire.tokens(claims=json.dumps(ASKED), scope="openid")
    told, userinfo = claims_of(got["id_token"]), wire.userinfo(got["access_token"]).json()
    full_name = f"{PERSON.given_name} {PERSON.family_name}"
    assert (told["given_name"], told["name"], told["SubjectNameID"]) == (PERSON.given_name, full_name, PERSON.national_id)
    assert (told["iss"], told["sub"]) == (ISSUER, PERSON.id)
    assert userinfo == {"sub": PERSON.id, "given_name": PERSON.given_name, "auth_time": told["auth_time"]}
    again = wire.refresh(got["refresh_token"]).json()
    assert claims_of(again["id_token"])["given_name"] == PERSON.given_name
    assert wire.userinfo(again["access_token"]).json() == userinfo
    assert wire.userinfo(wire.tokens(scope="openid")["access_token"]).json() == {"sub": PERSON.id}


@pytest.mark.spec("OIDCC-5.5")
def test_what_the_registered_scope_does_not_cover_is_not_given_for_the_asking(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("bare", scope=frozenset({"openid"}))))
    wire.call(lambda provider: provider.store.clients.put(client("named", scope=frozenset({"openid", "profile"}))))
    everything = dict.fromkeys(metadata(ISSUER, BASE)["claims_supported"])
    asked = json.dumps({"id_token": everything, "userinfo": everything})
    for client_id, more in (("bare", set()), ("named", {"name", "given_name", "family_name", "preferred_username"})):
        got = wire.tokens(client_id, claims=asked)
        assert wire.userinfo(got["access_token"]).json().keys() == {"sub", "auth_time", "acr", "amr", "sid"} | more
        own = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "jti"}
        assert claims_of(got["id_token"]).keys() == own | more


@pytest.mark.spec("OIDCC-5.5", "OIDCD-3")
def test_every_claim_that_discovery_names_can_be_asked_for(wire: Wire) -> None:
    directory = directory_entry(
        national_id=NATIONAL_ID, given_name="CAMILLE", family_name="TESTEUR0000005", civility="MME", exercices=(), overrides={}
    )
    wire.call(lambda provider: provider.store.accounts.put(replace(PERSON, directory=directory)))
    supported = metadata(ISSUER, BASE)["claims_supported"]
    everything = dict.fromkeys(supported)
    got = wire.tokens("psc", claims=json.dumps({"id_token": everything, "userinfo": everything}), scope="openid")
    assert set(supported) <= claims_of(got["id_token"]).keys()
    of_tokens = {"iss", "aud", "exp", "iat", "nonce", "at_hash"}
    assert set(supported) - of_tokens <= wire.userinfo(got["access_token"]).json().keys()


@pytest.mark.spec("OIDCC-5.5.1", "OIDCC-3.1.2.2")
@pytest.mark.parametrize("place", ["id_token", "userinfo"])
@pytest.mark.parametrize(
    ("conditions", "answered"),
    [
        ({"value": PERSON.id}, True),
        ({"values": ["x", PERSON.id]}, True),
        ({"value": "x"}, False),
        ({"values": ["x"]}, False),
        ({"values": []}, False),
        ({"value": 5}, False),
    ],
    ids=str,
)
def test_a_subject_that_is_demanded_is_the_one_here_or_nobody_is(wire: Wire, place: str, conditions: object, answered: bool) -> None:
    claims = json.dumps({place: {"sub": conditions}})
    assert ("code" in query_of(wire.authorize(cookie=wire.log_in(), claims=claims, prompt="none"))) is answered


@pytest.mark.spec("RFC8693-2.2.1")
def test_single_claims_do_not_pass_to_whom_a_token_is_exchanged_for(wire: Wire) -> None:
    token = wire.tokens(claims=json.dumps(ASKED), scope="openid profile")["access_token"]
    form = {"subject_token": token, "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "scope": "drugs:read"}
    exchanged = wire.post("token", "exchanger", grant_type="urn:ietf:params:oauth:grant-type:token-exchange", **form).json()
    assert PERSON.given_name not in wire.userinfo(exchanged["access_token"]).text


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
