"""Answers that are wrong on purpose: each is one that a service must refuse (OpenID Connect Core §3.1.3.7, RFC 9207 §2.4).

A test of a service orders one through the control API, which exists in development only; elsewhere nothing is ever ordered.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import orjson
from joserfc import jws

from idp.keys.signing_key import base64url
from idp.model import Client
from idp.provider import Provider


class Fault(StrEnum):
    """What is wrong with the answers to one client."""

    SIGNATURE = "signature"
    UNKNOWN_KEY = "unknown_key"
    UNSIGNED = "unsigned"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NONCE = "nonce"
    #: Of the address that the browser comes back by, not of the ID token.
    RESPONSE_STATE = "response_state"
    RESPONSE_ISSUER = "response_issuer"


#: What a claim of an ID token says instead; it expired a day ago.
_ELSEWHERE: Final = "https://somebody.else.example"
_CLAIMS: Final[Mapping[Fault, Mapping[str, Any]]] = {
    Fault.ISSUER: {"iss": _ELSEWHERE},
    Fault.AUDIENCE: {"aud": "somebody-else", "azp": "somebody-else"},
    Fault.NONCE: {"nonce": "of-another-login"},
}
_DAY_SECONDS: Final = 86_400


async def spoil_tokens(provider: Provider, client: Client, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer of the token endpoint, with the ID token that was ordered for this client; an encrypted one stays as it is."""
    ordered, token = provider.spoiled.get(client.client_id), body.get("id_token")
    if ordered is None or not isinstance(token, str) or token.count(".") != 2:
        return body
    return {**body, "id_token": await _spoilt(provider, client, Fault(ordered), token)}


async def _spoilt(provider: Provider, client: Client, fault: Fault, token: str) -> str:
    read = jws.extract_compact(token.encode())
    header, claims = dict(read.headers()), orjson.loads(read.payload)
    claims |= _CLAIMS.get(fault, {})
    if fault is Fault.EXPIRED:
        claims |= {"iat": claims["iat"] - _DAY_SECONDS, "exp": claims["exp"] - _DAY_SECONDS}
    if fault is Fault.UNKNOWN_KEY:
        header["kid"] = "of-nobody"
    if fault is Fault.UNSIGNED:
        header = {"alg": "none", "typ": "JWT"}
    signed = f"{base64url(orjson.dumps(header))}.{base64url(orjson.dumps(claims))}"
    if fault is Fault.UNSIGNED:
        return f"{signed}."
    signature = await provider.keys.sign(provider.keys.signer(client.id_token_signed_response_alg), signed.encode())
    if fault is Fault.SIGNATURE:
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return f"{signed}.{base64url(signature)}"


def spoil_response(provider: Provider, client: Client, members: Mapping[str, str]) -> Mapping[str, str]:
    """The answer of the authorization endpoint, as it was ordered for this client."""
    ordered = provider.spoiled.get(client.client_id)
    if ordered == Fault.RESPONSE_STATE:
        return {**members, "state": "of-another-login"}
    return {**members, "iss": _ELSEWHERE} if ordered == Fault.RESPONSE_ISSUER else members
