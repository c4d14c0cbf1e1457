"""The identity provider's administration API, called with the watch's own client credentials.

One access token is kept until shortly before it expires. Every write carries an Idempotency-Key: a call that is made
again because its answer was lost is the same call. Every failure is an OperationError that says whether trying again helps.

Source: RFC 6749 §4.4 and §2.3.1; RFC 6750 §2.1.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote_plus

import httpx

from siem.errors import OperationError

#: What the watch asks for.
SCOPES: Final = ("sessions:read", "sessions:revoke", "accounts:suspend")

#: A token is no longer used this long before it expires, in seconds.
_MARGIN_SECONDS: Final = 10.0

#: Answers after which the same call may succeed later.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class SessionFound:
    """One session of a person at the identity provider. Instants are RFC 3339 text as given."""

    id: str
    method: str
    acr: str
    auth_time: str
    last_used_at: str
    source_ip: str
    user_agent: str
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionList:
    """Sessions of a person; ``residual_seconds``: how long tokens already issued would outlive a revocation, where checked offline."""

    sessions: tuple[SessionFound, ...]
    residual_seconds: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation ended."""

    session_count: int
    grant_count: int
    residual_seconds: int


#: How JSON that holds something else than was agreed shows itself.
_OF_ANOTHER_SHAPE: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


class TimedOut(OperationError):
    """No answer in time; it is not known whether the call had its effect, which its key makes harmless."""


class IdentityProvider:
    """The administration API. ``admin_url`` as in ``https://idp.example/admin/v1``; ``token_url`` its token endpoint.

    ``monotonic`` measures the life of the token; ``transport`` replaces the network in a test.
    """

    def __init__(
        self,
        admin_url: str,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        timeout_seconds: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._admin_url = admin_url.rstrip("/")
        self._token_url = token_url
        # RFC 6749 §2.3.1: both are form-encoded before they become the two halves of HTTP Basic.
        self._credentials = (quote_plus(client_id), quote_plus(client_secret))
        self._monotonic = monotonic
        self._timeout_seconds = timeout_seconds
        self._client = httpx.Client(transport=transport, follow_redirects=False, trust_env=False)
        self._lock = threading.Lock()
        self._token = ""
        self._token_until = 0.0

    def sessions(self, national_id: str, *, timeout_seconds: float | None = None) -> SessionList:
        """Sessions of a person, by national identifier."""
        answer = self._post("sessions/search", {"national_id": national_id}, None, timeout_seconds)
        try:
            found = tuple(_session(each) for each in answer["sessions"])
            return SessionList(found, int(answer.get("residual_seconds", 0)))
        except _OF_ANOTHER_SHAPE as error:
            raise self._misunderstood("sessions/search", error) from error

    def revoke(
        self,
        *,
        national_id: str | None = None,
        session_id: str | None = None,
        reason: str,
        reference: str,
        key: str,
        timeout_seconds: float | None = None,
    ) -> Revoked:
        """End every session and token of a person, or one session. ``key`` makes a repeated call the same call."""
        whom = {"national_id": national_id, "session_id": session_id}
        body = {name: value for name, value in whom.items() if value} | {"reason": reason, "reference": reference}
        answer = self._post("revocations", body, key, timeout_seconds)
        try:
            return Revoked(int(answer["session_count"]), int(answer["grant_count"]), int(answer["residual_seconds"]))
        except _OF_ANOTHER_SHAPE as error:
            raise self._misunderstood("revocations", error) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------
    def _post(self, path: str, body: Mapping[str, str], key: str | None, timeout_seconds: float | None) -> Mapping[str, Any]:
        url = f"{self._admin_url}/{path}"
        timeout = min(timeout_seconds or self._timeout_seconds, self._timeout_seconds)
        for attempt in (1, 2):
            headers = {"Authorization": f"Bearer {self._access_token(timeout)}"} | ({"Idempotency-Key": key} if key else {})
            response = self._send(url, {"json": dict(body), "headers": headers}, timeout)
            if response.status_code == 401 and attempt == 1:
                # The provider may have restarted with other keys, or revoked the token: one new token, once.
                with self._lock:
                    self._token = ""
                continue
            break
        if response.is_success:
            return self._object(response, url)
        retry_helps = response.status_code in _PASSING
        raise OperationError(f"POST {path}", f"{url} (HTTP {response.status_code}{_error_code(response)})", retry_helps=retry_helps)

    def _access_token(self, timeout: float) -> str:
        with self._lock:
            if self._token and self._monotonic() < self._token_until:
                return self._token
            asked_at = self._monotonic()
            form = {"grant_type": "client_credentials", "scope": " ".join(SCOPES)}
            response = self._send(self._token_url, {"data": form, "auth": self._credentials}, timeout)
            if not response.is_success:
                retry_helps = response.status_code in _PASSING
                problem = f"{self._token_url} (HTTP {response.status_code}{_error_code(response)})"
                raise OperationError("obtaining an access token", problem, retry_helps=retry_helps)
            answer = self._object(response, self._token_url)
            try:
                token, lifetime = str(answer["access_token"]), float(answer.get("expires_in", 60))
                token.encode("ascii")  # a header holds nothing else
            except _OF_ANOTHER_SHAPE as error:
                raise self._misunderstood("token", error) from error
            self._token = token
            self._token_until = asked_at + max(lifetime - _MARGIN_SECONDS, 0.0)
            return token

    def _send(self, url: str, request: Mapping[str, Any], timeout: float) -> httpx.Response:
        try:
            return self._client.post(url, timeout=timeout, **request)
        except httpx.TimeoutException as error:
            raise TimedOut("calling the identity provider", f"{url} (no answer within {timeout:g} s)", retry_helps=True) from error
        except httpx.TransportError as error:
            raise OperationError("calling the identity provider", f"{url} ({error})", retry_helps=True) from error

    def _object(self, response: httpx.Response, url: str) -> Mapping[str, Any]:
        try:
            answer = response.json()
        except (ValueError, RecursionError) as error:
            raise self._misunderstood(url, error) from error
        if not isinstance(answer, dict):
            raise self._misunderstood(url, TypeError("not a JSON object"))
        return answer

    def _misunderstood(self, what: str, error: Exception) -> OperationError:
        return OperationError("understanding the identity provider", f"{what} ({error!r})", retry_helps=False)


def _session(value: Mapping[str, Any]) -> SessionFound:
    return SessionFound(
        id=str(value["id"]),
        method=str(value.get("method", "")),
        acr=str(value.get("acr", "")),
        auth_time=str(value.get("auth_time", "")),
        last_used_at=str(value.get("last_used_at", "")),
        source_ip=str(value.get("source_ip", "")),
        user_agent=str(value.get("user_agent", "")),
        clients=tuple(str(each) for each in value.get("clients", ())),
    )


def _error_code(response: httpx.Response) -> str:
    """The registered ``error`` of the answer, if there is one; nothing else of it leaves."""
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return ""
    code = answer.get("error") if isinstance(answer, dict) else None
    return f", {code}" if isinstance(code, str) and code.isascii() and len(code) < 60 else ""
