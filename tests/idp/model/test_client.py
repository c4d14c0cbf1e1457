from tests.idp.relying_party import public_jwks
from tests.idp.wire import client


def test_a_client_has_keys_when_it_registered_them_or_says_where_they_are() -> None:
    assert not client("c").has_keys
    assert client("c", jwks=public_jwks()).has_keys
    assert client("c", jwks_uri="https://service.example/keys").has_keys
