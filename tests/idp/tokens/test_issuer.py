import base64
import hashlib
import json
from dataclasses import replace

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.tokens import Issuer
from tests.idp.wire import CLIENTS, ISSUER, NATIONAL_ID, Wall, Wire, claims_of

_FORGED = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()


def _verified(wire: Wire, token: str, audience: str) -> dict[str, object]:
    """With the other implementation, as a relying party does."""
    keys = jwt.PyJWKSet.from_dict(json.loads(wire.provider.keys.jwks()))
    header = jwt.get_unverified_header(token)
    claims: dict[str, object] = jwt.decode(
        token,
        keys[header["kid"]].key,
        [header["alg"]],
        audience=audience,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


@pytest.mark.spec("OIDCC-2", "OIDCC-3.1.3.7", "RFC7519-7.2", "RFC9700-4.6.1")
@pytest.mark.parametrize(("client_id", "alg"), [("baseline", "ES256"), ("psc", "RS256")])
def test_another_implementation_accepts_the_id_token_by_the_published_keys(wire: Wire, client_id: str, alg: str) -> None:
    tokens = wire.tokens(client_id)
    claims = _verified(wire, tokens["id_token"], client_id)
    assert jwt.get_unverified_header(tokens["id_token"])["alg"] == alg
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


@pytest.mark.spec("RFC9068-2.1", "RFC9068-2.2")
def test_an_access_token_says_its_type_and_what_it_is_for(wire: Wire) -> None:
    token = wire.tokens(scope="openid identity")["access_token"]
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    claims = _verified(wire, token, ISSUER)
    assert {"iss", "sub", "aud", "client_id", "exp", "iat", "jti", "scope", "auth_time", "acr"} <= claims.keys()
    assert claims["scope"] == "identity openid"


@pytest.mark.spec("PSC-3.2", "PSC-3.3")
def test_tokens_of_a_psc_client_have_the_shape_of_psc(wire: Wire) -> None:
    tokens = wire.tokens("psc", scope="openid scope_all")
    access, identity = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
    assert access["exp"] - access["iat"] == 120
    assert "aud" not in access
    assert (access["typ"], identity["typ"], access["azp"]) == ("Bearer", "ID", "psc")
    assert access["preferred_username"] == NATIONAL_ID
    assert access["session_state"] == access["sid"] == identity["sid"]
    assert access["authMode"] == "MOBILE"
    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "JWT"


def test_a_pairwise_client_sees_its_own_subject_everywhere(wire: Wire) -> None:
    tokens = wire.tokens("pairwise")
    sub = claims_of(tokens["id_token"])["sub"]
    assert sub == claims_of(tokens["access_token"])["sub"] == wire.userinfo(tokens["access_token"]).json()["sub"]
    assert sub != claims_of(wire.tokens("baseline")["id_token"])["sub"]


@pytest.mark.spec("RFC8725-3.1", "RFC7515-5.2")
def test_a_token_that_was_touched_is_not_ours(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    head, body, signature = token.split(".")
    claims = claims_of(token)
    other = base64.urlsafe_b64encode(json.dumps({**claims, "scope": "openid identity"}).encode()).rstrip(b"=").decode()
    unsigned = f"{_FORGED}.{body}."
    for forged in (f"{head}.{other}.{signature}", unsigned, f"{head}.{body}.", f"{head}.{body}", "", "x" * 10_000, f"{token}x"):
        assert wire.provider.tokens.recognise(forged) is None


def test_an_id_token_is_no_access_token(wire: Wire) -> None:
    for client_id in ("baseline", "psc"):
        assert wire.userinfo(wire.tokens(client_id)["id_token"]).status_code == 401


def test_a_token_is_recognised_by_a_process_that_did_not_make_it(wire: Wire) -> None:
    token = wire.tokens()["access_token"]
    wire.provider.tokens._recognised.clear()
    assert wire.provider.tokens.recognise(token) == claims_of(token)["jti"]


class _NoKeys:
    def published(self) -> dict[str, object]:
        return {}


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: ".".join([base64.urlsafe_b64encode(b).decode()] * 3)))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    reader = Issuer(_NoKeys(), Wall(), issuer=ISSUER)  # type: ignore[arg-type]
    assert reader.recognise(text) is None


@pytest.mark.spec("RFC9068-2.1", "RFC9068-2.2", "RFC9068-2.2.1", "RFC9068-2.2.3")
@pytest.mark.parametrize("client_id", ["baseline", "psc"])
def test_one_switch_makes_access_tokens_of_the_standard_s_profile(wire: Wire, client_id: str) -> None:
    registered = replace({each.client_id: each for each in CLIENTS}[client_id], quirks={"access_token_type": "at+jwt"})
    wire.call(lambda provider: provider.store.clients.put(registered))
    token = wire.tokens(client_id)["access_token"]
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    claims = _verified(wire, token, ISSUER)
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time", "acr"} <= claims.keys()
    assert claims["client_id"] == client_id
    assert wire.userinfo(token).status_code == 200
