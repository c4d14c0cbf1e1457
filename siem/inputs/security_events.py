"""Security events pushed by an identity provider (RFC 8935): one signed token a request, verified before it is received.

    POST /ingest/v1/{source}/events       Content-Type: application/secevent+jwt

``Authorization: ApiKey …`` names the one source that the sender may write to, as for every input; the signature says who speaks. Only the
issuer and audience of the settings count, with keys that the issuer publishes. 202 means that the token is on the disk; its identity is
its ``jti``, so that one sent again is received once.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from siem.errors import OperationError
from siem.event import RawRecord
from siem.inputs.http import HttpSource, authenticated_source
from siem.store.queue import RecordQueue

_TYPE: Final = "secevent+jwt"
#: Signatures accepted; never ``none``, never a shared secret.
_ALGORITHMS: Final = ["RS256", "ES256", "PS256"]
_MAX_TOKEN_BYTES: Final = 65_536
#: How far a sender's clock may be ahead.
_LEEWAY_SECONDS: Final = 300
#: Least time between two looks at the issuer's keys, whoever asks with whatever key identifier.
_KEYS_PAUSE_SECONDS: Final = 60.0
_TIMEOUT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Fetch = Callable[[str], Mapping[str, Any]]


class Refused(Exception):
    """An error of RFC 8935 §2.4: its code, and words for the sender's operator."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code, self.status = code, status


def fetch_json(url: str) -> Mapping[str, Any]:
    """A JSON object at an address of the settings. Raises :class:`OperationError`."""
    try:
        document = httpx.get(url, timeout=_TIMEOUT_SECONDS, follow_redirects=False).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise OperationError(f"reading the keys of the issuer ({type(error).__name__})", url, retry_helps=True) from error
    if not isinstance(document, dict):
        raise OperationError("reading the keys of the issuer (no JSON object)", url, retry_helps=False)
    return document


def configuration_url(issuer: str) -> str:
    """Where an issuer's transmitter describes itself (Shared Signals §7.2.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/ssf-configuration{parts.path.rstrip('/')}"


class IssuerKeys:
    """The keys that an issuer publishes, read when a token names one that is not known yet, at most once a minute."""

    def __init__(self, issuer: str, fetch: Fetch = fetch_json, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._issuer, self._fetch, self._monotonic = issuer, fetch, monotonic
        self._lock = Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at: float | None = None
        self._failed = False

    def find(self, kid: object) -> jwt.PyJWK:
        """Raises :class:`Refused` for a key that is not published, :class:`OperationError` when the issuer cannot be asked."""
        with self._lock:
            if kid not in self._keys:
                self._refresh()
            if isinstance(kid, str) and kid in self._keys:
                return self._keys[kid]
        raise Refused("invalid_key", "the token is signed with a key that the issuer does not publish")

    def _refresh(self) -> None:
        """Ask again, unless that was just done; a failure is no proof that a key is unknown, so it stays a failure until then."""
        now = self._monotonic()
        if self._read_at is None or now - self._read_at >= _KEYS_PAUSE_SECONDS:
            self._read_at, self._failed = now, True
            self._keys = self._published()
            self._failed = False
        if self._failed:
            raise OperationError("reading the keys of the issuer (just tried)", self._issuer, retry_helps=True)

    def _published(self) -> dict[str, jwt.PyJWK]:
        configuration = self._fetch(configuration_url(self._issuer))
        where = configuration.get("jwks_uri")
        if configuration.get("issuer") != self._issuer or _origin(where) != _origin(self._issuer):
            raise OperationError("reading the keys of the issuer (its description speaks of another)", self._issuer, retry_helps=False)
        listed = self._fetch(str(where)).get("keys")
        found = [key for one in listed if (key := _key(one)) is not None] if isinstance(listed, list) else []
        if not found:
            raise OperationError("reading the keys of the issuer (none can be used)", str(where), retry_helps=False)
        return {str(key.key_id): key for key in found}


def _origin(url: object) -> tuple[str, str] | None:
    """Scheme and host; None for what is no address."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        return None
    return parts.scheme, parts.netloc


def _key(member: object) -> jwt.PyJWK | None:
    """One key of a JWK set; None for what cannot be used: it stops none of the others (RFC 7517 §5)."""
    if not isinstance(member, dict) or not isinstance(member.get("kid"), str):
        return None
    try:
        return jwt.PyJWK.from_dict(member)
    except (jwt.PyJWTError, TypeError, ValueError, KeyError, AttributeError):
        return None


class SecurityEventInput:
    """The routes that receive security events."""

    def __init__(
        self, queue: RecordQueue, sources: Mapping[str, HttpSource], clock: Clock, keys: IssuerKeys, *, issuer: str, audience: str
    ) -> None:
        self._queue, self._sources, self._clock, self._keys = queue, dict(sources), clock, keys
        self._issuer, self._audience = issuer, audience

    def routes(self) -> list[BaseRoute]:
        """One address for each source of this kind."""
        return [Route("/ingest/v1/{source}/events", self._push, methods=["POST"])]

    async def _push(self, request: Request) -> Response:
        try:
            source = authenticated_source(self._sources, request.headers.get("authorization", ""))
            if source is None:
                raise Refused("authentication_failed", "unknown API key", 401)
            if request.path_params["source"] != source.name:
                raise Refused("access_denied", f"this key is for the source {source.name}", 403)
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != f"application/{_TYPE}":
                raise Refused("invalid_request", f"the body must be application/{_TYPE}")
            token = await _body(request)
            claims = await run_in_threadpool(self.verified, token)
            position = f"s:{blake2b(claims['jti'].encode(), digest_size=16).hexdigest()}"
            await run_in_threadpool(self._queue.put, [RawRecord(source.name, position, self._clock(), token, source.tenant)])
        except Refused as refusal:
            return _answer(refusal.status, {"err": refusal.code, "description": str(refusal)})
        except OperationError:
            # The sender keeps the event and tries again.
            _log.exception("a security event could not be received")
            unavailable = {"err": "temporarily_unavailable", "description": "the event cannot be received now"}
            return _answer(503, unavailable, {"Retry-After": "30"})
        return Response(status_code=202)

    def verified(self, token: bytes) -> Mapping[str, Any]:
        """The claims of a token that the issuer signed for us. Raises :class:`Refused`, :class:`OperationError`."""
        try:
            header = jwt.get_unverified_header(token.decode("ascii"))
            if str(header.get("typ", "")).lower().removeprefix("application/") != _TYPE:
                raise Refused("invalid_request", f"typ must be {_TYPE}: this is another kind of token")
            if header.get("alg") not in _ALGORITHMS:
                raise Refused("invalid_key", f"alg must be one of {', '.join(_ALGORITHMS)}")
            key = self._keys.find(header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token.decode("ascii"),
                key,
                algorithms=[header["alg"]],
                audience=self._audience,
                issuer=self._issuer,
                # Time is the watch's to tell; a security event has no end (Shared Signals §4.1.7).
                options={"require": ["iss", "aud", "iat", "jti", "events"], "verify_iat": False, "verify_exp": False, "verify_nbf": False},
            )
        except jwt.InvalidIssuerError as error:
            raise Refused("invalid_issuer", "the token is of another issuer") from error
        except jwt.InvalidAudienceError as error:
            raise Refused("invalid_audience", "the token is for somebody else") from error
        except jwt.InvalidSignatureError as error:
            raise Refused("invalid_key", "the signature is wrong") from error
        except (jwt.PyJWTError, UnicodeDecodeError) as error:
            raise Refused("invalid_request", f"not a security event token: {error}") from error
        self._check_claims(claims)
        return claims

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        if not isinstance(claims["jti"], str) or not claims["jti"] or not isinstance(claims["events"], dict):
            raise Refused("invalid_request", "jti must be a text and events an object")
        if not isinstance(claims["iat"], int | float) or claims["iat"] > self._clock().timestamp() + _LEEWAY_SECONDS:
            raise Refused("invalid_request", "iat is in the future")


async def _body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_TOKEN_BYTES:
            raise Refused("invalid_request", f"a token has at most {_MAX_TOKEN_BYTES} bytes", 413)
        parts.append(chunk)
    return b"".join(parts).strip()


def _answer(status: int, document: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
    challenge = {"WWW-Authenticate": "ApiKey"} if status == 401 else {}
    return Response(orjson.dumps(document), status, {**challenge, **(headers or {})}, media_type="application/json")
