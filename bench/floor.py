"""What no provider in this language gets below: the same HTTP server, and around it only what an answer cannot do without.

``python -m bench.floor`` listens where the settings say, as ``idp serve`` does, and answers by path:

``/server``      reads a form and gives a constant answer;
``/RS256``       signs with that algorithm, and writes one chained line of a log; ``/ES256`` the same;
``/look-up``     reads two rows of a store by their key, and writes one such line;
``/step``        one of a login: two rows are read, one is written (committed, the disk not waited for), and one line;
``/tokens``      its end: two RS256 signatures, and one commit that waits for the disk, in a thread.

No client is authenticated, nothing is parsed or checked, and nothing is put together: these are floors, not providers.
"""

import asyncio
import base64
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from idp.cli.serving import listening, run, server
from idp.settings import load

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_SIGNED: Final = b"x" * 700  # about the header and claims of an access token
_LINE: Final = "x" * 560  # about an audit event
_ROW: Final = b"x" * 900  # about a client, a session, a request that waits
_ANSWER: Final = b'{"access_token":"' + b"x" * 760 + b'"}'


class Floor:
    """The application: keys, a log and a store of its own in ``folder``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._rsa = rsa.generate_private_key(65537, 2048)
        self._ec = ec.generate_private_key(ec.SECP256R1())
        self._log = os.open(folder / "floor.ndjson", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._hash = ""
        self._writer, self._reader = (sqlite3.connect(folder / "floor.sqlite", isolation_level=None, check_same_thread=False) for _ in "wr")
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = NORMAL")
        self._writer.execute("CREATE TABLE kept (id TEXT PRIMARY KEY, document BLOB) WITHOUT ROWID")
        self._thread = ThreadPoolExecutor(1)
        self._count = 0
        for _ in range(1000):
            self._note()
        self._work: dict[str, Callable[[], Awaitable[None]]] = {
            "/server": self._nothing,
            "/RS256": self._sign_rsa,
            "/ES256": self._sign_ec,
            "/look-up": self._look_up,
            "/step": self._step,
            "/tokens": self._tokens,
        }

    def close(self) -> None:
        """Give back files and thread."""
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()
        os.close(self._log)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request; the server's own start and end need nothing."""
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await self._work[scope["path"]]()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_ANSWER)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": _ANSWER})

    async def _nothing(self) -> None:
        pass

    async def _sign_rsa(self) -> None:
        base64.urlsafe_b64encode(self._rsa.sign(_SIGNED, padding.PKCS1v15(), SHA256()))
        self._write_line()

    async def _sign_ec(self) -> None:
        base64.urlsafe_b64encode(self._ec.sign(_SIGNED, ec.ECDSA(SHA256())))
        self._write_line()

    async def _look_up(self) -> None:
        self._read()
        self._read()
        self._write_line()

    async def _step(self) -> None:
        self._read()
        self._read()
        self._note()
        self._write_line()

    async def _tokens(self) -> None:
        await self._sign_rsa()
        await self._sign_rsa()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._commit)

    def _read(self) -> None:
        self._reader.execute("SELECT document FROM kept WHERE id = ?", (str(self._count // 2),)).fetchone()

    def _note(self) -> None:
        self._count += 1
        self._writer.execute("INSERT INTO kept VALUES (?, ?)", (str(self._count), _ROW))

    def _commit(self) -> None:
        self._writer.execute("PRAGMA synchronous = FULL")
        self._note()
        self._writer.execute("PRAGMA synchronous = NORMAL")

    def _write_line(self) -> None:
        """Bound to the line before it, under the lock that keeps other processes out."""
        self._hash = hashlib.sha256(f"{self._hash}{_LINE}".encode()).hexdigest()
        fcntl.flock(self._log, fcntl.LOCK_EX)
        os.write(self._log, f"{_LINE}{self._hash}\n".encode())
        fcntl.flock(self._log, fcntl.LOCK_UN)


def main() -> None:
    """Answer until interrupted."""
    settings = load()
    application = Floor(settings.state)
    try:
        run(server(application, settings), [listening(settings.host, settings.port)])
    finally:
        application.close()


if __name__ == "__main__":
    main()
