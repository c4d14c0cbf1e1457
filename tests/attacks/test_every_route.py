"""No route of the server fails, grows or labours, whatever comes in: the list of routes is the application's own.

Precedents: authlib CVE-2025-61920 (unbounded segments) and CVE-2025-62706 (``zip``), python-jose CVE-2024-33664 (JWE bomb).
"""

import json
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from starlette.routing import Route

from deploy.demo.scene import Scene
from idp.app import create_app
from idp.settings import Environment, Settings
from tests.attacks.forgery import b64u
from tests.attacks.raw_http import Reply, request, resident_kilobytes, url_of

pytestmark = pytest.mark.precedent("CVE-2025-61920", "CVE-2025-62706", "CVE-2024-33664")

#: What all requests of one test may add to the server's memory, in kilobytes.
FLAT = 24_576
#: CPU time of the server for one request, in seconds: an order of magnitude more than any takes.
LABOUR = 0.25
DOCTOR = "899700000005"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
NAMES = ("client_id", "token", "code", "request", "id_token_hint", "state", "national_id", "client_assertion", "subject_token", "user_code")
NAMES += ("redirect_uri", "grant_type", "scope", "login_hint", "authorization_details", "claims", "nonce", "max_age", "response_mode")


@lru_cache
def routes() -> tuple[tuple[str, str], ...]:
    """(method, path) of everything that a development provider serves, on either port, the framework's part included."""
    with TemporaryDirectory() as folder:
        chosen = {"client_registration": True, "admin_port": 8801, "administrators": (DOCTOR,)}
        app = create_app(Settings(environment=Environment.DEVELOPMENT, state=Path(folder), **chosen))  # type: ignore[arg-type]
        framework = app.framework.build()  # type: ignore[attr-defined]
        served, described = [*app.routes, *framework.router.routes], framework.openapi()["paths"]
        app.state.provider.audit.close()
    found = [
        (method, route.path)
        for route in served
        if isinstance(route, Route)
        for method in sorted(route.methods or {"GET"})
        if method != "HEAD"
    ]
    found += [("GET", "/metrics"), *((method.upper(), path) for path, methods in described.items() for method in methods)]
    return tuple(dict.fromkeys((method, re.sub(r"\{[^}]*\}", "x", path)) for method, path in found))


def _seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """The real server, and what it used."""

    def __init__(self, scene: Scene) -> None:
        assert scene.idp._process is not None
        self._scene, self._pid, self.log = scene, scene.idp._process.pid, scene.folder / "logs" / "idp.log"
        self._memory, self._labour, self._count = 0, 0.0, 0

    def begin(self) -> None:
        self._memory, self._labour, self._count = resident_kilobytes(self._pid), _seconds(self._pid), 0

    def send(self, method: str, path: str, *, query: str = "", body: bytes = b"", **headers: str) -> Reply:
        self._count += 1
        return request(f"{url_of(self._scene, path)}{path}{query}", method, body=body, **headers)

    def check(self) -> None:
        """Memory is flat and work is bounded, over everything since :meth:`begin`."""
        assert resident_kilobytes(self._pid) - self._memory < FLAT
        assert _seconds(self._pid) - self._labour < LABOUR * self._count
        assert "bug " not in self.log.read_text("utf-8", "replace")


@pytest.fixture
def server(scene: Scene) -> Iterator[Server]:
    made = Server(scene)
    made.begin()
    yield made
    made.check()


def _is_order(method: str, path: str, reply: Reply) -> bool:
    """An answer in good order: a refusal where something was sent; pages and public documents may be shown all the same.

    What a browser posts without cookies to logout or the authorization endpoint is asked again by GET.
    """
    shown = method == "GET" or path.endswith(("/logout", "/auth"))
    return 400 <= reply.status < 500 or (reply.status in (200, 204, 303, 308) and shown)


def test_the_list_is_that_of_the_application() -> None:
    found = routes()
    assert len(found) > 60
    connect = "/auth/realms/esante-wallet/protocol/openid-connect"
    of_each_part = {
        *(("POST", f"{connect}/token"), ("POST", "/login/x"), ("PUT", "/control/v1/clock"), ("GET", "/metrics")),
        *(("POST", "/admin/v1/revocations"), ("PUT", "/admin/v1/clients/x"), ("GET", "/admin/v1/openapi.json")),
        *(("GET", "/administration/people"), ("POST", "/administration/keys/withdraw")),
    }
    assert of_each_part - set(found) == set()


def test_a_method_that_a_path_does_not_have_is_told_with_those_that_it_has(server: Server) -> None:
    served: dict[str, set[str]] = {}
    for method, path in routes():
        served.setdefault(path, set()).add(method)
    for path, methods in served.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - methods:
            reply = server.send(method, path)
            assert (reply.status, "\r\nallow: " in reply.head) == (405, True), (method, path, reply)
            said = json.loads(reply.body)
            assert (said["error"], "this address answers" in said["error_description"]) == ("invalid_request", True), (method, path)


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/admin/v1/nowhere", "/admin/", "/administration/nowhere", "/assets/nowhere.css", "/control/v1/nowhere", "/metrics/"],
)
def test_a_path_that_is_nowhere_is_told_in_json_on_both_ports(scene: Scene, path: str) -> None:
    for url in {scene.idp_url, url_of(scene, "/admin/")}:
        reply = request(f"{url}{path}", "GET")
        assert (reply.status, json.loads(reply.body)["error"]) == (404, "invalid_request"), (url, reply)
        assert "x-content-type-options: nosniff" in reply.head


def test_ten_megabytes(server: Server) -> None:
    body = b"a=" + b"x" * 10_000_000
    for method, path in routes():
        reply = server.send(method, path, body=body, Content_Type=FORM if "/api/" not in path else JSON)
        assert _is_order(method, path, reply), (method, path, reply)


def test_bytes_that_are_no_text(server: Server) -> None:
    for method, path in routes():
        for body, kind in (
            (b"client_id=\xff\xfe&token=%ED%A0%80&code=%FF", FORM),
            (b'{"national_id":"\xff","client_name":"\xed\xa0\x80"}', JSON),
        ):
            query = "?client_id=%FF&state=%ED%A0%80&user_code=%C0%AF"
            reply = server.send(
                method, path, query=query, body=body if method != "GET" else b"", Content_Type=kind, Cookie="veilleur_idp_sso=\xff\xfe"
            )
            assert _is_order(method, path, reply), (method, path, reply)


def test_parameters_twice_and_a_thousand_times(server: Server) -> None:
    twice = "&".join(f"{name}=a&{name}=b" for name in NAMES)
    many = "&".join(f"p{number}=v" for number in range(1000))
    for method, path in routes():
        for form in (twice, many):
            reply = server.send(method, path, query=f"?{form}"[:6000], body=form.encode() if method != "GET" else b"", Content_Type=FORM)
            assert _is_order(method, path, reply), (method, path, reply)


def _jose() -> dict[str, str]:
    """Nested, compressed and costly tokens, small enough to be read by every door."""
    bomb = zlib.compress(b" " * 4_000_000, 9)[2:-4]
    nested = "e30.e30.AA"
    for _ in range(5):
        nested = _wrapped(nested)
    password = {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 10**9, "p2s": "AAAA"}
    return {
        "nested": nested,
        "compressed": _encrypted({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, bomb),
        "costly": _encrypted(password, b"x"),
        "brackets": _wrapped("[" * 2000),
    }


def _encrypted(header: dict[str, object], body: bytes) -> str:
    return ".".join([b64u(json.dumps(header).encode()), b64u(bytes(40)), b64u(bytes(12)), b64u(body), b64u(bytes(16))])


def _wrapped(inner: str) -> str:
    return ".".join([b64u(json.dumps({"alg": "ES256", "kid": "k", "cty": "JWT"}).encode()), b64u(inner.encode()), b64u(bytes(64))])


@pytest.mark.parametrize("kind", ["nested", "compressed", "costly", "brackets"])
def test_tokens_that_are_nested_compressed_or_costly(server: Server, kind: str) -> None:
    token = _jose()[kind]
    form = "&".join(f"{name}={token}" for name in ("token", "client_assertion", "request", "id_token_hint", "subject_token", "code"))
    form += "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_id=messagerie"
    for number, (method, path) in enumerate(routes()):
        scheme = ("Bearer", "DPoP", "Device")[number % 3]
        reply = server.send(
            method, path, body=form.encode() if method != "GET" else b"", Content_Type=FORM, Authorization=f"{scheme} {token}", DPoP=token
        )
        assert _is_order(method, path, reply), (method, path, reply)
