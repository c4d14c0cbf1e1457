"""Asking an identity provider for its security events: the stream of this watch, pushed to its own door (Shared Signals 1.0 §8.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from siem.errors import OperationError
from siem.inputs.security_events import configuration_url

_SCOPE: Final = "ssf.manage"
_PUSH: Final = "urn:ietf:rfc:8935"
_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who asks: the watch's own client at the provider."""

    issuer: str
    client_id: str
    client_secret: str


def subscribe(subscriber: Subscriber, *, endpoint_url: str, api_key: str, transport: httpx.BaseTransport | None = None) -> str:
    """Make the stream, or turn the one that is there to this door, and have a verification sent; returns the stream's identifier.

    ``api_key`` is the key of the source. Raises :class:`OperationError` saying which step the provider refused.
    """
    delivery = {"method": _PUSH, "endpoint_url": endpoint_url, "authorization_header": f"ApiKey {api_key}"}
    with httpx.Client(timeout=_TIMEOUT_SECONDS, transport=transport, follow_redirects=False) as http:
        described = _asked(http, "GET", configuration_url(subscriber.issuer))
        where, verification = str(described.get("configuration_endpoint")), str(described.get("verification_endpoint"))
        form = {"grant_type": "client_credentials", "scope": _SCOPE}
        tokens = _asked(
            http,
            "POST",
            f"{subscriber.issuer}/protocol/openid-connect/token",
            data=form,
            auth=(subscriber.client_id, subscriber.client_secret),
        )
        http.headers["Authorization"] = f"Bearer {_token(tokens, subscriber)}"
        found = _answered(_sent(http, "GET", where))
        known = found[0] if isinstance(found, list) and found else None
        if known:
            stream = _asked(http, "PATCH", where, json={"stream_id": _stream_id(known, where), "delivery": delivery})
        else:
            stream = _asked(http, "POST", where, json={"delivery": delivery})
        answer = _sent(http, "POST", verification, json={"stream_id": _stream_id(stream, where)})
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:  # one is on its way already
            _answered(answer)
    return _stream_id(stream, where)


def _token(tokens: Mapping[str, Any], subscriber: Subscriber) -> str:
    token = tokens.get("access_token")
    if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
        raise OperationError("asking the provider (no access token came back)", subscriber.issuer, retry_helps=False)
    return token


def _stream_id(stream: object, where: str) -> str:
    found = stream.get("stream_id") if isinstance(stream, dict) else None
    if not isinstance(found, str):
        raise OperationError("asking the provider (a stream without stream_id came back)", where, retry_helps=False)
    return found


def _sent(http: httpx.Client, method: str, url: str, **sent: Any) -> httpx.Response:
    try:
        return http.request(method, url, **sent)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise OperationError(f"asking the provider ({type(error).__name__})", url[:200], retry_helps=True) from error


def _asked(http: httpx.Client, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
    document = _answered(_sent(http, method, url, **sent))
    if not isinstance(document, dict):
        raise OperationError("asking the provider (no JSON object came back)", url, retry_helps=False)
    return document


def _answered(answer: httpx.Response) -> Any:
    if answer.is_success:
        try:
            return answer.json() if answer.content else {}
        except (ValueError, RecursionError) as error:
            raise OperationError("asking the provider (no JSON came back)", str(answer.url), retry_helps=False) from error
    try:
        said = answer.json()
        reason = f"{said['error']}: {said['error_description']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = f"status {answer.status_code}"
    raise OperationError(f"asking the provider ({reason[:300]})", str(answer.url), retry_helps=False)
