from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey, RSAKey

from idp.errors import InvalidRequest
from idp.tokens.encryption import CONTENT_ALGORITHMS, KEY_ALGORITHMS, encrypt_for, find_key, wanted
from tests.idp.wire import client

EC = ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "enc"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "enc"})
JWKS = {"keys": [key.as_dict(private=False) for key in (EC, RSA)]}


def _client(alg: str | None, enc: str | None = None, jwks: Any = JWKS) -> Any:
    return client("c", jwks=jwks, id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc)


@pytest.mark.spec("RFC7516-7.1", "RFC7518-4.3", "RFC7518-4.6", "RFC7518-5.2", "RFC7518-5.3", "RFC7519-5.2")
@pytest.mark.parametrize("enc", CONTENT_ALGORITHMS)
@pytest.mark.parametrize("alg", KEY_ALGORITHMS)
def test_every_offered_algorithm_is_read_with_the_client_s_key(alg: str, enc: str) -> None:
    sealed = encrypt_for(_client(alg, enc), "id_token", "a.b.c")
    opened = jwe.decrypt_compact(sealed, RSA if alg.startswith("RSA") else EC, algorithms=[alg, enc])
    assert opened.plaintext == b"a.b.c"
    header = opened.protected
    assert (header["alg"], header["enc"], header["cty"]) == (alg, enc, "JWT")
    assert header["kid"] == ("rsa" if alg.startswith("RSA") else "ec")
    assert "zip" not in header


@pytest.mark.spec("OIDCR-2")
def test_without_alg_there_is_none_and_without_enc_there_is_the_default() -> None:
    assert encrypt_for(_client(None), "id_token", "a.b.c") == "a.b.c"
    assert wanted(_client("ECDH-ES"), "id_token") == ("ECDH-ES", "A128CBC-HS256")
    assert wanted(_client("ECDH-ES"), "userinfo") is None


@pytest.mark.parametrize("jwks", [None, {"keys": []}, {"keys": [RSA.as_dict(private=False)]}, {"keys": [{"kty": "EC", "use": "sig"}]}])
def test_nothing_leaves_in_the_clear_when_there_is_no_key(jwks: Any) -> None:
    with pytest.raises(InvalidRequest, match="none to encrypt to with ECDH-ES"):
        encrypt_for(_client("ECDH-ES", jwks=jwks), "id_token", "a.b.c")


def test_a_key_that_cannot_be_used_is_said_without_a_trace_of_the_token() -> None:
    with pytest.raises(InvalidRequest, match="cannot be used") as refused:
        encrypt_for(_client("ECDH-ES", jwks={"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}), "id_token", "secret")
    assert "secret" not in str(refused.value)


@pytest.mark.spec("RFC7517-4.2")
def test_a_key_meant_for_encryption_comes_before_one_meant_for_nothing_and_one_for_signatures_never() -> None:
    plain, signing, sealing = {"kty": "EC", "kid": "p"}, {"kty": "EC", "kid": "s", "use": "sig"}, {"kty": "EC", "kid": "e", "use": "enc"}
    assert find_key({"keys": [plain, signing, sealing]}, "ECDH-ES") == sealing
    assert find_key({"keys": [signing, plain]}, "ECDH-ES") == plain
    assert find_key({"keys": [signing]}, "ECDH-ES") is None
    assert find_key({"keys": [{**sealing, "alg": "ECDH-ES+A256KW"}]}, "ECDH-ES") is None
