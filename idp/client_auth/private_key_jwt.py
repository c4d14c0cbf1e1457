"""``private_key_jwt``: an assertion signed by the client (RFC 7523 §2.2, §3; audience as RFC 10070 demands)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.client_auth.presented import AssertionId, Expectation, Presented
from idp.errors import AUTHENTICATION_FAILED, InvalidClient
from idp.model import Client
from idp.profiles import algorithms_of, rules_of

METHOD = "private_key_jwt"

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TYPES = (None, "JWT", "client-authentication+jwt")
_MAX_LENGTH = 8192
#: An assertion valid longer than this could be replayed for as long.
MAX_LIFETIME = timedelta(minutes=10)
#: How far the clocks may be apart.
LEEWAY = timedelta(seconds=10)


def present(authorization: str, form: Mapping[str, str]) -> Presented | None:
    """The client is the ``sub`` of the assertion, believed only once the signature is verified with that client's keys."""
    assertion = form.get("client_assertion")
    if assertion is None:
        return None
    if form.get("client_assertion_type") != _ASSERTION_TYPE:
        raise InvalidClient(f"client_assertion_type must be {_ASSERTION_TYPE}")
    if len(assertion) > _MAX_LENGTH:
        raise InvalidClient(f"client_assertion is longer than {_MAX_LENGTH} characters")
    try:
        claims = _claims(jws.extract_compact(assertion.encode("ascii")).payload)
    except (JoseError, ValueError) as error:
        raise InvalidClient("client_assertion cannot be read: it must be a signed JWT in compact form") from error
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or not client_id:
        raise InvalidClient("client_assertion must have a sub, which is the client_id")
    return Presented(client_id=client_id, proof=assertion)


def verify(client: Client, presented: Presented, expectation: Expectation) -> None:
    """Signature, then claims; sets ``presented.assertion_id`` so that the caller lets it count once."""
    if client.jwks is None or presented.proof is None:
        raise InvalidClient(AUTHENTICATION_FAILED, detail="the client registered no jwks")
    try:
        keys = KeySet.import_key_set({"keys": client.jwks["keys"]})  # type: ignore[typeddict-item]  # checked on registration
        allowed = algorithms_of(client, client.token_endpoint_auth_signing_alg)
        verified = jws.deserialize_compact(presented.proof, keys, algorithms=allowed)
        claims = _claims(verified.payload)
    except (JoseError, ValueError) as error:
        raise InvalidClient(AUTHENTICATION_FAILED, detail=f"assertion: {type(error).__name__}") from error
    fault = _fault(client, verified.headers(), claims, expectation)
    if fault:
        raise InvalidClient(AUTHENTICATION_FAILED, detail=f"assertion: {fault}")
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    presented.assertion_id = AssertionId(jti=claims["jti"], expires_at=expires_at + LEEWAY)


def _claims(payload: bytes | None) -> dict[str, Any]:
    claims = orjson.loads(payload or b"")
    if not isinstance(claims, dict):
        raise ValueError("the payload is not a JSON object")  # noqa: TRY004 (one kind of refusal for all bad payloads)
    return claims


def _fault(client: Client, header: Mapping[str, Any], claims: Mapping[str, Any], expectation: Expectation) -> str | None:
    """Why the claims do not hold (RFC 7523 §3), or None."""
    if "crit" in header:
        return "crit: no extension is understood here; leave it out"
    if header.get("typ") not in _TYPES:
        return "typ is not that of a client assertion"
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        return "iss and sub must both be the client_id"
    audience = claims.get("aud")
    accepted = {expectation.issuer}
    if rules_of(client).assertion_audience == "legacy":
        accepted |= expectation.endpoints
        audience = audience[0] if isinstance(audience, list) and len(audience) == 1 else audience
    if not isinstance(audience, str) or audience not in accepted:
        return "aud must be the issuer identifier, alone"
    if not isinstance(claims.get("jti"), str) or not 0 < len(claims["jti"]) <= 256:
        return "jti is missing or too long"
    return _time_fault(claims, expectation.now)


def _time_fault(claims: Mapping[str, Any], now: datetime) -> str | None:
    for name in ("exp", "iat", "nbf"):
        # One that is there must be a number: null is none (RFC 7519 §4.1.5).
        if (name in claims or name == "exp") and (isinstance(claims.get(name), bool) or not isinstance(claims.get(name), int | float)):
            return f"{name} must be a number of seconds"
    at = now.timestamp()
    leeway = LEEWAY.total_seconds()
    if claims["exp"] <= at - leeway:
        return "it has expired"
    if claims["exp"] > at + MAX_LIFETIME.total_seconds() + leeway:
        return f"it is valid for more than {MAX_LIFETIME}"
    if max(claims.get("iat") or 0, claims.get("nbf") or 0) > at + leeway:
        return "it is not valid yet"
    return None
