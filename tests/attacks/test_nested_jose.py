"""What is encrypted, compressed, nested or costly to open is refused before any of it is opened, at every door that reads JOSE.

Precedents: authlib CVE-2025-62706 (``zip``) and CVE-2025-61920 (unbounded segments), python-jose CVE-2024-33664 (JWE bomb), joserfc
CVE-2026-48990 (``b64``), npm jose GHSA-jv3g (PBES2 with an endless count), Keycloak CVE-2026-9793 (encryption hides that nothing
is signed).
"""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from tests.attacks.forgery import b64u, ec_signed, public_jwk, unsigned
from tests.idp.registering import ENDPOINT, Registrar, registering
from tests.idp.wire import CONNECT, ISSUER, REDIRECT, Wire, client

pytestmark = pytest.mark.precedent(*("CVE-2025-62706", "CVE-2025-61920", "CVE-2024-33664", "CVE-2026-48990", "GHSA-jv3g", "CVE-2026-9793"))

KEY = ec.generate_private_key(ec.SECP256R1())
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: A megabyte of nothing, in a kilobyte.
BOMB = zlib.compress(b" " * 1_000_000, 9)[2:-4]


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    """Every door open: registration, CIBA, exchange of tokens, signed requests."""
    with registering(tmp_path_factory.mktemp("jose"), client_failure_limit_count=10**6) as started:
        signer = client(
            "signer",
            token_endpoint_auth_method="private_key_jwt",
            client_secret_hash=None,
            grant_types=("authorization_code", "client_credentials"),
            jwks={"keys": [public_jwk(KEY, kid="k1")]},
        )
        started.wire.call(lambda provider: provider.store.clients.put(signer))
        started.grant(use_count=len(HOSTILE))
        yield started


def _encrypted(wire: Wire, inner: str, **header: Any) -> str:
    """``inner`` encrypted to the provider's own published key, as whoever can read the JWK set may do."""
    published = next(key for key in wire.http.get(f"{CONNECT}/certs").json()["keys"] if key["kty"] == "RSA")
    key = RSAKey.import_key({name: published[name] for name in ("kty", "n", "e")})
    return jwe.encrypt_compact(
        {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", **header}, inner, key, algorithms=["RSA-OAEP-256", "A256GCM", "DEF"]
    )


def _jwe(header: Any, body: bytes = b"x") -> str:
    """Five segments that nobody could decrypt; the header is what would cost."""
    return ".".join([b64u(json.dumps(header).encode()), b64u(bytes(40)), b64u(bytes(12)), b64u(body), b64u(bytes(16))])


def _raw(header: bytes, payload: bytes = b"{}") -> str:
    """Three segments, whatever they hold."""
    return ".".join([b64u(header), b64u(payload), b64u(bytes(64))])


def _claims() -> dict[str, Any]:
    return {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "j", "iat": 1795377600, "exp": 1795377660, "client_id": "signer"}


HOSTILE: dict[str, Callable[[Wire], str]] = {
    "something unsigned inside": lambda wire: _encrypted(wire, unsigned({"alg": "none"}, _claims())),
    "plain claims inside": lambda wire: _encrypted(wire, json.dumps(_claims())),
    "something signed inside": lambda wire: _encrypted(wire, ec_signed({"alg": "ES256", "kid": "k1"}, _claims(), KEY)),
    "a bomb inside": lambda wire: _encrypted(wire, " " * 1_000_000, zip="DEF"),
    "a bomb": lambda _: _jwe({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, BOMB),
    "a password guessed without end": lambda _: _jwe({"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 10**9, "p2s": b64u(bytes(16))}),
    "a key agreed on with a point of nobody": lambda _: _jwe(
        {"alg": "ECDH-ES", "enc": "A256GCM", "epk": {**ECKey.generate_key("P-256").as_dict(private=False), "y": b64u(bytes(32))}}
    ),
    "a signature over what is not encoded": lambda _: ec_signed({"alg": "ES256", "b64": False, "crit": ["b64"]}, _claims(), KEY),
    "a signature over what is compressed": lambda _: _raw(b'{"alg":"ES256","zip":"DEF"}', BOMB),
    "a thousand layers": lambda _: "." * 1000,
    "JSON instead of segments": lambda _: json.dumps({"payload": "e30", "signatures": [{"protected": "e30", "signature": ""}] * 50}),
    "a long header": lambda _: _raw(b'{"alg":"ES256","x":"' + b"a" * 150_000 + b'"}'),
    "a header of brackets": lambda _: _raw(b"[" * 7000),
    "a number of many digits": lambda _: _raw(b'{"alg":"ES256","n":' + b"9" * 6000 + b"}"),
}


def _form(path: str, client_id: str | None, **form: str) -> Callable[[Registrar, str], Any]:
    def send(registrar: Registrar, token: str) -> Any:
        return registrar.wire.post(path, client_id, **{name: token if value == "HERE" else value for name, value in form.items()})

    return send


def _page(address: str, **query: str) -> Callable[[Registrar, str], Any]:
    def send(registrar: Registrar, token: str) -> Any:
        filled = {name: token if value == "HERE" else value for name, value in query.items()}
        return registrar.wire.walked(registrar.wire.http.post(f"{CONNECT}/{address}", data=filled, follow_redirects=False))

    return send


def _header(method: str, path: str, name: str, scheme: str = "") -> Callable[[Registrar, str], Any]:
    def send(registrar: Registrar, token: str) -> Any:
        headers = {name: f"{scheme}{token}".encode("latin-1", "replace")}
        auth = ("baseline", "s" * 43) if scheme == "" else None
        return registrar.wire.http.request(method, path, headers=headers, auth=auth, **({"data": {"a": "b"}} if method == "POST" else {}))

    return send


def _statement(registrar: Registrar, token: str) -> Any:
    return registrar.register(software_statement=token)


EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
REQUEST = {"client_id": "signer", "response_type": "code", "scope": "openid", "redirect_uri": REDIRECT}
DOORS: dict[str, Callable[[Registrar, str], Any]] = {
    "client assertion": _form("token", None, grant_type="client_credentials", client_assertion_type=ASSERTION, client_assertion="HERE"),
    "request object": _page("auth", **REQUEST, request="HERE"),
    "request object of a backchannel login": _form("ext/ciba/auth", "backchannel", request="HERE"),
    "id_token_hint": _page("auth", **{**REQUEST, "client_id": "baseline"}, prompt="none", id_token_hint="HERE"),
    "id_token_hint of a logout": _page("logout", id_token_hint="HERE", post_logout_redirect_uri="https://service.example/au-revoir"),
    "hint of a backchannel login": _form("ext/ciba/auth", "backchannel", scope="openid", id_token_hint="HERE"),
    "token of a hint": _form("ext/ciba/auth", "backchannel", scope="openid", login_hint_token="HERE"),
    "subject of an exchange": _form("token", "exchanger", grant_type=EXCHANGE, subject_token="HERE", subject_token_type=ACCESS),
    "actor of an exchange": _form(
        "token", "exchanger", grant_type=EXCHANGE, subject_token="x", subject_token_type=ACCESS, actor_token="HERE", actor_token_type=ACCESS
    ),
    "token to read": _form("token/introspect", "baseline", token="HERE"),
    "token to revoke": _form("revoke", "baseline", token="HERE"),
    "access token": _header("GET", f"{CONNECT}/userinfo", "Authorization", "Bearer "),
    "access token of the administration": _header("GET", "/admin/v1/keys", "Authorization", "Bearer "),
    "proof of possession": _header("POST", f"{CONNECT}/token", "DPoP"),
    "request of a phone": _header("GET", "/phone/api/approvals", "Authorization", "Device "),
    "management of a registration": _header("GET", f"{ENDPOINT}/x", "Authorization", "Bearer "),
    "software statement": _statement,
}


@pytest.mark.spec("RFC8725-3.6", "RFC8725-3.1")
@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_opened_at_any_door(registrar: Registrar, door: str) -> None:
    for name, make in HOSTILE.items():
        token = make(registrar.wire)
        began = time.process_time()
        answer = DOORS[door](registrar, token)
        # What is not opened costs next to nothing; one of these would cost minutes.
        assert time.process_time() - began < 2, name
        assert _refused(door, answer), (name, answer.status_code, answer.text[:300])


def _refused(door: str, answer: Any) -> bool:
    if door == "token to read":
        return bool(answer.status_code == 200 and answer.json() == {"active": False}) or 400 <= answer.status_code < 500
    if door == "token to revoke":
        return answer.status_code == 200 or 400 <= answer.status_code < 500  # RFC 7009 §2.2: whatever is no token is revoked already
    if answer.status_code == 303:
        return "error=" in answer.headers["location"] and "code=" not in answer.headers["location"]
    return 400 <= answer.status_code < 500


@pytest.mark.spec("RFC9101-6.1")
def test_a_request_object_that_hides_that_nothing_signed_it_starts_no_login(registrar: Registrar) -> None:
    wire = registrar.wire
    for inner in (unsigned({"alg": "none"}, {**REQUEST, **_claims()}), json.dumps({**REQUEST, **_claims()})):
        answer = wire.http.get(f"{CONNECT}/auth", params={**REQUEST, "request": _encrypted(wire, inner)}, follow_redirects=False)
        assert "/login/" not in answer.headers.get("location", "")
        assert "invalid_request_object" in answer.headers.get("location", "") + answer.text
