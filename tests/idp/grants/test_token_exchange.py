import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.model import AccountState, Profile
from tests.idp.endpoints.login_flow import public_jwk, sign
from tests.idp.wire import ISSUER, PERSON, Wire, claims_of, client

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
DRUGS, RECORDS = "https://medicaments.example/fhir", "https://dossiers.example/fhir"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def api(wire: Wire) -> Wire:
    """The provider with a client that may exchange tokens of «psc» for two interfaces."""
    lps = client(
        "lps",
        grant_types=(EXCHANGE, "refresh_token"),
        scope=frozenset({"openid", "identity", "profile", "drugs:read", "drugs:write"}),
        resources=(DRUGS, RECORDS),
        serves_resources=(ISSUER,),
        exchange_subject_clients=("psc",),
        jwks={"keys": [public_jwk(KEY)]},
    )
    for registered in (lps, replace(lps, client_id="one", resources=(DRUGS,), jwks=None, exchange_subject_clients=("psc", "lps"))):
        wire.register(registered)
    return wire


def _exchange(wire: Wire, subject: str | None, client_id: str = "lps", /, **changed: Any) -> Any:
    form: dict[str, Any] = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TOKEN, "scope": "drugs:read", "audience": DRUGS, **changed}
    return wire.post("token", client_id, subject_token=subject, **form)


def _subject(wire: Wire, scope: str = "openid scope_all") -> str:
    token: str = wire.tokens("psc", scope=scope)["access_token"]
    return token


def _introspected(wire: Wire, token: str) -> dict[str, Any]:
    document: dict[str, Any] = wire.post("token/introspect", "lps", token=token).json()
    return document


def _actor(wire: Wire, key: ec.EllipticCurvePrivateKey = KEY, header: dict[str, Any] | None = None, **changed: Any) -> str:
    now = int(wire.provider.clock().timestamp())
    claims = {"iss": "lps", "sub": "poste-12", "exp": now + 60, "lps_nom": "LPS d’essai", "lps_id": "42", "lps_version": "1.0", **changed}
    return sign(key, header or {"alg": "ES256"}, {name: value for name, value in claims.items() if value is not None})


@pytest.mark.spec("RFC8693-2.1", "RFC8693-2.2.1", "PSC-8.1")
@pytest.mark.parametrize("kind", [ACCESS_TOKEN, JWT])
def test_a_person_s_token_becomes_one_of_an_interface(api: Wire, kind: str) -> None:
    answer = _exchange(api, _subject(api), subject_token_type=kind)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope", "issued_token_type"}
    assert (body["issued_token_type"], body["expires_in"], body["scope"]) == (ACCESS_TOKEN, 60, "drugs:read")
    claims = claims_of(body["access_token"])
    assert (claims["aud"], claims["client_id"], claims["iss"], claims["exp"] - claims["iat"]) == (DRUGS, "lps", ISSUER, 60)
    assert "act" not in claims
    document = _introspected(api, body["access_token"])
    assert (document["active"], document["aud"], document["scope"]) == (True, DRUGS, "drugs:read")
    [*_, event] = api.events("access_token.issued")
    assert (event["health.grant.type"], event["health.relying_party.id"], event["user.id"]) == (EXCHANGE, "lps", PERSON.national_id)


def test_the_token_of_an_interface_opens_nothing_here(api: Wire) -> None:
    token = _exchange(api, _subject(api)).json()["access_token"]
    assert api.userinfo(token).status_code == 401


@pytest.mark.spec("RFC8693-2.2.2", "RFC8707-2")
@pytest.mark.parametrize("changed", [{"audience": "https://elsewhere.example"}, {"audience": None}, {"audience": ISSUER}])
def test_the_audience_is_one_that_the_client_registered(api: Wire, changed: dict[str, str | None]) -> None:
    assert _exchange(api, _subject(api), **changed).json()["error"] == "invalid_target"


def test_the_only_audience_need_not_be_named_and_resource_says_the_same(api: Wire) -> None:
    assert claims_of(_exchange(api, _subject(api), "one", audience=None).json()["access_token"])["aud"] == DRUGS
    assert claims_of(_exchange(api, _subject(api), audience=None, resource=RECORDS).json()["access_token"])["aud"] == RECORDS
    assert claims_of(_exchange(api, _subject(api), resource=DRUGS).json()["access_token"])["aud"] == DRUGS


@pytest.mark.spec("RFC8693-2.1", "RFC8693-2.2.2")
def test_a_token_is_for_one_server_and_never_for_the_first_of_several(api: Wire) -> None:
    assert _exchange(api, _subject(api), resource=RECORDS).json()["error"] == "invalid_target"
    assert _exchange(api, _subject(api), audience=[DRUGS, RECORDS]).json()["error"] == "invalid_target"
    assert claims_of(_exchange(api, _subject(api), audience=[DRUGS, DRUGS]).json()["access_token"])["aud"] == DRUGS


@pytest.mark.spec("RFC8693-2.2.2")
@pytest.mark.parametrize("scope", [None, "openid", "sessions:revoke", "drugs:read nothing", "scope_all", "profile"])
def test_the_scope_is_never_wider_than_registration_and_subject_token(api: Wire, scope: str | None) -> None:
    assert _exchange(api, _subject(api, "openid scope_all"), scope=scope).json()["error"] == "invalid_scope"


def test_who_the_person_is_goes_on_only_where_the_subject_token_says_it(api: Wire) -> None:
    assert _exchange(api, _subject(api, "openid identity"), scope="identity drugs:read").json()["scope"] == "drugs:read identity"
    assert _exchange(api, _subject(api, "openid scope_all"), scope="identity").json()["error"] == "invalid_scope"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.sets(st.sampled_from(["openid", "identity", "profile", "scope_all", "drugs:read", "drugs:write", "x"]), min_size=1))
def test_whatever_is_asked_nothing_is_widened(api: Wire, asked: set[str]) -> None:
    answer = _exchange(api, _subject(api, "openid identity"), scope=" ".join(sorted(asked)))
    if asked <= {"identity", "drugs:read", "drugs:write"}:
        assert set(answer.json()["scope"].split()) == asked
    else:
        assert answer.json()["error"] == "invalid_scope"


@pytest.mark.spec("RFC8693-2.1", "RFC8693-2.2.2")
def test_only_live_tokens_of_the_clients_named_on_registration_count(api: Wire) -> None:
    others = api.tokens("baseline")
    mine = api.tokens("psc", scope="openid scope_all")
    machine = api.post("token", "machine", grant_type="client_credentials").json()["access_token"]
    for token in (others["access_token"], mine["id_token"], mine["refresh_token"], machine, "x.y.z", mine["access_token"][:-4] + "AAAA"):
        assert _exchange(api, token).json()["error"] == "invalid_request"
    assert _exchange(api, None).json()["error"] == "invalid_request"
    assert _exchange(api, mine["access_token"], subject_token_type=None).json()["error"] == "invalid_request"
    assert _exchange(api, mine["access_token"], requested_token_type="urn:ietf:params:oauth:token-type:refresh_token").status_code == 400
    api.wall.advance(121)
    assert _exchange(api, mine["access_token"]).json()["error"] == "invalid_request"


def test_a_token_got_by_exchange_is_not_exchanged_again(api: Wire) -> None:
    token = _exchange(api, _subject(api)).json()["access_token"]
    assert _exchange(api, token, "one").json()["error"] == "invalid_request"


def test_it_never_outlives_the_token_it_came_from(api: Wire) -> None:
    subject = _subject(api)
    api.wall.advance(100)
    assert _exchange(api, subject).json()["expires_in"] == 20


@pytest.mark.spec("RFC8693-5")
def test_a_client_that_did_not_register_for_it_is_refused(api: Wire) -> None:
    subject = _subject(api)
    assert _exchange(api, subject, "baseline").json()["error"] == "unauthorized_client"
    form = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN, "client_id": "public"}
    assert api.post("token", None, **form).json()["error"] == "unauthorized_client"


@pytest.mark.parametrize("way", ["logout", "revocation of the grant", "suspension", "revocation of the person", "its own revocation"])
def test_what_ends_the_login_ends_the_exchanged_token(api: Wire, way: str) -> None:
    subject = api.tokens("psc", scope="openid scope_all")
    token = _exchange(api, subject["access_token"]).json()["access_token"]
    assert _introspected(api, token)["active"]
    now = api.provider.clock()
    if way == "logout":
        api.http.get(f"{ISSUER}/protocol/openid-connect/logout", params={"id_token_hint": subject["id_token"]}, follow_redirects=False)
    elif way == "revocation of the grant":
        assert api.post("revoke", "psc", token=subject["refresh_token"]).status_code == 200
    elif way == "suspension":
        api.call(lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)))
    elif way == "revocation of the person":
        api.call(lambda provider: provider.store.revocations.revoke_account(PERSON.id, now))
    else:
        assert api.post("revoke", "lps", token=token).status_code == 200
    assert not _introspected(api, token)["active"]
    assert _introspected(api, subject["access_token"])["active"] is (way == "its own revocation")


@pytest.mark.spec("RFC8693-4.1", "PSC-8.1")
def test_an_actor_token_becomes_the_act_claim(api: Wire) -> None:
    body = _exchange(api, _subject(api), actor_token=_actor(api, situation_exercice="S-1"), actor_token_type=JWT).json()
    expected = {"sub": "poste-12", "lps_nom": "LPS d’essai", "lps_id": "42", "lps_version": "1.0", "situation_exercice": "S-1"}
    assert claims_of(body["access_token"])["act"] == expected
    assert _introspected(api, body["access_token"])["act"] == expected
    assert api.events("access_token.issued")[-1]["health.actor.id"] == "poste-12"


@pytest.mark.spec("RFC8693-2.1", "RFC8725-3.1")
def test_an_actor_token_that_does_not_hold_refuses_the_exchange(api: Wire) -> None:
    now = int(api.provider.clock().timestamp())
    other = ec.generate_private_key(ec.SECP256R1())
    bad = [
        _actor(api, other),
        _actor(api, iss="psc"),
        _actor(api, sub=None),
        _actor(api, sub=3),
        _actor(api, lps_nom="x" * 201),
        _actor(api, exp=None),
        _actor(api, exp="soon"),
        _actor(api, exp=now - 11),
        _actor(api, exp=now + 3600),
        _actor(api, aud="https://other.example"),
        _actor(api, header={"alg": "none"}),
        _actor(api, header={"alg": "ES256", "crit": ["x"], "x": 1}),
        "x" * 9000,
        "é",
        json.dumps({"iss": "lps"}),
    ]
    subject = _subject(api)
    for token in bad:
        answer = _exchange(api, subject, actor_token=token, actor_token_type=JWT)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), token
    assert _exchange(api, subject, actor_token=_actor(api)).json()["error"] == "invalid_request"
    assert _exchange(api, subject, actor_token=_actor(api), actor_token_type=ACCESS_TOKEN).json()["error"] == "invalid_request"
    assert _exchange(api, subject, "one", actor_token=_actor(api), actor_token_type=JWT).json()["error"] == "invalid_request"


def test_the_profile_of_pro_sante_connect_exchanges_too(api: Wire) -> None:
    api.call(
        lambda provider: provider.store.clients.put(
            client(
                "psc-lps",
                profile=Profile.PSC,
                grant_types=(EXCHANGE,),
                scope=frozenset({"openid", "drugs:read"}),
                resources=(DRUGS,),
                exchange_subject_clients=("psc",),
                id_token_signed_response_alg="RS256",
            )
        )
    )
    claims = claims_of(_exchange(api, _subject(api), "psc-lps").json()["access_token"])
    assert (claims["azp"], claims["aud"], claims["preferred_username"]) == ("psc-lps", DRUGS, PERSON.national_id)
