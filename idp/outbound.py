"""The one way out: every request that the provider makes to an address someone else chose goes through here.

Private, loopback and other special addresses are refused after resolution, and the connection goes to the address that was
looked at, so that a name cannot answer twice (rebinding). No redirect is followed, no proxy of the environment
is used, size and time are capped. An error says what failed to the operator; nobody else learns it.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from idp.errors import OperationError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

#: For the whole exchange, from resolution to the last byte.
_TOTAL_SECONDS: Final = 5.0
#: Most of an answer that is read, in bytes.
_MAX_ANSWER_BYTES: Final = 65_536
#: IPv6 networks that carry an IPv4 address in their last 32 bits (RFC 6052, RFC 4291 §2.5.5.1).
_EMBEDDING: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))


class Outbound:
    """A client for other people's addresses.

    ``allow_loopback``: for development, when the service runs on this machine. ``authorities``: a PEM file of certificate
    authorities that are believed besides the public ones; raises :class:`OperationError` where it cannot be read.
    """

    def __init__(self, *, allow_loopback: bool = False, resolve: Resolve | None = None, authorities: Path | None = None) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve or _resolve
        self._verify: ssl.SSLContext | bool = _believing(authorities) if authorities else True

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer, whose body is read up to the cap and dropped; raises :class:`OperationError`.

        The body is JSON unless ``headers`` say otherwise.
        """
        status, _ = await self._exchange("POST", url, {"Content-Type": "application/json", **headers}, body)
        return status

    async def get(self, url: str, *, accept: str) -> bytes:
        """The body of an answer of status 200; raises :class:`OperationError`."""
        status, body = await self._exchange("GET", url, {"Accept": accept}, None)
        if status != 200:
            raise OperationError(f"reading an answer of status {status}", url, retry_helps=False)
        return body

    async def ask(self, url: str, *, form: Mapping[str, str], authorization: str | None = None, tls: ssl.SSLContext | None = None) -> bytes:
        """The body of an answer of status 200 to a form; raises :class:`OperationError`.

        We prove ourselves by ``authorization``, or by the client certificate of ``tls``.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        headers |= {"Authorization": authorization} if authorization else {}
        status, body = await self._exchange("POST", url, headers, urlencode(form).encode(), tls)
        if status != 200:
            raise OperationError(f"reading an answer of status {status}", url, retry_helps=False)
        return body

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, tls: ssl.SSLContext | None = None
    ) -> tuple[int, bytes]:
        # Imported when first needed: most providers never send anything.
        import httpx

        parts = urlsplit(url)
        host = parts.hostname or ""
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                address = await self._address(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80), url)
                target = httpx.URL(url).copy_with(host=str(address), fragment=None)
                # Without compression the cap on what is read is also a cap on what it unfolds to.
                sent = {**headers, "Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity"}
                async with (
                    httpx.AsyncClient(
                        verify=tls or self._verify, trust_env=False, follow_redirects=False, timeout=_TOTAL_SECONDS
                    ) as client,
                    client.stream(method, target, headers=sent, content=body, extensions={"sni_hostname": host}) as answer,
                ):
                    return answer.status_code, await _read(answer.aiter_raw(), url)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError) as error:
            raise OperationError(f"sending ({type(error).__name__})", url, retry_helps=False) from error

    async def _address(self, scheme: str, host: str, port: int, url: str) -> IPv4Address | IPv6Address:
        """The address to connect to, when every address of the name may be reached."""
        found = [ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        if not found:
            raise OperationError("resolving the name", url, retry_helps=True)
        for address in found:
            if not self._is_allowed(address):
                raise OperationError(f"refusing to connect to {address}, which is not a public address", url, retry_helps=False)
            if scheme != "https" and not address.is_loopback:
                raise OperationError("refusing to send without TLS", url, retry_helps=False)
        return found[0]

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        plain = _unwrapped(address)
        if plain.is_loopback:
            return self._allow_loopback
        return plain.is_global and not plain.is_multicast


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one, where there is one."""
    if isinstance(address, IPv4Address) or address == IPv6Address("::1"):
        return address
    embedded = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if embedded is None and any(address in network for network in _EMBEDDING):
        embedded = IPv4Address(int(address) & 0xFFFFFFFF)
    return embedded or address


def _believing(authorities: Path) -> ssl.SSLContext:
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    try:
        context.load_verify_locations(authorities)
    except OSError as error:  # of which SSLError is one
        raise OperationError(f"reading certificate authorities in PEM ({error})", str(authorities), retry_helps=False) from error
    return context


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


async def _read(chunks: AsyncIterator[bytes], url: str) -> bytes:
    found: list[bytes] = []
    length = 0
    async for chunk in chunks:
        length += len(chunk)
        if length > _MAX_ANSWER_BYTES:
            raise OperationError(f"reading an answer longer than {_MAX_ANSWER_BYTES} bytes", url, retry_helps=False)
        found.append(chunk)
    return b"".join(found)
