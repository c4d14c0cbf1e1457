"""HTTP/1.1 by hand, for what no client library sends."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.demo.scene import Scene


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back until the server closed; ``head`` in lower case. ``status`` is 0 when nothing came."""

    status: int
    head: str
    body: bytes


def send(url: str, *pieces: bytes) -> Reply:
    """Write the pieces to the server of ``url``, as far as it takes them, and read what it says."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass  # refused before everything was sent: the answer, if any, is still to be read
        received = b""
        try:
            while block := connection.recv(65536):
                received += block
        except OSError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0
    return Reply(status, head.decode("latin-1").lower(), body)


def request(url: str, method: str = "GET", *, host: str = "127.0.0.1", body: bytes = b"", **headers: str) -> Reply:
    """One request; header names by keyword, underscores for dashes."""
    path = url.split("/", 3)[3]
    lines = [f"{method} /{path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return send(url, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", body)


def url_of(scene: Scene, path: str) -> str:
    """Of the port of the provider that has this path: the administration has one of its own."""
    own = path.startswith(("/admin", "/metrics"))
    return f"http://127.0.0.1:{scene.idp_environment['IDP_ADMIN_PORT']}" if own else scene.idp_url


def resident_kilobytes(pid: int) -> int:
    """Memory of a process that is in use (VmRSS)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1])
