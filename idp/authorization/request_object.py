"""Request objects (RFC 9101): the parameters of an authorization request, signed by the client that makes it.

Checked as FAPI 2.0 Message Signing §5.3.1 demands: audience, a short life, and an explicit list of algorithms.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.authorization.request import KEPT_PARAMETERS, ObjectId
from idp.errors import InvalidRequestObject, RequestNotSupported
from idp.model import Client, Profile
from idp.profiles import algorithms_of

#: What a backchannel login may ask for; in a signed request nothing of it stands outside (CIBA §7.1, §7.1.1).
BACKCHANNEL_PARAMETERS: Final = (
    *("scope", "login_hint", "login_hint_token", "id_token_hint", "binding_message", "requested_expiry", "client_notification_token"),
    *("acr_values", "user_code", "channel", "authorization_details"),
)
#: Clients of OpenID Connect Core name no type, or that of any JWT; a client assertion has another.
_TYPES: Final = (None, "jwt", "oauth-authz-req+jwt")
_MAX_LENGTH: Final = 16_384
#: FAPI 2.0 Message Signing §5.3.1: not older than this, nor valid longer.
_MAX_LIFETIME: Final = timedelta(minutes=60)
_LEEWAY: Final = timedelta(seconds=10)


class OpenedObject(NamedTuple):
    """What a request object asks for; ``object_id`` when it has a ``jti``."""

    parameters: dict[str, str]
    object_id: ObjectId | None


def open_request_object(value: str, client: Client, *, issuer: str, now: datetime, hosted: bool = False) -> OpenedObject:
    """What an authorization request asks for, signed; raises :class:`InvalidRequestObject` saying what to change.

    ``hosted``: it stands at a registered address, where its client ends it by taking it away: it needs no ``exp`` (OpenID Connect
    Core §6.2), and without one it counts as often as it is found there.
    """
    allowed = algorithms_of(client, client.request_object_signing_alg)
    claims = verified_claims(value, client, issuer=issuer, now=now, allowed=allowed, hosted=hosted)
    return OpenedObject({**_parameters(claims), "client_id": client.client_id}, _object_id(claims))


def open_backchannel_request(value: str, client: Client, *, issuer: str, now: datetime) -> OpenedObject:
    """What a backchannel login asks for, signed (CIBA §7.1.1): every claim that makes it of one time and one use must be there."""
    registered = client.backchannel_authentication_request_signing_alg or client.request_object_signing_alg
    claims = verified_claims(value, client, issuer=issuer, now=now, allowed=algorithms_of(client, registered))
    for name in ("exp", "iat", "nbf", "jti"):
        if name not in claims:
            raise InvalidRequestObject(f"request object: {name} is missing")
    texts = {name: _text(name, claims[name]) for name in BACKCHANNEL_PARAMETERS if name in claims}
    return OpenedObject({name: text for name, text in texts.items() if text}, _object_id(claims))


def _object_id(claims: Mapping[str, Any]) -> ObjectId | None:
    if "jti" not in claims or "exp" not in claims:
        return None
    return ObjectId(claims["jti"], datetime.fromtimestamp(claims["exp"], UTC) + _LEEWAY)


def verified_claims(value: str, client: Client, *, issuer: str, now: datetime, allowed: list[str], hosted: bool = False) -> dict[str, Any]:
    """Verify with the client's registered keys alone; raises :class:`InvalidRequestObject` saying what to change."""
    if client.jwks is None:
        raise RequestNotSupported("request: this client must register jwks or jwks_uri, by which its request objects are verified")
    if len(value) > _MAX_LENGTH:
        raise InvalidRequestObject(f"the request object is longer than {_MAX_LENGTH} characters")
    if value.count(".") != 2:
        raise InvalidRequestObject("the request object must be a signed JWT in compact form; encryption is not supported")
    try:
        keys = KeySet.import_key_set({"keys": client.jwks["keys"]})  # type: ignore[typeddict-item]  # checked on registration
        verified = jws.deserialize_compact(value.encode("ascii"), keys, algorithms=allowed)
        claims = orjson.loads(verified.payload or b"")
    except (JoseError, ValueError) as error:
        raise InvalidRequestObject(
            f"the request object must be signed with {' or '.join(allowed)} by a key that this client registered",
            detail=type(error).__name__,
        ) from error
    if not isinstance(claims, dict):
        raise InvalidRequestObject("the payload of the request object must be a JSON object")
    fault = _fault(client, verified.headers(), claims, issuer) or _time_fault(client, claims, now, hosted=hosted)
    if fault:
        raise InvalidRequestObject(f"request object: {fault}")
    return claims


def _fault(client: Client, header: Mapping[str, Any], claims: Mapping[str, Any], issuer: str) -> str | None:
    """What is wrong with who speaks to whom (RFC 9101 §4, §5, §10.8), or None."""
    token_type, audience, jti = header.get("typ"), claims.get("aud"), claims.get("jti")
    faults = (
        ((token_type.lower() if isinstance(token_type, str) else token_type) not in _TYPES, "typ must be oauth-authz-req+jwt"),
        (claims.get("iss") != client.client_id, "iss must be the client_id"),
        (claims.get("client_id", client.client_id) != client.client_id, "client_id must be that of the request"),
        (issuer not in (audience if isinstance(audience, list) else [audience]), "aud must be the issuer identifier of this provider"),
        ("sub" in claims, "sub is not allowed: such an object could pass for a client assertion"),
        ("request" in claims or "request_uri" in claims, "request and request_uri cannot be inside"),
        ("jti" in claims and not (isinstance(jti, str) and 0 < len(jti) <= 256), "jti must be a text of at most 256 characters"),
    )
    return next((text for wrong, text in faults if wrong), None)


def _time_fault(client: Client, claims: Mapping[str, Any], now: datetime, *, hosted: bool) -> str | None:
    demanded = {"exp", "nbf"} if client.profile is Profile.FAPI2 else set() if hosted else {"exp"}
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None:
            if name in demanded:
                return f"{name} is missing"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name} must be a number of seconds"
    at, leeway, longest = now.timestamp(), _LEEWAY.total_seconds(), _MAX_LIFETIME.total_seconds()
    begins = claims.get("nbf")
    begins = at if begins is None else begins
    ends = at if claims.get("exp") is None else claims["exp"]
    faults = (
        (ends <= at - leeway, "it has expired (exp)"),
        (max(begins, claims.get("iat") or begins) > at + leeway, "it is not valid yet (nbf, iat)"),
        (begins < at - longest - leeway, "it began more than 60 minutes ago (nbf)"),
        (ends > begins + longest + leeway, "it is valid for more than 60 minutes (exp)"),
    )
    return next((text for wrong, text in faults if wrong), None)


def _parameters(claims: Mapping[str, Any]) -> dict[str, str]:
    """As a query would hold them (RFC 9101 §4): numbers and JSON in their text form; what we do not know is ignored."""
    texts = {name: _text(name, value) for name, value in claims.items() if name in KEPT_PARAMETERS}
    return {name: text for name, text in texts.items() if text}


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if name in ("max_age", "requested_expiry") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if (name == "claims" and isinstance(value, dict)) or (name == "authorization_details" and isinstance(value, list)):
        return orjson.dumps(value).decode()
    if name == "resource" and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    raise InvalidRequestObject(f"request object: {name} has a type that this parameter cannot have")
