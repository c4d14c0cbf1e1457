from typing import Any

import pytest

from idp.registration import RegistrationError, parse_client
from idp.registration.encryption import check_encryption
from tests.idp.relying_party import public_jwks
from tests.idp.wire import client

GOOD = {"client_id": "c", "client_name": "C", "redirect_uris": ["https://service.example/retour"], "jwks": public_jwks("ES256")}


@pytest.mark.spec("OIDCR-2", "RFC8725-3.2")
@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"id_token_encrypted_response_alg": "RSA1_5"}, "id_token_encrypted_response_alg: 'RSA1_5' is not offered: its padding"),
        ({"userinfo_encrypted_response_alg": "RSA-OAEP"}, "'RSA-OAEP' is not offered: it rests on SHA-1"),
        ({"id_token_encrypted_response_alg": "dir"}, "shared with us"),
        ({"id_token_encrypted_response_alg": "PBES2-HS256+A128KW"}, "not offered; use one of RSA-OAEP-256"),
        ({"id_token_encrypted_response_enc": "A256GCM"}, "means nothing without"),
        ({"id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A192GCM"}, "must be one of A256GCM"),
        ({"id_token_encrypted_response_alg": "RSA-OAEP-256"}, "needs a key to encrypt to with RSA-OAEP-256"),
        ({"introspection_encrypted_response_alg": "ECDH-ES", "jwks": None}, "needs a key"),
        ({"userinfo_encrypted_response_alg": "ECDH-ES"}, "signed first"),
        ({"userinfo_signed_response_alg": "none"}, "userinfo_signed_response_alg"),
    ],
)
def test_what_cannot_be_encrypted_is_said_on_registration(members: dict[str, Any], message: str) -> None:
    with pytest.raises(RegistrationError) as refused:
        parse_client({**GOOD, **members}, "x")
    assert message in str(refused.value)


def test_a_client_that_publishes_its_keys_is_believed() -> None:
    check_encryption(client("c", jwks_uri="https://service.example/keys", id_token_encrypted_response_alg="RSA-OAEP-256"))
