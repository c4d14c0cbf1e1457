import pytest

from idp.client_keys.jwks import check_jwks, usable_keys
from tests.idp.relying_party import public_jwks


@pytest.mark.spec("RFC7517-5")
def test_keys_that_can_be_used_pass_and_their_faults_are_named() -> None:
    keys = public_jwks("ES256", "RS256")
    check_jwks(keys)
    assert usable_keys(keys) == keys["keys"]
    with pytest.raises(ValueError, match="key 2 must be an RSA or EC key"):
        check_jwks({"keys": [*public_jwks()["keys"], {"kty": "oct"}]})
    with pytest.raises(ValueError, match="must hold a list"):
        check_jwks({})


@pytest.mark.parametrize("document", [None, 3, [], {"keys": None}, {"keys": ["x", {"kty": "EC", "crv": "P-256"}]}])
def test_nothing_usable_is_an_empty_list(document: object) -> None:
    assert usable_keys(document) == []


def test_a_set_is_read_up_to_a_bound() -> None:
    assert len(usable_keys({"keys": public_jwks()["keys"] * 400})) == 50
