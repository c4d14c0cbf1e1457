"""A client's public keys: those it registered, or those that its ``jwks_uri`` holds now (OpenID Connect Registration §2).

Owns fetching and remembering. What comes of it is a client with ``jwks``, so that nobody below asks where keys come from.
Start with :class:`ClientKeys`.
"""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from idp.client_keys.jwks import usable_keys
from idp.clock import Now
from idp.errors import OperationError
from idp.model import Client
from idp.outbound import Outbound

#: For how long keys are taken as they were read.
FRESH: Final = timedelta(minutes=10)
#: For how long keys that cannot be read again still count: a client's web server that is down does not lock it out.
STALE: Final = timedelta(hours=24)
#: Least time between two readings of one address, whatever a request shows: strangers can make us read, but not often.
_PAUSE: Final = timedelta(seconds=30)
#: Addresses that are remembered.
_MAX_COUNT: Final = 2_000


@dataclass(slots=True)
class _Kept:
    keys: list[dict[str, Any]]
    read_at: datetime | None
    tried_at: datetime


class ClientKeys:
    """Remembers the keys of clients that publish theirs. An address that fails leaves the keys as they were."""

    def __init__(self, outbound: Outbound, clock: Now) -> None:
        self._outbound = outbound
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, client: Client, token: str | None = None) -> Client:
        """The client with its keys of now. ``token``: what is about to be verified; a key that we do not know yet is looked for."""
        uri = client.jwks_uri
        if uri is None:
            return client
        kept = self._kept.get(uri)
        if not self._is_enough(kept, token):
            async with self._locks.setdefault(uri, asyncio.Lock()):
                if not self._is_enough(self._kept.get(uri), token):
                    await self._read(uri)
            kept = self._kept.get(uri)
        if kept is None or not kept.keys or kept.read_at is None or self._clock() - kept.read_at > STALE:
            return replace(client, jwks=None)
        return replace(client, jwks={"keys": kept.keys})

    def _is_enough(self, kept: _Kept | None, token: str | None) -> bool:
        if kept is None:
            return False
        now = self._clock()
        if now - kept.tried_at < _PAUSE:
            return True
        kid = _kid(token) if token else None
        unknown = kid is not None and all(key.get("kid") != kid for key in kept.keys)
        return not unknown and kept.read_at is not None and now - kept.read_at < FRESH

    async def _read(self, uri: str) -> None:
        now = self._clock()
        kept = self._kept.get(uri) or _Kept([], None, now)
        kept.tried_at = now
        try:
            document = orjson.loads(await self._outbound.get(uri, accept="application/jwk-set+json, application/json"))
        except (OperationError, orjson.JSONDecodeError):
            document = None
        if keys := usable_keys(document):
            kept.keys, kept.read_at = keys, now
        if len(self._kept) >= _MAX_COUNT and uri not in self._kept:
            self._kept.clear()
            self._locks.clear()
        self._kept[uri] = kept


def _kid(token: str) -> str | None:
    """The key that a compact JWS names; None for whatever cannot be read, which verification will refuse."""
    try:
        header: Mapping[str, Any] = orjson.loads(base64.urlsafe_b64decode(token[:4096].partition(".")[0] + "=="))
        kid = header.get("kid")
    except (binascii.Error, ValueError, AttributeError):
        return None
    return kid if isinstance(kid, str) else None
