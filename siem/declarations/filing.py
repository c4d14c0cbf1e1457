"""The sending side: gives a frozen version to the desk over HTTP and checks the receipt before believing it.

Filing the same bytes again is harmless (the desk answers the receipt it gave), so every failure whose outcome is not known is simply
tried again.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from siem.declarations.documents import sha256
from siem.declarations.model import Receipt
from siem.declarations.receipt import ReceiptInvalid, verify

_PAUSES: Final = (0.2, 1.0)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class DeskUnreachable(Exception):
    """The desk did not answer, or not understandably: whether it received is not known; trying again is safe."""


class DeskRefused(Exception):
    """The desk said no. ``faults``: pairs (field, problem)."""

    def __init__(self, message: str, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class FilingClient:
    """Files with one desk. Plain http is for this machine only: a declaration names a hospital's weaknesses.

    ``pauses`` are the seconds waited before each further attempt; ``wait`` waits that long.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_seconds: float = 10.0,
        pauses: tuple[float, ...] = _PAUSES,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError(f"the desk's address must be https, or http on this machine: {url}")
        self._url = url.rstrip("/")
        self._headers = {"authorization": f"ApiKey {api_key}", "content-type": "application/json"}
        self._timeout = httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, 5.0))
        self._pauses = pauses
        self._transport = transport
        self._wait = wait or threading.Event().wait

    def file(self, body: bytes) -> Receipt:
        """File these bytes. Raises DeskRefused, DeskUnreachable (after every attempt)."""
        with httpx.Client(timeout=self._timeout, transport=self._transport, follow_redirects=False, trust_env=False) as client:
            for pause in (*self._pauses, None):
                try:
                    return self._attempt(client, body)
                except DeskUnreachable:
                    if pause is None:
                        raise
                    self._wait(pause)
        raise AssertionError("every attempt returns or raises")

    def _attempt(self, client: httpx.Client, body: bytes) -> Receipt:
        try:
            answer = client.post(f"{self._url}/guichet/v1/declarations", content=body, headers=self._headers)
            if answer.status_code not in (200, 201):
                raise _failure(answer)
            keys = client.get(f"{self._url}/guichet/v1/jwks.json")
            if keys.status_code != 200:
                raise _failure(keys)
        except httpx.HTTPError as error:
            raise DeskUnreachable(f"le guichet ne répond pas ({type(error).__name__})") from error
        return _checked(_json(answer), _json(keys), body)


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        data = answer.json()
    except (ValueError, RecursionError) as error:
        raise DeskUnreachable("le guichet a répondu autre chose que du JSON") from error
    if not isinstance(data, dict):
        raise DeskUnreachable("le guichet a répondu autre chose qu’un objet JSON")
    return data


def _failure(answer: httpx.Response) -> DeskRefused | DeskUnreachable:
    if answer.status_code >= 500 or answer.status_code in (408, 425, 429):
        return DeskUnreachable(f"le guichet a répondu {answer.status_code}")
    try:
        data = answer.json()
        faults = tuple((str(fault["field"]), str(fault["problem"])) for fault in data.get("errors", []))
        message = str(data.get("message", ""))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        faults, message = (), ""
    return DeskRefused(message or f"le guichet a répondu {answer.status_code}", faults)


def _checked(answer: Mapping[str, Any], keys: Mapping[str, Any], body: bytes) -> Receipt:
    """The receipt, once its signature holds and it is about these very bytes."""
    try:
        receipt = verify(str(answer.get("jws", "")), keys)
    except ReceiptInvalid as error:
        raise DeskUnreachable(f"le récépissé reçu n’est pas valable : {error}") from error
    if receipt.sha256 != sha256(body):
        raise DeskUnreachable("le récépissé reçu porte sur un autre contenu")
    return receipt
