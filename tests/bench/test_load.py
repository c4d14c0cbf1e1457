import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import send


@contextmanager
def _server(status: int) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server of one answer on a free port of loopback: its address, and what it was asked (X-Test header, body)."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append((self.headers["X-Test"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"hal")  # in two parts, as a network may cut it
            self.wfile.write(b"lo!")

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/path", asked
        finally:
            server.shutdown()
            thread.join(10)


def test_counts_whole_answers_and_sends_the_body_each_time() -> None:
    with _server(200) as (url, asked):
        tally = send("POST", url, {"X-Test": "yes"}, b"body", seconds=0.05, connections=3)
        assert tally.answered == len(asked) >= 3
        assert tally.refused == 0
        assert set(asked) == {("yes", b"body")}


def test_a_refusal_is_no_measure() -> None:
    with _server(401) as (url, _), pytest.raises(RuntimeError, match="were not 200"):
        send("POST", url, {"X-Test": "no"}, b"body", seconds=0.01, connections=1)


def test_speaks_to_loopback_alone() -> None:
    with pytest.raises(ValueError, match="127.0.0.1 alone"):
        send("GET", "http://192.0.2.1/", {}, b"", seconds=0.01)
