from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import InvalidRequest
from idp.tokens.actor import actor_of
from tests.idp.endpoints.login_flow import public_jwk, sign
from tests.idp.wire import ISSUER, client

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
LPS = client("lps", jwks={"keys": [public_jwk(KEY)]})


def _token(**changed: object) -> str:
    claims = {"iss": "lps", "sub": "poste", "exp": int((NOW + timedelta(minutes=1)).timestamp()), **changed}
    return sign(KEY, {"alg": "ES256"}, claims)


@pytest.mark.spec("RFC8693-4.1")
def test_only_what_has_a_name_is_taken_over() -> None:
    token = _token(lps_nom="LPS", scope="everything", act={"sub": "other"}, aud=ISSUER)
    assert actor_of(token, LPS, issuer=ISSUER, now=NOW) == {"sub": "poste", "lps_nom": "LPS"}


def test_without_registered_keys_nothing_is_verified() -> None:
    with pytest.raises(InvalidRequest, match="jwks"):
        actor_of(_token(), client("lps"), issuer=ISSUER, now=NOW)


@given(st.text(max_size=200))
def test_nothing_one_can_type_is_a_fault_of_ours(text: str) -> None:
    with pytest.raises(InvalidRequest):
        actor_of(text, LPS, issuer=ISSUER, now=NOW)
