"""Who acts for a person in a token exchange: a JWT that the service signs (RFC 8693 §2.1, ANS «sécurisation transport» §8)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp.errors import InvalidRequest
from idp.model import Client
from idp.profiles import algorithms_of

_MAX_LENGTH: Final = 8192
_MAX_LIFETIME: Final = timedelta(minutes=10)
_LEEWAY_SECONDS: Final = 10
_MAX_VALUE: Final = 200
#: What ANS puts beside ``iss``, ``exp`` and ``sub``: the software and the situation in which the person works.
_NAMED: Final = ("lps_nom", "lps_id", "lps_version", "situation_exercice")


def actor_of(token: str, client: Client, *, issuer: str, now: datetime) -> Mapping[str, str]:
    """The ``act`` claim (§4.1) that an actor token stands for; raises :class:`InvalidRequest`, naming what does not hold."""
    if client.jwks is None:
        raise InvalidRequest("actor_token needs registered keys (jwks) to be verified with")
    if len(token) > _MAX_LENGTH:
        raise InvalidRequest(f"actor_token is longer than {_MAX_LENGTH} characters")
    try:
        keys = KeySet.import_key_set({"keys": client.jwks["keys"]})  # type: ignore[typeddict-item]  # checked on registration
        claims = orjson.loads(jws.deserialize_compact(token, keys, algorithms=algorithms_of(client)).payload)
    except (JoseError, ValueError) as error:
        raise InvalidRequest(
            "actor_token cannot be verified: sign it with a key of the registered jwks", detail=f"actor_token: {type(error).__name__}"
        ) from error
    if not isinstance(claims, dict):
        raise InvalidRequest("the payload of actor_token must be a JSON object")
    if claims.get("iss") != client.client_id:
        raise InvalidRequest("actor_token: iss must be the client_id")
    if claims.get("aud", issuer) not in (issuer, [issuer]):
        raise InvalidRequest("actor_token: aud must be the issuer identifier")
    _check_time(claims.get("exp"), now)
    actor = {name: value for name in ("sub", *_NAMED) if (value := claims.get(name)) is not None}
    if "sub" not in actor or not all(isinstance(value, str) and 0 < len(value) <= _MAX_VALUE for value in actor.values()):
        raise InvalidRequest(f"actor_token: sub, {', '.join(_NAMED)} must be text of at most {_MAX_VALUE} characters, and sub is needed")
    return actor


def _check_time(expires: object, now: datetime) -> None:
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        raise InvalidRequest("actor_token: exp must be a number of seconds")
    left = expires - now.timestamp()
    if left <= -_LEEWAY_SECONDS:
        raise InvalidRequest("actor_token has expired: make a new one, with a later exp")
    if left > _MAX_LIFETIME.total_seconds() + _LEEWAY_SECONDS:
        raise InvalidRequest(f"actor_token is valid for more than {_MAX_LIFETIME}")
