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
        http.headers["Authorization"] = f"Bearer {tokens.get('access_token')}"
        found = _answered(http.get(where))
        known = found[0] if isinstance(found, list) and found else None
        if known:
            stream = _asked(http, "PATCH", where, json={"stream_id": known["stream_id"], "delivery": delivery})
        else:
            stream = _asked(http, "POST", where, json={"delivery": delivery})
        answer = http.post(verification, json={"stream_id": stream["stream_id"]})
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:  # one is on its way already
            _answered(answer)
    return str(stream["stream_id"])


def _asked(http: httpx.Client, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
    try:
        document = _answered(http.request(method, url, **sent))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OperationError(f"asking the provider ({type(error).__name__})", url, retry_helps=True) from error
    if not isinstance(document, dict):
        raise OperationError("asking the provider (no JSON object came back)", url, retry_helps=False)
    return document


def _answered(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else {}
    try:
        said = answer.json()
        reason = f"{said['error']}: {said['error_description']}"
    except (ValueError, KeyError, TypeError):
        reason = f"status {answer.status_code}"
    raise OperationError(f"asking the provider ({reason[:300]})", str(answer.url), retry_helps=False)
