import base64
import hmac
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey

from idp.client_auth.presented import Expectation
from idp.client_auth.private_key_jwt import present, verify
from idp.errors import InvalidClient
from idp.model import Client, Profile
from tests.idp.wire import CONNECT, ISSUER, START, Wire, client

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k1"}
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NOW = int(START.timestamp())
EXPECTED = Expectation(issuer=ISSUER, endpoints=frozenset({f"{CONNECT}/token"}), now=START)


def _client(**members: Any) -> Client:
    return client("app", token_endpoint_auth_method="private_key_jwt", client_secret_hash=None, jwks={"keys": [JWK]}, **members)


def _assertion(key: Any = KEY, alg: str = "ES256", headers: dict[str, Any] | None = None, **claims: Any) -> str:
    payload = {"iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "j-1", **claims}
    return jwt.encode({n: v for n, v in payload.items() if v is not None}, key, alg, {"kid": "k1", **(headers or {})})


def _check(assertion: str, registered: Client | None = None) -> None:
    presented = present("", {"client_assertion": assertion, "client_assertion_type": TYPE})
    assert presented is not None
    verify(registered or _client(), presented, EXPECTED)


@pytest.mark.spec("RFC7523-3", "CIBA-7.1", "PSC-2.4")
@pytest.mark.parametrize("path", ["token", "token/introspect", "revoke", "ext/par/request", "ext/ciba/auth", "auth/device"])
def test_every_endpoint_may_be_named_by_a_client_with_the_old_audience_and_by_no_other(wire: Wire, path: str) -> None:
    for name, profile in (("old", Profile.PSC), ("new", Profile.BASELINE)):
        registered = replace(_client(profile=profile), client_id=name)
        wire.register(registered)
        assertion = _assertion(iss=name, sub=name, aud=f"{CONNECT}/{path}")
        form = {"client_assertion": assertion, "client_assertion_type": TYPE, "token": "x"}
        answer = wire.http.post(f"{CONNECT}/token/introspect", data=form)
        assert answer.status_code == (200 if name == "old" else 401), answer.text


@pytest.mark.spec("RFC7519-4.1.5", "RFC7519-4.1.6")
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", [None, True, "1", [], {}])
def test_a_time_that_is_no_number_is_refused(name: str, value: object) -> None:
    payload = {"iss": "app", "sub": "app", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "j-1", name: value}
    header = {"alg": "ES256", "kid": "k1"}
    with pytest.raises(InvalidClient) as refused:
        _check(jws.serialize_compact(header, json.dumps(payload), ECKey.import_key(KEY)))
    assert f"{name} must be a number of seconds" in refused.value.detail


@pytest.mark.spec("RFC7523-3")
def test_a_sound_assertion_is_accepted_with_and_without_its_own_type() -> None:
    _check(_assertion())
    _check(_assertion(headers={"typ": "client-authentication+jwt"}))


@pytest.mark.spec("RFC7523-3")
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "other"},
        {"aud": f"{CONNECT}/token"},
        {"aud": [ISSUER]},
        {"aud": [ISSUER, "https://evil.example"]},
        {"aud": None},
        {"exp": NOW - 60},
        {"exp": NOW + 86_400},
        {"exp": None},
        {"nbf": NOW + 60},
        {"iat": NOW + 60},
        {"jti": None},
        {"jti": "j" * 300},
    ],
    ids=str,
)
def test_an_assertion_whose_claims_do_not_hold_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidClient):
        _check(_assertion(**claims))


@pytest.mark.spec("RFC8725-3.1", "RFC8725-3.2")
def test_an_assertion_signed_by_anything_but_the_client_s_key_is_refused() -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned = _assertion(None, "none")
    by_another = _assertion(ec.generate_private_key(ec.SECP256R1()))
    # The public key as an HMAC secret: libraries refuse to make it, so it is made by hand.
    head, body, _ = _assertion(headers={"alg": "ES256"}).split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=").decode()
    mac = base64.urlsafe_b64encode(hmac.digest(pem, f"{head}.{body}".encode(), "sha256")).rstrip(b"=").decode()
    confused = f"{head}.{body}.{mac}"
    embedded = _assertion(ec.generate_private_key(ec.SECP256R1()), headers={"jwk": JWK})
    critical = _assertion(headers={"crit": ["exp"]})
    for assertion in (unsigned, by_another, confused, embedded, critical, "a.b.c", "x" * 9000):
        with pytest.raises(InvalidClient):
            _check(assertion)


@pytest.mark.spec("RFC8725-3.11")
def test_a_token_of_another_type_is_no_assertion() -> None:
    with pytest.raises(InvalidClient):
        _check(_assertion(headers={"typ": "at+jwt"}))


def test_the_token_endpoint_as_audience_is_for_clients_of_psc_alone() -> None:
    _check(_assertion(aud=f"{CONNECT}/token"), _client(profile=Profile.PSC))


@pytest.mark.spec("RFC7523-3")
def test_an_assertion_counts_once(wire: Wire) -> None:
    registered = _client(grant_types=("client_credentials",), scope=frozenset({"sessions:read"}))
    wire.call(lambda provider: provider.store.clients.put(registered))
    form = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": _assertion()}
    assert wire.post("token", None, **form).status_code == 200
    assert wire.post("token", None, **form).json()["error"] == "invalid_client"
    form["client_assertion"] = _assertion(jti="j-2")
    assert wire.post("token", None, **form).status_code == 200


def test_the_assertion_type_must_be_named() -> None:
    with pytest.raises(InvalidClient, match="client_assertion_type"):
        present("", {"client_assertion": _assertion()})
