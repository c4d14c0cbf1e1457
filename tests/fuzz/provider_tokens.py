"""Everything signed that comes to the provider, and to an interface behind it: claims are changed, and then signed with the right key.

Without that a changed token would end at its signature, and nothing behind it would be tried.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey

from idp import resource_server
from idp.authentication.device_request import REQUEST_TYPE, body_sha256, read_signed_request, verify_signed_request
from idp.authentication.refusal import AuthenticationRefused
from idp.authorization.request_object import open_backchannel_request, open_request_object
from idp.client_auth import private_key_jwt
from idp.client_auth.presented import Expectation
from idp.client_keys import _kid
from idp.client_keys.jwks import check_jwks, usable_keys
from idp.errors import OAuthError
from idp.explanation.facts import jwt_facts
from idp.keys.signing_key import base64url
from idp.model import Client
from idp.tokens.actor import actor_of
from idp.tokens.dpop import ProofExpectation, judge, read_proof
from idp.tokens.issuer import Issuer
from tests.fuzz.target import Shape, Target, document, signed, text

NOW: Final = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
AT: Final = int(NOW.timestamp())
ISSUER: Final = "https://idp.example/auth/realms/esante-wallet"
TOKEN_URL: Final = f"{ISSUER}/protocol/openid-connect/token"
#: Always the same, so that a crash file means the same in every process.
KEY: Final = ec.derive_private_key(0x5EED, ec.SECP256R1())


def _public() -> dict[str, str]:
    numbers = KEY.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": base64url(numbers.x.to_bytes(32)), "y": base64url(numbers.y.to_bytes(32))}


PUBLIC: Final = _public()
JWK: Final = {**PUBLIC, "kid": "k", "alg": "ES256", "use": "sig"}
CLIENT: Final = Client(client_id="signer", client_name="Signer", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [JWK]})


def compact(data: bytes) -> str:
    """A token of the two lines, signed as ES256 whatever the header says."""
    header, _, payload = data.partition(b"\n")
    said = f"{base64url(header)}.{base64url(payload)}"
    r, s = decode_dss_signature(KEY.sign(said.encode(), ec.ECDSA(SHA256())))
    return f"{said}.{base64url(r.to_bytes(32) + s.to_bytes(32))}"


def _assertion(data: bytes) -> object:
    form = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": compact(data)}
    presented = private_key_jwt.present("", form)
    assert presented is not None
    private_key_jwt.verify(CLIENT, presented, Expectation(issuer=ISSUER, endpoints=frozenset({TOKEN_URL}), now=NOW))
    return presented.assertion_id


def _proof(data: bytes) -> object:
    proof = read_proof(compact(data))
    return judge(proof, ProofExpectation(method="POST", urls=frozenset({TOKEN_URL}), now=NOW, access_token="token"))


def _phone(data: bytes) -> object:
    request = read_signed_request(f"Device {compact(data)}")
    return verify_signed_request(request, PUBLIC, method="POST", url=f"{ISSUER}/phone", body=b"{}", now=NOW)


class _Keys:
    """A ring that publishes one key."""

    class _Published:
        kid, alg, public_jwk = "k", "ES256", JWK

    def published(self) -> dict[str, Any]:
        return {"k": self._Published}


def _own_token(data: bytes) -> object:
    issuer = Issuer(_Keys(), lambda: NOW, issuer=ISSUER)  # type: ignore[arg-type]  # nothing is signed here
    token = compact(data)
    return issuer.recognise(token), issuer.id_token_claims(token)


@cache
def _key_set() -> jwt.PyJWKSet:
    return jwt.PyJWKSet.from_dict({"keys": [JWK]})


def _interface(data: bytes) -> object:
    """An access token bound to a key, and its proof: the same bytes stand for both, each with what it needs."""
    token = compact(data)
    shown = resource_server.Presented(scheme="DPoP", token=token, method="GET", url="https://api.example/", proof=token)
    interface = resource_server.Interface(issuer=ISSUER, audience="https://api.example")
    needs = resource_server.Needs(scope=frozenset({"openid"}), acr_values=("eidas2",))
    return resource_server.check(shown, interface, _key_set(), needs=needs, now=NOW)


def _raw(data: bytes) -> object:
    """A token nobody signed: whatever the bytes are, at every door that reads one."""
    token = text(data)
    signer = replace(CLIENT, client_id="signer")
    doors: tuple[Callable[[], object], ...] = (
        lambda: read_proof(token),
        lambda: open_request_object(token, signer, issuer=ISSUER, now=NOW),
        lambda: actor_of(token, signer, issuer=ISSUER, now=NOW),
        lambda: private_key_jwt.present("", {"client_assertion_type": private_key_jwt._ASSERTION_TYPE, "client_assertion": token}),
        lambda: read_signed_request(f"Device {token}"),
    )
    issuer = Issuer(_Keys(), lambda: NOW, issuer=ISSUER)  # type: ignore[arg-type]  # nothing is signed here
    found = (issuer.recognise(token), _kid(token), jwt_facts("client_assertion", token))
    for door in doors:
        try:
            door()
        except (OAuthError, AuthenticationRefused):
            continue
    return found


def _key_document(data: bytes) -> object:
    """A JWK set as a client publishes it: what is usable must also be importable."""
    try:
        read = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    found = usable_keys(read)
    if found:
        check_jwks({"keys": found})
    return [ECKey.import_key(key).thumbprint() for key in found if key["kty"] == "EC"]


_HASH = base64url(hashlib.sha256(b"token").digest())
_TIMES = {"iat": AT, "nbf": AT, "exp": AT + 60, "jti": "j-123456789"}
_CLIENT_SAYS = {"iss": "signer", "sub": "signer", "aud": ISSUER, **_TIMES}
_ASKS = {"client_id": "signer", "response_type": "code", "redirect_uri": "https://service.example/retour", "scope": "openid"}
_ACCESS = {"iss": ISSUER, "sub": "s", "aud": "https://api.example", "client_id": "signer", "scope": "openid", "acr": "eidas2", **_TIMES}
_RSA = {"kty": "RSA", "e": "AQAB", "n": base64url(b"\xc1" + b"\x17" * 255), "kid": "r"}
_NESTED = {"alg": "ES256", "typ": "dpop+jwt", "jwk": PUBLIC, "x": [[[[]]]]}

TARGETS: Final = (
    Target(
        name="client-assertion",
        parse=_assertion,
        refusals=(OAuthError,),
        shape=Shape.SIGNED,
        reads=("idp/client_auth/private_key_jwt.py",),
        seeds=signed(({"alg": "ES256", "kid": "k", "typ": "JWT"}, _CLIENT_SAYS), ({"alg": "ES256"}, {**_CLIENT_SAYS, "aud": [ISSUER]})),
    ),
    Target(
        name="dpop-proof",
        parse=_proof,
        refusals=(OAuthError,),
        shape=Shape.SIGNED,
        reads=("idp/tokens/dpop.py", "idp/endpoints/sender.py"),
        seeds=(
            *signed(
                (
                    {"alg": "ES256", "typ": "dpop+jwt", "jwk": PUBLIC},
                    {"htm": "POST", "htu": TOKEN_URL, "iat": AT, "jti": "j", "ath": _HASH, "nonce": "n"},
                ),
                ({"alg": "PS256", "typ": "dpop+jwt", "jwk": _RSA}, {"htm": "POST"}),
                (_NESTED, {"htm": "POST", "htu": f"{TOKEN_URL}?a#b"}),
            ),
            # Deep enough to end the reader's stack, short enough to be read at all.
            b'{"alg":"ES256","jwk":' + b"[" * 1400 + b"\n{}",
            b"[" * 1500 + b"\n{}",
        ),
    ),
    Target(
        name="request-object",
        parse=lambda data: open_request_object(compact(data), CLIENT, issuer=ISSUER, now=NOW),
        refusals=(OAuthError,),
        shape=Shape.SIGNED,
        reads=("idp/authorization/request_object.py",),
        seeds=signed(
            ({"alg": "ES256", "typ": "oauth-authz-req+jwt"}, {"iss": "signer", "aud": ISSUER, **_TIMES, **_ASKS}),
            (
                {"alg": "ES256"},
                {
                    "iss": "signer",
                    "aud": [ISSUER],
                    **_TIMES,
                    **_ASKS,
                    "max_age": 60,
                    "resource": ["https://api.example"],
                    "claims": {"id_token": {"acr": None}},
                    "authorization_details": [{"type": "x"}],
                },
            ),
        ),
    ),
    Target(
        name="backchannel-request",
        parse=lambda data: open_backchannel_request(compact(data), CLIENT, issuer=ISSUER, now=NOW),
        refusals=(OAuthError,),
        shape=Shape.SIGNED,
        reads=("idp/authorization/request_object.py",),
        seeds=signed(
            (
                {"alg": "ES256"},
                {"iss": "signer", "aud": ISSUER, **_TIMES, "scope": "openid", "login_hint": "899700000005", "requested_expiry": 60},
            )
        ),
    ),
    Target(
        name="actor-token",
        parse=lambda data: actor_of(compact(data), CLIENT, issuer=ISSUER, now=NOW),
        refusals=(OAuthError,),
        shape=Shape.SIGNED,
        reads=("idp/tokens/actor.py",),
        seeds=signed(({"alg": "ES256"}, {"iss": "signer", "aud": ISSUER, "exp": AT + 60, "sub": "899700000005", "lps_nom": "Logiciel"})),
    ),
    Target(
        name="phone-signature",
        parse=_phone,
        refusals=(AuthenticationRefused,),
        shape=Shape.SIGNED,
        reads=("idp/authentication/device_request.py",),
        seeds=(
            *signed(
                (
                    {"alg": "ES256", "typ": REQUEST_TYPE, "kid": "d"},
                    {"htm": "POST", "htu": f"{ISSUER}/phone", "iat": AT, "jti": "j-123456789", "body_sha256": body_sha256(b"{}")},
                )
            ),
            b'{"alg":"ES256","typ":"' + REQUEST_TYPE.encode() + b'","kid":"d"}\n{"htm":"POST","htu":"http://["}',
        ),
    ),
    Target(
        name="own-token",
        parse=_own_token,
        shape=Shape.SIGNED,
        reads=("idp/tokens/issuer.py", "idp/tokens/own.py", "idp/tokens/live.py"),
        seeds=signed(
            ({"alg": "ES256", "kid": "k", "typ": "at+jwt"}, {**_ACCESS, "jti": "j"}),
            ({"alg": "ES256", "kid": "k", "typ": "JWT"}, {"iss": ISSUER, "sub": "s", "aud": "signer", "at_hash": "h", "sid": "s"}),
        ),
    ),
    Target(
        name="interface-token",
        parse=_interface,
        refusals=(resource_server.Refused,),
        shape=Shape.SIGNED,
        reads=("idp/resource_server.py",),
        seeds=(
            *signed(
                ({"alg": "ES256", "kid": "k", "typ": "at+jwt"}, {**_ACCESS, "cnf": {"jkt": "t"}}),
                ({"alg": "ES256", "kid": "k", "typ": "at+jwt"}, {**_ACCESS, "cnf": {"x5t#S256": "t"}}),
                ({"alg": "ES256", "typ": "dpop+jwt", "jwk": PUBLIC}, {"htm": "GET", "htu": "https://api.example/", "iat": AT, "jti": "j"}),
            ),
            b"[" * 4000 + b"\n{}",
            b'{"alg":"ES256","kid":"k"}\n' + b"[" * 4000,
        ),
    ),
    Target(
        name="unsigned-token",
        parse=_raw,
        shape=Shape.TEXT,
        reads=("idp/explanation/facts.py", "idp/client_keys/__init__.py"),
        seeds=(
            compact(b'{"alg":"ES256","kid":"k"}\n{"sub":"signer"}').encode(),
            b"e30.e30.AA",
            b"e30.AA.AA.AA.AA",
            b".....",
            base64url(b"[" * 380).encode() + b"." + base64url(b"[" * 1000).encode() + b".AA",
        ),
        longest=9000,
    ),
    Target(
        name="jwks-document",
        parse=_key_document,
        shape=Shape.JSON,
        reads=("idp/client_keys/jwks.py", "idp/client_keys/__init__.py", "idp/tokens/certificate.py"),
        seeds=document({"keys": [JWK, _RSA]}, {"keys": [{**JWK, "x5c": ["MIIB"]}, {"kty": "oct", "k": "AA"}]}),
    ),
)
