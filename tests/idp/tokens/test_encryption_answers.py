"""Answers that one client alone can read, opened by an implementation that is not ours where there is one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from tests.idp.served import Site, serving
from tests.idp.wire import CONNECT, ISSUER, SECRET, Wire, client, query_of, running

KEY = ECKey.generate_key("P-256", parameters={"kid": "enc-1", "use": "enc"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "enc-2", "use": "enc"})
JWKS = {"keys": [KEY.as_dict(private=False), RSA.as_dict(private=False)]}


def _register(wire: Wire, **members: Any) -> None:
    wire.call(lambda provider: provider.store.clients.put(client("sealed", **{"jwks": JWKS, **members})))


def _opened(wire: Wire, token: str, *, alg: str = "ECDH-ES+A256KW", audience: str = "sealed", **options: Any) -> dict[str, Any]:
    """Decrypted, then verified by PyJWT with the published keys."""
    key = RSA if alg.startswith("RSA") else KEY
    nested = jwe.decrypt_compact(token, key, algorithms=[alg, "A256GCM", "A128CBC-HS256"]).plaintext
    assert nested is not None
    keys = jwt.PyJWKSet.from_dict(wire.http.get(f"{CONNECT}/certs").json())
    kid = jwt.get_unverified_header(nested)["kid"]
    signer = next(key for key in keys.keys if key.key_id == kid)
    # The provider's clock stands in 2026.
    checks = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, **options}
    claims: dict[str, Any] = jwt.decode(nested, signer, ["ES256", "RS256"], audience=audience, issuer=ISSUER, options=checks)  # type: ignore[arg-type]
    return claims


@pytest.mark.spec("OIDCC-2", "OIDCC-16.14", "RFC7516-3.1")
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256"])
def test_an_id_token_is_signed_then_encrypted(wire: Wire, alg: str) -> None:
    _register(wire, id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc="A256GCM")
    tokens = wire.tokens("sealed", nonce="n-42")
    assert tokens["id_token"].count(".") == 4
    assert _opened(wire, tokens["id_token"], alg=alg)["nonce"] == "n-42"
    assert tokens["access_token"].count(".") == 2


@pytest.mark.spec("OIDCC-5.3.2")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_userinfo_is_a_signed_jwt_for_a_client_that_wants_it(wire: Wire, alg: str) -> None:
    _register(wire, userinfo_signed_response_alg=alg)
    tokens = wire.tokens("sealed", scope="openid profile")
    answer = wire.userinfo(tokens["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    keys = jwt.PyJWKSet.from_dict(wire.http.get(f"{CONNECT}/certs").json())
    assert jwt.get_unverified_header(answer.text)["alg"] == alg
    signer = next(key for key in keys.keys if key.key_id == jwt.get_unverified_header(answer.text)["kid"])
    claims = jwt.decode(answer.text, signer, [alg], audience="sealed", issuer=ISSUER)
    assert claims["family_name"] == "TESTEUR0000005"
    # It is no token, and cannot be taken for one.
    assert wire.userinfo(answer.text).status_code == 401
    assert wire.post("token/introspect", token=answer.text).json() == {"active": False}


@pytest.mark.spec("OIDCC-5.3.2", "OIDCC-16.14")
def test_userinfo_is_encrypted_where_the_client_wants_it(wire: Wire) -> None:
    _register(wire, userinfo_signed_response_alg="ES256", userinfo_encrypted_response_alg="ECDH-ES+A256KW")
    answer = wire.userinfo(wire.tokens("sealed", scope="openid profile")["access_token"])
    assert answer.headers["content-type"] == "application/jwt"
    assert "TESTEUR" not in answer.text
    assert _opened(wire, answer.text)["family_name"] == "TESTEUR0000005"


@pytest.mark.spec("JARM-2.2")
def test_an_answer_of_the_authorization_endpoint_is_encrypted(wire: Wire) -> None:
    _register(wire, authorization_encrypted_response_alg="ECDH-ES+A256KW")
    answer = wire.authorize("sealed", cookie=wire.log_in(), response_mode="jwt")
    assert _opened(wire, query_of(answer)["response"], verify_iat=False)["state"] == "s-1"
    refused = wire.authorize("sealed", response_mode="jwt", prompt="none")
    assert _opened(wire, query_of(refused)["response"])["error"] == "login_required"


@pytest.mark.spec("RFC9701-5", "RFC9701-6")
def test_an_introspection_answer_is_encrypted(wire: Wire) -> None:
    _register(wire, introspection_encrypted_response_alg="ECDH-ES+A256KW")
    token = wire.tokens("sealed")["access_token"]
    headers = {"Accept": "application/token-introspection+jwt"}
    answer = wire.http.post(f"{CONNECT}/token/introspect", data={"token": token}, auth=("sealed", SECRET), headers=headers)
    assert _opened(wire, answer.text)["token_introspection"]["active"] is True


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Wire, Site]]:
    with running(tmp_path, outbound_loopback=True) as wire, serving() as site:
        yield wire, site


@pytest.mark.spec("OIDCC-10.2.1")
def test_the_key_is_the_one_that_jwks_uri_holds_and_without_it_nothing_is_given(published: tuple[Wire, Site]) -> None:
    wire, site = published
    members = {"id_token_encrypted_response_alg": "ECDH-ES+A256KW", "authorization_encrypted_response_alg": "ECDH-ES"}
    _register(wire, jwks=None, jwks_uri=f"{site.base}/keys", **members)
    refused = wire.redeem(wire.code("sealed"), "sealed")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert "use enc" in refused.json()["error_description"]
    site.put("/keys", JWKS)
    wire.wall.advance(60)
    assert _opened(wire, wire.tokens("sealed")["id_token"])["aud"] == "sealed"
