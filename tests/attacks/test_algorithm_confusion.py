"""Only a signature under the expected key with the expected algorithm counts.

Precedents: python-jose CVE-2024-33663 and CVE-2026-85394, authlib CVE-2024-37568 and CVE-2026-114616 (empty key), CVE-2025-59420
(``crit`` ignored), PyJWT CVE-2026-32597 and CVE-2026-102266, CVE-2025-27370 and CVE-2025-27371 (audience of client assertions);
RFC8725-2.8 (a token of one purpose used for another).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.model import Client
from tests.attacks.forgery import b64u, b64u_decode, ec_signed, hmac_signed, parts_of, public_jwk, unsigned
from tests.idp.wire import CHALLENGE, CONNECT, ISSUER, REDIRECT, SECRET, Wire, client, running

pytestmark = pytest.mark.precedent("CVE-2024-33663", "CVE-2026-85394", "CVE-2024-37568", "CVE-2026-114616", "CVE-2026-102266")


ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEY, ATTACKER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
HEADER = {"alg": "ES256", "kid": "k1"}


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A provider with one client that proves itself by a key."""
    with running(tmp_path_factory.mktemp("signing"), client_failure_limit_count=1000) as wire:
        wire.call(lambda provider: provider.store.clients.put(_signer()))
        yield wire


def _signer(**members: Any) -> Client:
    made = client(
        "signer", token_endpoint_auth_method="private_key_jwt", client_secret_hash=None, jwks={"keys": [public_jwk(KEY, kid="k1")]}
    )
    return replace(made, **{"grant_types": ("client_credentials",), "scope": frozenset({"sessions:read", "openid"}), **members})


def _claims(wire: Wire, **changes: Any) -> dict[str, Any]:
    at = int(wire.wall().timestamp())
    _claims.count = getattr(_claims, "count", 0) + 1  # type: ignore[attr-defined]  # a fresh jti each time
    made = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": f"j{_claims.count}", "iat": at, "exp": at + 60}  # type: ignore[attr-defined]
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def _ask(wire: Wire, assertion: str) -> Any:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return wire.http.post(f"{CONNECT}/token", data=form)


def _forgeries(header: dict[str, Any], claims: dict[str, Any], public: list[bytes]) -> list[str]:
    """Tokens that look like one of ``header`` and carry ``claims``, none signed with the right key."""
    genuine_looking = ec_signed(header, claims, ATTACKER)
    embedded = {"jwk": public_jwk(ATTACKER), "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u"}
    return [
        *(unsigned({**header, "alg": alg}, claims) for alg in ("none", "None", "NONE", "nOnE", "", None, [], 0)),
        unsigned({"alg": "none"}, claims, genuine_looking.rpartition(".")[2]),
        unsigned(header, claims),
        unsigned(header, claims, "AA"),
        unsigned(header, claims, b64u(bytes(64))),
        *(hmac_signed({**header, "alg": "HS256"}, claims, key) for key in (b"", b"\0", *public)),
        *(hmac_signed(header, claims, key) for key in (b"", *public)),
        genuine_looking,
        *(ec_signed({**header, name: value}, claims, ATTACKER) for name, value in embedded.items()),
        *(ec_signed({**header, "kid": kid}, claims, ATTACKER) for kid in ("", "nobody", "../../dev/null", "' OR 1=1", None, 1, ["k1"])),
    ]


@pytest.mark.spec("RFC7523-3")
@pytest.mark.precedent("CVE-2025-27370")
def test_a_right_assertion_counts_once(signing: Wire) -> None:
    assertion = ec_signed(HEADER, _claims(signing), KEY)
    assert _ask(signing, assertion).status_code == 200
    assert _ask(signing, assertion).status_code == 401


@pytest.mark.spec("RFC8725-3.1", "RFC9700-2.5")
def test_a_client_assertion_under_any_other_key_or_algorithm_is_refused(signing: Wire) -> None:
    jwk = json.dumps(public_jwk(KEY), separators=(",", ":")).encode()
    for forged in _forgeries(HEADER, _claims(signing), [PEM, PEM.strip(), DER, jwk, bytes(32)]):
        answer = _ask(signing, forged)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), forged


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "crit": ["x"], "x": 1},
        {**HEADER, "crit": []},
        {**HEADER, "crit": "b64", "b64": False},
        {**HEADER, "b64": False, "crit": ["b64"]},
        {**HEADER, "zip": "DEF", "crit": ["zip"]},
        {**HEADER, "typ": "at+jwt"},
        {**HEADER, "typ": "veilleur-device+jwt"},
        {**HEADER, "kid": "another"},
    ],
)
@pytest.mark.spec("RFC7515-4.1.11")
@pytest.mark.precedent("CVE-2025-59420", "CVE-2026-32597")
def test_a_header_that_asks_for_what_we_do_not_do_is_refused_though_the_signature_is_right(signing: Wire, header: dict[str, Any]) -> None:
    assert _ask(signing, ec_signed(header, _claims(signing), KEY)).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"aud": aud}
            for aud in (None, "", f"{CONNECT}/token", f"{ISSUER}/", [ISSUER], [ISSUER, "https://evil.example"], "https://evil.example")
        ),
        *({"iss": iss} for iss in (None, "baseline", "https://evil.example", ["signer"])),
        *({"exp": exp} for exp in (None, 0, -1, "soon", True, 10**12, 1e300, [])),
        *({"nbf": nbf} for nbf in (10**12, "x", True)),
        *({"jti": jti} for jti in (None, "", 5, "j" * 257)),
        {"iat": 10**12},
        {"sub": "baseline"},
    ],
)
@pytest.mark.spec("RFC7523-3")
@pytest.mark.precedent("CVE-2025-27370", "CVE-2025-27371")
def test_a_signed_assertion_made_for_another_purpose_is_refused(signing: Wire, changes: dict[str, Any]) -> None:
    answer = _ask(signing, ec_signed(HEADER, _claims(signing, **changes), KEY))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def _published(wire: Wire) -> list[bytes]:
    keys = wire.http.get(f"{CONNECT}/certs").json()["keys"]
    return [json.dumps(key).encode() for key in keys] + [b64u_decode(key.get("n") or key["x"]) for key in keys]


@pytest.mark.spec("RFC8725-3.1")
@pytest.mark.parametrize("client_id", ["baseline", "psc"])
def test_no_forged_access_token_opens_anything(wire: Wire, client_id: str) -> None:
    token = wire.tokens(client_id)["access_token"]
    header, claims = parts_of(token)
    crossed = [token + "A", token[:-4] + "AAAA", token + ".", f"{token}.{token}", token.partition(".")[2], f" {token[1:]}"]
    for forged in _forgeries(header, claims, _published(wire)) + crossed:
        assert wire.userinfo(forged).status_code == 401, forged
        assert wire.post("token/introspect", "interface", token=forged).json() == {"active": False}
    assert wire.userinfo(token).status_code == 200


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_no_forged_hint_ends_a_session_or_names_a_person(wire: Wire) -> None:
    tokens = wire.tokens()
    header, claims = parts_of(tokens["id_token"])
    cookie = wire.log_in()
    logout = f"{CONNECT}/logout?post_logout_redirect_uri=https%3A%2F%2Fservice.example%2Fau-revoir&id_token_hint="
    for forged in [*_forgeries(header, claims, _published(wire)), tokens["access_token"], tokens["refresh_token"]]:
        answer = wire.http.get(logout + quote(forged), headers={"Cookie": cookie}, follow_redirects=False)
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "error=invalid_request" in wire.authorize(cookie=cookie, prompt="none", id_token_hint=forged).headers["location"]
    assert "code=" in wire.authorize(cookie=cookie, prompt="none", id_token_hint=tokens["id_token"]).headers["location"]


@pytest.mark.spec("RFC9101-6.2", "RFC8725-3.1")
def test_no_forged_request_object_starts_a_login(signing: Wire) -> None:
    def ask(signed: str) -> str:
        sent = {"client_id": "signer", "response_type": "code", "scope": "openid", "redirect_uri": REDIRECT, "request": signed}
        answer = signing.http.get(f"{CONNECT}/auth", params=sent, follow_redirects=False)
        return str(answer.headers.get("location", "") + answer.text)

    signing.call(lambda provider: provider.store.clients.put(_signer(grant_types=("authorization_code",))))
    asked = {**_claims(signing, sub=None), "client_id": "signer", "response_type": "code", "scope": "openid", "redirect_uri": REDIRECT}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    jwk = json.dumps(public_jwk(KEY), separators=(",", ":")).encode()
    for forged in _forgeries(HEADER, asked, [PEM, DER, jwk]):
        assert "invalid_request_object" in ask(forged), forged
    for header in ({**HEADER, "crit": ["exp"]}, {**HEADER, "b64": False, "crit": ["b64"]}, {**HEADER, "typ": "dpop+jwt"}):
        assert "invalid_request_object" in ask(ec_signed(header, asked, KEY))
    assert "/login/" in ask(ec_signed(HEADER, asked, KEY))


@pytest.mark.spec("RFC9449-4.3", "RFC8725-3.1", "RFC9700-2.2.1", "RFC9700-4.10.1")
def test_no_forged_proof_binds_a_token(wire: Wire) -> None:
    jwk = public_jwk(KEY)
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}
    at = int(wire.wall().timestamp())
    claims = {"htm": "POST", "htu": f"{CONNECT}/token", "iat": at, "jti": "proof-1"}
    private = {**jwk, "d": b64u(KEY.private_numbers().private_value.to_bytes(32))}
    oct_key = {"kty": "oct", "k": b64u(bytes(32))}
    forged = [
        *(one for one in _forgeries(header, claims, [PEM, DER, json.dumps(jwk).encode()]) if parts_of(one)[0].get("jwk") == jwk),
        hmac_signed({**header, "alg": "HS256", "jwk": oct_key}, claims, bytes(32)),
        ec_signed({**header, "jwk": private}, claims, KEY),
        *(ec_signed({**header, "jwk": other}, claims, KEY) for other in (None, {}, [], "k1", public_jwk(ATTACKER))),
        *(ec_signed({**header, **extra}, claims, KEY) for extra in ({"crit": ["exp"]}, {"typ": "JWT"}, {"b64": False, "crit": ["b64"]})),
    ]
    for proof in forged:
        form = {"grant_type": "client_credentials", "scope": "sessions:read"}
        answer = wire.http.post(f"{CONNECT}/token", data=form, auth=("machine", SECRET), headers={"DPoP": proof})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), proof
    right = ec_signed(header, claims, KEY)
    bound = wire.http.post(f"{CONNECT}/token", data=form, auth=("machine", SECRET), headers={"DPoP": right})
    assert bound.json()["token_type"] == "DPoP"


def test_a_key_that_is_too_short_or_broken_is_not_registered(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from idp.registration import RegistrationError, parse_client

    short = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    weak = {"kty": "RSA", "n": b64u(short.n.to_bytes(128)), "e": "AQAB"}
    for key in (weak, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "oct", "k": "AA"}):
        entry = {"client_id": "a", "client_name": "A", "redirect_uris": ["https://a.example/"], "jwks": {"keys": [key]}}
        with pytest.raises(RegistrationError, match="jwks: key 1"):
            parse_client({**entry, "token_endpoint_auth_method": "private_key_jwt"}, "here")


@pytest.mark.spec("JARM-2.1", "RFC8725-3.12")
@pytest.mark.parametrize("client_id", ["baseline", "psc"])
@pytest.mark.precedent("RFC8725-2.8")
def test_a_token_of_ours_made_for_one_purpose_serves_no_other(wire: Wire, client_id: str) -> None:
    cookie, tokens = wire.log_in(), wire.tokens(client_id)
    answer = wire.authorize(client_id, cookie=cookie, response_mode="jwt").headers["location"].partition("response=")[2].partition("&")[0]
    assert answer.count(".") == 2
    for token in (answer, tokens["id_token"]):
        assert wire.userinfo(token).status_code == 401
        assert wire.post("token/introspect", "interface", token=token).json() == {"active": False}
        assert wire.refresh(token, client_id).json()["error"] == wire.redeem(token, client_id).json()["error"] == "invalid_grant"
    for token in (answer, tokens["access_token"]):
        assert "error=invalid_request" in wire.authorize(client_id, cookie=cookie, prompt="none", id_token_hint=token).headers["location"]
        assert wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": token}, follow_redirects=False).status_code == 400
