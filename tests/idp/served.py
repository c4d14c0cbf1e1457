"""What clients serve on a web server of their own: keys, lists of addresses, request objects. Real sockets, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson


class Site:
    """A web server whose pages a test writes; ``asked`` holds the paths it was asked for."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []

    def put(self, path: str, document: Any, status: int = 200) -> str:
        """Serve a document; returns its address."""
        self.pages[path] = (status, document if isinstance(document, bytes) else orjson.dumps(document))
        return f"{self.base}{path}"


@contextmanager
def serving() -> Iterator[Site]:
    """A site on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            status, body = site.pages.get(self.path, (404, b""))
            self.send_response(status)
            if status == 302:
                self.send_header("location", body.decode())
                body = b""
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(server.server_port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
