"""Keys of a relying party, and what it signs with them."""

from functools import cache
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.idp.wire import CHALLENGE, ISSUER, REDIRECT, START


@cache
def private_key(alg: str = "ES256") -> ECKey | RSAKey:
    """The key that the party's jwks hold for an algorithm, or (``stolen``) one that they do not."""
    name = {"alg": alg, "kid": f"key-{alg}"}
    if alg.startswith(("RS", "PS")):
        return RSAKey.generate_key(2048, parameters=name)  # type: ignore[arg-type]
    return ECKey.generate_key("P-256", parameters={"kid": name["kid"]})


def public_jwks(*algs: str) -> dict[str, Any]:
    """What the party registers."""
    return {"keys": [private_key(alg).as_dict(private=False) for alg in algs or ("ES256",)]}


def sign(claims: bytes | dict[str, Any], *, alg: str = "ES256", typ: str | None = "oauth-authz-req+jwt", key: str = "") -> str:
    """A compact JWS; ``key`` names another key than that of the algorithm."""
    import orjson

    payload = claims if isinstance(claims, bytes) else orjson.dumps(claims)
    header = {"alg": alg, "kid": f"key-{key or alg}"} | ({"typ": typ} if typ else {})
    return jws.serialize_compact(header, payload, private_key(key or alg), algorithms=[alg])


def request_claims(client_id: str, /, **changes: Any) -> dict[str, Any]:
    """The payload of a sound request object; a member given as None is left out."""
    at = int(START.timestamp())
    claims = {
        "iss": client_id,
        "aud": ISSUER,
        "exp": at + 60,
        "nbf": at,
        "iat": at,
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid",
        "state": "signed-state",
        "nonce": "signed-nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}
