"""The watch's own door: commands of the same machine ask the watch that runs, over a Unix socket in its state folder.

One question a connection, a line of JSON; the answer is lines of JSON until the connection ends. Who may read the state folder may
ask: the socket belongs to the account of the watch, and the system says which account stands behind a connection. A question whose asker
goes away (Ctrl-C) is given up at its next line.
"""

import contextlib
import logging
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Final

import orjson

from siem.errors import DataError, OperationError

_log = logging.getLogger(__name__)

Message = Mapping[str, object]
Answer = Callable[[Message], Iterator[Message]]
#: Name of the socket in the state folder.
NAME: Final = "watch.sock"
_MAX_QUESTION: Final = 2_000_000
#: Questions answered at the same time; each holds a thread and a snapshot of the events.
_AT_ONCE: Final = 4
_PATIENCE_SECONDS: Final = 30.0
#: A Unix socket's path may have this many bytes (sun_path); a longer one is reached through its folder.
_LONGEST_PATH: Final = 100


class Door:
    """Serves ``answer`` at a socket in ``folder`` from threads of its own, until closed. Raises OperationError where it cannot listen."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self._path = folder / NAME
        self._stop = threading.Event()
        # The store of events allows one serving process: a socket that is there is what a killed one left.
        self._path.unlink(missing_ok=True)
        try:
            with _reachable(self._path) as address:
                self._server = _Server(address, answer, self._stop)
            self._path.chmod(0o600)
        except OSError as error:
            raise OperationError("listening for commands", f"{self._path} ({error.strerror})", retry_helps=False) from error
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="door")
        self._thread.start()

    def close(self) -> None:
        """Stop listening; questions under way end at their next line."""
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._path.unlink(missing_ok=True)


def ask(folder: Path, question: Message) -> Generator[Message] | None:
    """The answer of the watch that runs on this state folder, line by line; None when none runs.

    Raises DataError with what was wrong with the question, OperationError when the watch fails or goes away before the end.
    """
    path = folder / NAME
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _reachable(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise OperationError("asking the watch", f"{path} ({error.strerror})", retry_helps=False) from error
    return _lines(connection, path, question)


def _lines(connection: socket.socket, path: Path, question: Message) -> Generator[Message]:
    with connection, connection.makefile("rb") as incoming:
        try:
            connection.sendall(orjson.dumps(question) + b"\n")
            for line in incoming:
                message = orjson.loads(line)
                if "refused" in message:
                    raise DataError(**message["refused"])
                if "failed" in message:
                    raise OperationError("asking the watch", str(message["failed"]), retry_helps=False)
                if message == {"end": True}:
                    return
                yield message
        except OSError as error:
            raise OperationError("asking the watch", f"{path} ({error.strerror})", retry_helps=True) from error
    raise OperationError("asking the watch", f"{path} (it went away before the end)", retry_helps=True)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """An address for the socket that fits into the system's limit, however deep the folder is."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: str, answer: Answer, stop: threading.Event) -> None:
        self.answer = answer
        self.stop = stop
        self.places = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Handler)

    def verify_request(self, request: object, client_address: object) -> bool:
        assert isinstance(request, socket.socket)
        _pid, uid, _gid = struct.unpack("3i", request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return uid in (0, os.geteuid())


class _Handler(socketserver.StreamRequestHandler):
    timeout = _PATIENCE_SECONDS
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the asker went away
            if not self.server.places.acquire(blocking=False):
                self._say({"failed": f"the watch answers {_AT_ONCE} questions already; try again when one has ended"})
                return
            try:
                self._answer()
            finally:
                self.server.places.release()

    def _answer(self) -> None:
        try:
            question = orjson.loads(self.rfile.readline(_MAX_QUESTION))
            if not isinstance(question, dict):
                raise DataError("question", 0, "", "an object is expected")
            for message in self.server.answer(question):
                if self.server.stop.is_set():
                    self._say({"failed": "the watch stops"})
                    return
                self._say(message)
            self._say({"end": True})
        except orjson.JSONDecodeError:
            self._say({"refused": _document(DataError("question", 0, "", "a line of JSON is expected"))})
        except DataError as error:
            self._say({"refused": _document(error)})
        except OperationError as error:
            self._say({"failed": str(error)})
        except OSError:
            raise
        except Exception:  # noqa: BLE001  # the guard: a question that we trip over must not stop the watch
            _log.exception("a question at the door was not answered, a defect of the watch")
            self._say({"failed": "a defect of the watch, its log says more"})

    def _say(self, message: Message) -> None:
        self.wfile.write(orjson.dumps(message) + b"\n")
        self.wfile.flush()


def _document(error: DataError) -> dict[str, object]:
    return {"path": error.path, "line": error.line, "field": error.field, "problem": error.problem}
