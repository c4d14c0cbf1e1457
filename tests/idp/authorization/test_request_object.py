"""Negative sets of FAPI 2.0 Message Signing and RFC 9101 for a signed request."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization.request_object import OpenedObject, open_request_object
from idp.errors import InvalidRequestObject, OAuthError
from idp.model import Profile
from tests.idp.relying_party import public_jwks, request_claims, sign
from tests.idp.wire import ISSUER, START, client

AT = int(START.timestamp())
CLIENT = client("c", jwks=public_jwks("ES256", "PS256", "RS256"))
FAPI2 = client("c", jwks=public_jwks("ES256", "PS256", "RS256"), profile=Profile.FAPI2)


def _open(value: str, party: Any = CLIENT) -> dict[str, str]:
    return open_request_object(value, party, issuer=ISSUER, now=START).parameters


@pytest.mark.spec("RFC9101-4", "FAPI2MS-5.3.1")
@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
@pytest.mark.parametrize("typ", [None, "JWT", "oauth-authz-req+jwt"])
def test_a_sound_object_gives_its_parameters_and_not_its_envelope(alg: str, typ: str | None) -> None:
    opened = _open(
        sign(request_claims("c", max_age=60, resource=["https://a.example/", "https://b.example/"], colour="red"), alg=alg, typ=typ)
    )
    assert (opened["max_age"], opened["resource"], opened["state"]) == ("60", "https://a.example/ https://b.example/", "signed-state")
    assert not {"iss", "aud", "exp", "nbf", "iat", "jti", "colour"} & opened.keys()


@pytest.mark.spec("RFC9101-4", "RFC9101-10.8", "FAPI2MS-5.3.1")
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"aud": None}, "aud"),
        ({"aud": f"{ISSUER}/protocol/openid-connect/ext/par/request"}, "aud"),
        ({"aud": ["https://other.example"]}, "aud"),
        ({"aud": {}}, "aud"),
        ({"iss": None}, "iss"),
        ({"iss": "other"}, "iss"),
        ({"client_id": "other"}, "client_id"),
        ({"sub": "c"}, "sub"),
        ({"request": "x"}, "inside"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "inside"),
        ({"jti": 3}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": "j" * 257}, "jti"),
        ({"exp": None}, "exp is missing"),
        ({"exp": "soon"}, "exp must be"),
        ({"exp": True}, "exp must be"),
        ({"exp": AT - 11}, "expired"),
        ({"exp": AT + 3611}, "60 minutes"),
        ({"exp": 1e300}, "60 minutes"),
        ({"nbf": AT - 3611, "exp": AT + 5}, "60 minutes"),
        ({"nbf": AT - 1800, "exp": AT + 1811}, "60 minutes"),
        ({"nbf": AT + 11}, "not valid yet"),
        ({"iat": AT + 11}, "not valid yet"),
        ({"state": 3}, "state"),
        ({"scope": ["openid"]}, "scope"),
        ({"max_age": True}, "max_age"),
        ({"max_age": 1.5}, "max_age"),
        ({"claims": ["a"]}, "claims"),
        ({"resource": [3]}, "resource"),
    ],
    ids=str,
)
def test_an_object_that_does_not_hold_is_refused_by_member(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequestObject, match=fault):
        _open(sign(request_claims("c", **changes)))


@pytest.mark.spec("FAPI2MS-5.3.1")
def test_clocks_may_differ_by_ten_seconds() -> None:
    assert _open(sign(request_claims("c", nbf=AT + 10, iat=AT + 10)))
    assert _open(sign(request_claims("c", exp=AT - 9)))
    assert _open(sign(request_claims("c", aud=["https://other.example", ISSUER])))


@pytest.mark.spec("FAPI2MS-5.3.1", "FAPI2SP-5.4.1")
def test_fapi2_demands_nbf_and_forbids_rs256() -> None:
    assert _open(sign(request_claims("c"), alg="PS256"), FAPI2)
    with pytest.raises(InvalidRequestObject, match="nbf is missing"):
        _open(sign(request_claims("c", nbf=None)), FAPI2)
    with pytest.raises(InvalidRequestObject, match="ES256 or PS256 by"):
        _open(sign(request_claims("c"), alg="RS256"), FAPI2)
    assert _open(sign(request_claims("c", nbf=None)))


@pytest.mark.spec("OIDCC-6.2")
def test_an_object_at_a_registered_address_needs_no_end_and_keeps_the_one_that_it_has() -> None:
    def hosted(party: Any = CLIENT, **changes: Any) -> OpenedObject:
        return open_request_object(sign(request_claims("c", **changes)), party, issuer=ISSUER, now=START, hosted=True)

    assert hosted(exp=None, jti="one").object_id is None
    assert hosted(jti="one").object_id == ("one", START + timedelta(seconds=70))
    for party, changes, fault in ((CLIENT, {"exp": AT - 11}, "expired"), (FAPI2, {"exp": None}, "exp is missing")):
        with pytest.raises(InvalidRequestObject, match=fault):
            hosted(party, **changes)


@pytest.mark.spec("RFC9101-10.1", "RFC8725-3.1")
def test_only_the_algorithm_that_a_client_registered_counts() -> None:
    narrow = client("c", jwks=public_jwks("ES256", "PS256"), request_object_signing_alg="PS256")
    assert _open(sign(request_claims("c"), alg="PS256"), narrow)
    with pytest.raises(InvalidRequestObject, match="signed with PS256 by"):
        _open(sign(request_claims("c")), narrow)


@pytest.mark.spec("RFC9101-10.8", "RFC8725-3.11")
def test_another_kind_of_token_is_no_request() -> None:
    for typ in ("client-authentication+jwt", "dpop+jwt", "at+jwt"):
        with pytest.raises(InvalidRequestObject, match="typ"):
            _open(sign(request_claims("c"), typ=typ))


@pytest.mark.spec("RFC9101-6.2", "RFC8725-3.1", "RFC8725-3.2")
def test_a_signature_of_anybody_else_or_of_nobody_is_refused() -> None:
    good = sign(request_claims("c"))
    head, body, signature = good.split(".")

    def encoded(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    forged = [
        sign(request_claims("c"), key="stolen"),
        f"{encoded({'alg': 'none'})}.{body}.",
        f"{encoded({'alg': 'none', 'kid': 'key-ES256'})}.{body}.{signature}",
        f"{encoded({'alg': 'HS256', 'kid': 'key-ES256'})}.{body}.{signature}",
        f"{head}.{encoded(request_claims('c', scope='openid identity'))}.{signature}",
        f"{head}.{body}.{'A' * len(signature)}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature}.x.y",
        f"{encoded({'alg': 'ES256', 'kid': 'key-ES256', 'crit': ['exp']})}.{body}.{signature}",
        sign(b"[1]"),
        sign(b"not json"),
        sign(b'{"iss": "\\ud800"}'),
        "a" * 20_000,
        "é.é.é",
    ]
    for value in forged:
        with pytest.raises(InvalidRequestObject):
            _open(value)


@given(st.text(max_size=60) | st.from_regex(r"[\w-]{1,20}\.[\w-]{0,20}\.[\w-]{0,20}"))
def test_no_text_brings_anything_but_a_refusal(value: str) -> None:
    with pytest.raises(OAuthError):
        _open(value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(st.dictionaries(st.sampled_from([*request_claims("c"), "jti", "sub", "claims", "max_age", "resource", "prompt"]), _json, max_size=4))
def test_whatever_is_signed_opens_or_is_refused(changes: dict[str, Any]) -> None:
    try:
        opened = _open(sign(request_claims("c", **changes)))
    except InvalidRequestObject:
        return
    assert all(isinstance(value, str) and value for value in opened.values())
