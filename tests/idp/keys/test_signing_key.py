import json
from datetime import UTC, datetime

import jwt
import pytest

from idp.keys.signing_key import ALGORITHMS, Algorithm, SigningKey, base64url, thumbprint

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module", params=ALGORITHMS)
def key(request: pytest.FixtureRequest) -> SigningKey:
    alg: Algorithm = request.param
    return SigningKey.generate(alg, created_at=NOW, active_at=NOW)


@pytest.mark.spec("RFC7638-3.1")
def test_the_thumbprint_is_that_of_the_example() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXA"
        "rwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lF"
        "d2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    assert thumbprint({"e": "AQAB", "kty": "RSA", "n": n}) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.spec("RFC7518-3.3", "RFC7518-3.4", "RFC7515-5.1")
def test_another_implementation_verifies_the_signature(key: SigningKey) -> None:
    head = base64url(json.dumps({"alg": key.alg, "kid": key.kid}).encode())
    signed = f"{head}.{base64url(b'{}')}"
    token = f"{signed}.{base64url(key.sign(signed.encode()))}"
    assert jwt.decode(token, jwt.PyJWK(key.public_jwk).key, algorithms=[key.alg]) == {}


@pytest.mark.spec("RFC7517-4")
def test_the_published_key_holds_nothing_private(key: SigningKey) -> None:
    assert not key.public_jwk.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}
    assert (key.public_jwk["use"], key.public_jwk["alg"], key.public_jwk["kid"]) == ("sig", key.alg, key.kid)


def test_a_key_comes_back_from_its_stored_form(key: SigningKey) -> None:
    again = SigningKey.from_bytes(key.to_bytes())
    assert (again.kid, again.public_jwk, again.created_at, again.removed_at) == (key.kid, key.public_jwk, NOW, None)
