"""Handles that a client keeps and gives back unread: refresh tokens, and names of backchannel logins."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import orjson

from idp.keys.signing_key import base64url

#: 256 bits.
_SECRET_BYTES = 32


def new_handle(
    claims: Mapping[str, str | None] | None = None, issuer: str = "", now: datetime | None = None, lifetime: timedelta = timedelta()
) -> str:
    """Something that nobody guesses; with ``claims`` in the form of a JWT of Keycloak, which says them and is no less opaque.

    What would be its signature (by a key that Keycloak keeps) is random, and what counts: a handle is known by its hash alone.
    """
    secret = secrets.token_bytes(_SECRET_BYTES)
    if claims is None or now is None:
        return base64url(secret)
    began = int(now.timestamp())
    life = {"exp": began + int(lifetime.total_seconds()), "iat": began, "jti": str(uuid4()), "iss": issuer, "aud": issuer}
    header = {"alg": "HS256", "typ": "JWT", "kid": str(uuid4())}
    return ".".join(base64url(part) for part in (orjson.dumps(header), orjson.dumps({**life, **claims}), secret))
