import asyncio
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest

from idp.errors import OperationError
from idp.outbound import Outbound
from tests.end_to_end.tls_proxy import NOW
from tests.idp.certificates import Issued

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


@contextmanager
def listening(
    status: int = 204, headers: dict[str, str] | None = None, body: bytes = b"", tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, SimpleQueue[dict[str, str]]]]:
    """A service's endpoint on this machine: its URL, and what it was sent."""
    heard: SimpleQueue[dict[str, str]] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"])).decode()
            told = {name: self.headers[name] for name in ("authorization", "host", "content-type")}
            heard.put({"path": self.path, "body": sent, **told})
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if body:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/ping", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _post(outbound: Outbound, url: str) -> int:
    return asyncio.run(outbound.post(url, headers={"Authorization": "Bearer t"}, body=b"{}"))


def _resolving(*addresses: str) -> Outbound:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return Outbound(resolve=resolve)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_an_address_of_our_own_is_not_reached(address: str) -> None:
    with pytest.raises(OperationError, match="not a public address"):
        _post(_resolving(address), "https://service.example/ping")


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(OperationError, match="not a public address"):
        _post(_resolving("93.184.215.14", "10.0.0.1"), "https://service.example/ping")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://[::1]/", "https://localhost/"]
)
def test_writing_loopback_in_another_way_does_not_help(url: str) -> None:
    with pytest.raises(OperationError):
        _post(Outbound(), url)


def test_nothing_is_sent_without_tls_to_another_machine() -> None:
    with pytest.raises(OperationError, match="without TLS"):
        _post(_resolving("93.184.215.14"), "http://service.example/ping")


def test_the_development_switch_opens_loopback_and_nothing_else() -> None:
    with listening() as (url, heard):
        assert _post(Outbound(allow_loopback=True), url) == 204
        assert heard.get(timeout=5)["authorization"] == "Bearer t"
        with pytest.raises(OperationError, match="not a public address"):
            _post(Outbound(), url)
        assert heard.empty()
    with pytest.raises(OperationError, match="not a public address"):
        _post(Outbound(allow_loopback=True), "https://10.0.0.1/")


def test_a_redirect_is_an_answer_and_not_a_way() -> None:
    with listening() as (target, followed), listening(302, {"location": target}) as (url, heard):
        assert _post(Outbound(allow_loopback=True), url) == 302
        assert heard.get(timeout=5)["path"] == "/ping"
        assert followed.empty()


def test_an_answer_without_end_is_cut_off() -> None:
    with listening(200, body=b"x" * 70_000) as (url, _), pytest.raises(OperationError, match="longer than"):
        _post(Outbound(allow_loopback=True), url)


@pytest.mark.parametrize("url", ["https://", "https://a:b@c:x/", "ftp://service.example/", "https://service.example:99999/"])
def test_an_address_that_is_none_is_an_error_of_the_operator_s(url: str) -> None:
    with pytest.raises(OperationError):
        _post(_resolving(), url)


def test_an_authority_of_a_file_is_believed_and_no_other(tmp_path: Path) -> None:
    ours, strange = (Issued(f"CN=Autorite {name}", NOW, is_authority=True) for name in ("interne", "autre"))
    shown = Issued("CN=service", NOW, ours, host="127.0.0.1")
    for name, content in (("service.pem", shown.pem + shown.key_pem), ("ours.pem", ours.pem), ("strange.pem", strange.pem)):
        (tmp_path / name).write_bytes(content)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "service.pem")
    with listening(tls=tls) as (url, heard):
        assert _post(Outbound(allow_loopback=True, authorities=tmp_path / "ours.pem"), url) == 204
        assert heard.get_nowait()["path"] == "/ping"
        for stranger in (Outbound(allow_loopback=True), Outbound(allow_loopback=True, authorities=tmp_path / "strange.pem")):
            with pytest.raises(OperationError, match="ConnectError"):
                _post(stranger, url)
        assert heard.empty()


def test_authorities_do_not_take_the_place_of_the_public_ones(tmp_path: Path) -> None:
    (tmp_path / "ours.pem").write_bytes(Issued("CN=Autorite interne", NOW, is_authority=True).pem)
    context = Outbound(authorities=tmp_path / "ours.pem")._verify
    assert isinstance(context, ssl.SSLContext)
    assert context.cert_store_stats()["x509_ca"] > 100


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_of_authorities_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OperationError, match="authorities\\.pem"):
        Outbound(authorities=path)
