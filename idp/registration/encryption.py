"""What a registration may say of encryption: offered algorithms alone, and a key to encrypt to."""

from typing import Final

from idp.model import Client
from idp.tokens.encryption import CONTENT_ALGORITHMS, ENCRYPTABLE, KEY_ALGORITHMS, find_key

#: Names that other providers accept, and why they are refused here.
_REFUSED: Final = {
    "RSA1_5": "its padding lets a stranger decrypt by asking often enough (RFC 8725 §3.2)",
    "RSA-OAEP": "it rests on SHA-1",
    "dir": "it needs a key shared with us",
}


def check_encryption(client: Client) -> None:
    """Raise ValueError, naming the member at fault."""
    for what in ENCRYPTABLE:
        alg_member, enc_member = f"{what}_encrypted_response_alg", f"{what}_encrypted_response_enc"
        alg, enc = getattr(client, alg_member), getattr(client, enc_member)
        if alg is None:
            if enc is not None:
                raise ValueError(f"{enc_member}: means nothing without {alg_member}")
            continue
        if alg not in KEY_ALGORITHMS:
            why = f": {_REFUSED[alg]}" if alg in _REFUSED else ""
            raise ValueError(f"{alg_member}: {alg!r} is not offered{why}; use one of {', '.join(KEY_ALGORITHMS)}")
        if enc is not None and enc not in CONTENT_ALGORITHMS:
            raise ValueError(f"{enc_member}: must be one of {', '.join(CONTENT_ALGORITHMS)}")
        if not client.has_keys or (client.jwks is not None and find_key(client.jwks, alg) is None):
            raise ValueError(f"{alg_member}: needs a key to encrypt to with {alg}, in jwks or jwks_uri")
    if client.userinfo_encrypted_response_alg is not None and client.userinfo_signed_response_alg is None:
        raise ValueError("userinfo_signed_response_alg: goes with userinfo_encrypted_response_alg: what is encrypted is signed first")
