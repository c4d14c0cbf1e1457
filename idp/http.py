"""What every endpoint needs of HTTP: who asks, the form read once, and the headers that protect a browser."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import perf_counter
from typing import Final, Literal, NamedTuple, cast
from urllib.parse import unquote_plus, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idp.errors import InvalidRequest

Endpoint = Callable[[Request], Awaitable[Response]]

#: Largest body an endpoint reads, in bytes: a form of the protocol is a few kilobytes.
MAX_BODY_BYTES = 65_536
#: Parameters that may be given several times (RFC 8707 §2, RFC 8693 §2.1): read as one text, parted by a space, which no URI holds.
REPEATABLE = frozenset({"resource", "audience"})
#: Most parameters of one request.
MAX_PARAMETER_COUNT = 64
_UNFRAMED: Final = b"frame-ancestors 'none'"
#: Longest header with a client certificate, in characters: a certificate is 1 to 4 kilobytes.
_MAX_CERTIFICATE_LENGTH = 16_384


class BodyTooLarge(InvalidRequest):
    """The body is longer than this endpoint reads (RFC 9110 §15.5.14)."""

    status = 413


class Sources:
    """Tells the address of the person's device; ``X-Forwarded-For`` counts only when a trusted proxy wrote it."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._trusted: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(cidr) for cidr in trusted_proxies)
        self._known: dict[str, bool] = {}

    def __call__(self, request: Request) -> str:
        """The right-most address that is not one of our proxies."""
        peer = request.client.host if request.client else "0.0.0.0"
        if not self._trusted or not self._is_trusted(peer):
            return peer
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        for candidate in reversed([part.strip() for part in forwarded.split(",")]):
            if not _is_address(candidate):
                return peer
            if not self._is_trusted(candidate):
                return candidate
            peer = candidate
        return peer

    def trusts_peer(self, request: Request) -> bool:
        """Whether the connection comes from one of our proxies."""
        return bool(self._trusted) and request.client is not None and self._is_trusted(request.client.host)

    def _is_trusted(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            known = _is_address(address) and any(ip_address(address) in network for network in self._trusted)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[address] = known
        return known


class ForwardedCertificate(NamedTuple):
    """What a proxy says of the client's certificate: the header as sent, and whether the proxy verified the chain."""

    value: str
    verified: bool


class ForwardedCertificates:
    """Tells the client certificate that a trusted proxy hands on; the same headers from anybody else mean nothing."""

    def __init__(self, sources: Sources, header: str = "", verify_header: str = "") -> None:
        self._sources = sources
        self._header, self._verify_header = header.lower(), verify_header.lower()

    @property
    def offered(self) -> bool:
        """Whether clients can prove themselves by certificates here."""
        return bool(self._header)

    def __call__(self, request: Request) -> ForwardedCertificate | None:
        """None without a certificate; a header sent twice, or too long, is not taken for one."""
        if not self._header or not self._sources.trusts_peer(request):
            return None
        values = request.headers.getlist(self._header)
        if len(values) != 1 or not 0 < len(values[0]) <= _MAX_CERTIFICATE_LENGTH:
            return None
        return ForwardedCertificate(values[0], verified=request.headers.getlist(self._verify_header) == ["SUCCESS"])

    def absence(self, request: Request) -> Literal["none", "untrusted", "ambiguous"]:
        """Why there is no certificate: none was shown, the header is not our proxy's, or cannot be what a proxy of ours writes."""
        values = [value for value in request.headers.getlist(self._header) if value]
        if not values:
            return "none"
        return "ambiguous" if self._sources.trusts_peer(request) else "untrusted"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def counted_network(address: str) -> str:
    """What limits count of an address: itself, or the /64 of an IPv6 one, of which a single line has 2**64.

    An IPv4 address in IPv6 clothes (``::ffff:192.0.2.1``, from a socket that listens to both) counts as what it is.
    """
    if ":" not in address or not _is_address(address):
        return address
    worn = IPv6Address(address).ipv4_mapped
    return str(worn) if worn else str(ip_network(f"{address.partition('%')[0]}/64", strict=False))


def header(request: Request, name: bytes) -> str:
    """The first header of that name, which is written in lower case; empty without one. Starlette's mapping costs five times that."""
    for found, value in request.scope["headers"]:
        if found == name:
            return str(value, "latin-1")
    return ""


async def read_body(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The exact body; raises :class:`BodyTooLarge` without reading on."""
    declared = header(request, b"content-length")
    if declared.isdigit() and int(declared) > max_bytes:
        raise BodyTooLarge(f"the body is longer than {max_bytes} bytes")
    known: bytes | None = getattr(request, "_body", None)
    if known is not None:
        # The framework has read it before us, as Starlette's own stream finds out: nothing would come any more.
        if len(known) > max_bytes:
            raise BodyTooLarge(f"the body is longer than {max_bytes} bytes")
        return known
    chunks: list[bytes] = []
    length = 0
    # Nearly every body comes whole in the first message; Starlette's stream is a generator for each.
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > max_bytes:
            raise BodyTooLarge(f"the body is longer than {max_bytes} bytes")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


async def read_form(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> dict[str, str]:
    """The form as sent, each parameter once (RFC 6749 §3.2); an empty value counts as absent (§3.1)."""
    media_type = header(request, b"content-type").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise InvalidRequest("the body must be application/x-www-form-urlencoded")
    return parse_parameters(await read_body(request, max_bytes=max_bytes))


def parse_parameters(raw: bytes) -> dict[str, str]:
    """Parameters of a query or a form; raises :class:`InvalidRequest` for a duplicate or bytes that are not UTF-8."""
    try:
        parts = raw.decode("ascii").split("&", MAX_PARAMETER_COUNT)
        if len(parts) > MAX_PARAMETER_COUNT:
            raise InvalidRequest(f"the parameters cannot be read: there are more than {MAX_PARAMETER_COUNT}")
        pairs = [_parameter(part) for part in parts if part]
    except ValueError as error:
        raise InvalidRequest("the parameters cannot be read: they are not percent-encoded UTF-8") from error
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name in parameters:
            if name not in REPEATABLE:
                raise InvalidRequest(f"the parameter {name[:40]!r} is given more than once")
            value = f"{parameters[name]} {value}"
        parameters[name] = value
    return {name: value for name, value in parameters.items() if value}


def _parameter(part: str) -> tuple[str, str]:
    """Name and value (URL Standard §5.1); raises ValueError for what is not UTF-8."""
    name, _, value = part.partition("=")
    if "%" in part or "+" in part:
        return unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")
    return name, value


def content_security_policy(*, form_action: Sequence[str] = ("'self'",), frame_src: Sequence[str] = ()) -> str:
    """The policy of our pages. A browser also holds redirects after a form to ``form_action``: name the client's origin there.

    ``frame_src``: what the page may show in frames; nothing by default.
    """
    frames = f"frame-src {' '.join(frame_src)}; " if frame_src else ""
    return (
        f"default-src 'none'; {frames}script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        f"manifest-src 'self'; worker-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action {' '.join(form_action)}"
    )


def source_of_policy(uri: str) -> str:
    """The URI as a source of the policy (CSP 3 §2.3.1): without query, and with what would end the directive escaped."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return f"{parts.scheme}:"
    path = parts.path.replace(";", "%3B").replace(",", "%2C").replace("'", "%27")
    return f"{parts.scheme}://{parts.netloc}{path}"


def protective_headers(*, https: bool, page: bool = True) -> Mapping[str, str]:
    """Sent with every answer that does not set the same header itself; ``page``: a browser may show it."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if https:
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    if not page:
        return headers | {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
    return headers | {
        "content-security-policy": content_security_policy(),
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }


class ProtectiveHeaders:
    """The one place that adds them, so that no endpoint can forget."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._of_page, self._of_data = (
            [(name.encode(), value.encode()) for name, value in protective_headers(https=https, page=page).items()]
            for page in (True, False)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap ``send`` so that the first message carries the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                present = dict(headers)
                added = self._of_data if present.get(b"content-type") == b"application/json" else self._of_page
                if b"frame-ancestors 'none'" not in present.get(b"content-security-policy", _UNFRAMED):
                    # A page that others may frame says so in its policy; the older header knows no such exception.
                    present[b"x-frame-options"] = b""
                message["headers"] = [*headers, *[pair for pair in added if pair[0] not in present]]
            await send(message)

        await self._app(scope, receive, send_protected)


Observe = Callable[[str, int, float], None]
ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


class PlainRoutes:
    """Serves plain Starlette routes ahead of the framework: a look-up by path, the endpoint, one answer per family of errors.

    The framework's own layers cost several times what most of our endpoints do. What is not found here goes on to it.
    ``observe`` hears of each answer given here: the path of its route, status, and seconds that it took.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        error_handlers: Mapping[type[Exception], ErrorHandler],
        observe: Observe = lambda _route, _status, _seconds: None,
    ) -> None:
        self._app = app
        self._observe = observe
        self._families = tuple(error_handlers)
        self._error_handlers = error_handlers
        self._fixed: dict[tuple[str, str], Endpoint] = {}
        #: What a path must begin with to be worth matching, and the route.
        self._variable: list[tuple[str, Route]] = []
        for route in routes:
            if isinstance(route, Route):
                self._add(route)

    def _add(self, route: Route) -> None:
        if "{" in route.path:
            self._variable.append((route.path.partition("{")[0], route))
            return
        for method in route.methods or ():
            self._fixed[method, route.path] = route.endpoint

    def _find(self, scope: Scope) -> tuple[Endpoint, str] | None:
        endpoint = self._fixed.get((scope["method"], scope["path"]))
        if endpoint is not None:
            scope["path_params"] = {}
            return endpoint, scope["path"]
        for beginning, route in self._variable:
            if not scope["path"].startswith(beginning):
                continue
            match, child = route.matches(scope)
            if match is Match.FULL:
                scope.update(child)
                return cast("Endpoint", route.endpoint), route.path
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        found = self._find(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        endpoint, path = found
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except self._families as error:
            handler = next(handler for family, handler in self._error_handlers.items() if isinstance(error, family))
            response = await handler(request, error)
        await response(scope, receive, send)
        self._observe(path, response.status_code, perf_counter() - begun)


class BrowserHost:
    """Sends browsers that come to pages of ours under the issuer's host on to the host where their session is."""

    def __init__(self, app: ASGIApp, *, base_url: str, issuer_host: str, paths: Iterable[str]) -> None:
        self._app = app
        self._base_url = base_url
        self._host = issuer_host.encode()
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The target is made of what the settings say; of the request, path and query alone are in it."""
        if scope["type"] == "http" and scope["path"] in self._paths and (b"host", self._host) in scope["headers"]:
            query = scope["query_string"].decode("ascii", "ignore")
            target = f"{self._base_url}{scope['path']}{'?' if query else ''}{query}"
            await RedirectResponse(target, 307)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyCap:
    """Refuses bodies longer than any endpoint reads, before and while they arrive; endpoints have smaller caps of their own."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a ``receive`` that counts."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        received = 0

        async def receive_capped() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise BodyTooLarge(f"the body is longer than {self._max_bytes} bytes")
            return message

        await self._app(scope, receive_capped, send)


def append_cookie(headers: MutableHeaders, name: str, value: str, *, secure: bool, same_site: Literal["Lax", "Strict"] = "Lax") -> None:
    """Set a session cookie of the browser; ``__Host-`` names need ``Secure`` and ``Path=/`` (RFC 6265bis §4.1.3)."""
    headers.append("set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite={same_site}" + ("; Secure" if secure else ""))


def append_watched_cookie(headers: MutableHeaders, name: str, value: str, *, secure: bool) -> None:
    """Set a cookie that a script of ours reads inside the frames of other sites (``SameSite=None`` needs ``Secure``)."""
    headers.append("set-cookie", f"{name}={value}; Path=/; " + ("SameSite=None; Secure" if secure else "SameSite=Lax"))


def drop_cookie(headers: MutableHeaders, name: str, *, secure: bool) -> None:
    """Make the browser forget it."""
    headers.append("set-cookie", f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" + ("; Secure" if secure else ""))
