"""A client that registers PS256 gets all that is signed for it in PS256, and another implementation verifies it by the published keys."""

import json
from typing import Any

import jwt
import pytest

from idp.keys.signing_key import base64url
from idp.model import Profile
from idp.registration import parse_client
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, Wire, client, query_of

SIGNED = (
    *("id_token_signed_response_alg", "userinfo_signed_response_alg", "authorization_signed_response_alg"),
    "introspection_signed_response_alg",
)


def _read(wire: Wire, token: str, alg: str = "PS256") -> dict[str, Any]:
    """The claims, verified by PyJWT with the key that the token names, in this algorithm alone."""
    keys = jwt.PyJWKSet.from_dict(wire.http.get(f"{CONNECT}/certs").json())
    named = keys[jwt.get_unverified_header(token)["kid"]]
    assert named.algorithm_name == alg
    options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    claims: dict[str, Any] = jwt.decode(token, named.key, [alg], issuer=ISSUER, options=options)
    return claims


@pytest.mark.spec("RFC7518-3.5", "FAPI2SP-5.4.1", "OIDCR-2", "JARM-3", "RFC9701-6")
def test_everything_that_is_signed_for_the_client_is_signed_as_it_registered(wire: Wire) -> None:
    wire.register(client("salted", profile=Profile.BASELINE, **dict.fromkeys(SIGNED, "PS256")))
    answer = wire.authorize("salted", cookie=wire.log_in(), response_mode="jwt")
    code = _read(wire, query_of(answer)["response"])["code"]
    body = wire.redeem(code, "salted").json()
    assert _read(wire, body["id_token"])["aud"] == "salted"
    subject = _read(wire, body["access_token"])["sub"]
    assert _read(wire, wire.userinfo(body["access_token"]).text)["sub"] == subject
    accept = {"Accept": "application/token-introspection+jwt"}
    asked = wire.http.post(f"{CONNECT}/token/introspect", data={"token": body["access_token"]}, auth=("salted", "s" * 43), headers=accept)
    assert _read(wire, asked.text)["token_introspection"]["active"] is True
    hint = {"id_token_hint": body["id_token"], "post_logout_redirect_uri": "https://service.example/au-revoir"}
    assert wire.http.get(f"{CONNECT}/logout", params=hint, follow_redirects=False).status_code in (200, 303)


@pytest.mark.spec("RFC8725-3.1")
def test_a_name_of_the_key_stands_for_its_algorithm_alone(wire: Wire) -> None:
    wire.register(client("salted", id_token_signed_response_alg="PS256"))
    token = wire.tokens("salted")["access_token"]
    plain, salted = wire.provider.keys.signer("RS256"), wire.provider.keys.signer("PS256")
    header = base64url(json.dumps({**jwt.get_unverified_header(token), "kid": plain.kid}).encode())
    signed = f"{header}.{token.split('.')[1]}"
    forged = f"{signed}.{base64url(salted.sign(signed.encode()))}"
    assert wire.userinfo(forged).status_code == 401
    assert wire.userinfo(token).status_code == 200


@pytest.mark.parametrize("profile", ["psc", "baseline", "fapi2"])
def test_every_profile_may_register_it_for_all_that_is_signed(profile: str) -> None:
    entry: dict[str, Any] = {"client_id": "c", "client_name": "C", "profile": profile, "redirect_uris": [REDIRECT]}
    entry |= {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://service.example/jwks"}
    entry |= dict.fromkeys((*SIGNED, "request_object_signing_alg", "token_endpoint_auth_signing_alg"), "PS256")
    made = parse_client({**entry, "dpop_bound_access_tokens": True}, "clients.yaml")
    assert {getattr(made, name) for name in SIGNED} == {"PS256"}
