"""The audit log: one JSON line per event, handed to the kernel before the answer leaves.

Each line refers to the hash of the one before (:func:`vocabulary.audit.chain_hash`). A line is out of the
process when :meth:`AuditLog.record` returns, so a killed process loses nothing; :meth:`AuditLog.sync`
makes what was written survive a power cut and is called about once a second.
"""

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from idp.errors import OperationError
from idp.tracing import request_id
from vocabulary.audit import FIRST_HASH, AuditAction, AuditEvent, AuditValue, Outcome, chain_hash

_TAIL_BYTES = 1_048_576
#: How much of the log one search reads at most, and in what pieces.
_SEARCH_BYTES = 268_435_456
_BLOCK_BYTES = 262_144
_HASH_LENGTH = 64
_HASH_PREFIX = b',"event.hash":"'


class AuditLog:
    """The file and its chain. Several processes (the server, a command) may write it: each line is written under a file lock."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime], provider: str) -> None:
        self.path = path
        self._clock = clock
        self._provider = provider
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._length = -1
        self._sequence, self._hash = 0, FIRST_HASH
        self._unsynced = False
        #: Events recorded by this process, for the metrics.
        self.counts: Counter[tuple[AuditAction, Outcome]] = Counter()
        try:
            self._lock()
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def record(self, action: AuditAction, outcome: Outcome, fields: Mapping[str, AuditValue | None] | None = None) -> None:
        """Write one event now; None and empty values are left out. Raises :class:`OperationError` when the disk refuses."""
        # Zero and false are values; None, an empty text and an empty list are not.
        kept = {name: value for name, value in (fields or {}).items() if value or isinstance(value, int)}
        if trace := request_id.get():
            kept["trace.id"] = trace
        event = AuditEvent(action, outcome, self._clock(), kept)
        try:
            self._lock()
            line, digest = event.to_json_line(sequence=self._sequence + 1, previous_hash=self._hash, provider=self._provider)
            self._append(f"{line}\n".encode())
            self._sequence += 1
            self._hash = digest
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self.counts[action, outcome] += 1

    def _lock(self) -> None:
        """Be the only one who writes, and know how the file ends; whoever calls it unlocks, whatever happens."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if os.fstat(self._file).st_size != self._length:
            self._recover()

    def _append(self, data: bytes) -> None:
        try:
            written = os.pwrite(self._file, data, self._length)
        except OSError as error:
            raise OperationError("writing the audit log", str(self.path), retry_helps=True) from error
        if written != len(data):
            # A disk that fills up mid-line: the half line must not stay, the next one would stick to it.
            os.ftruncate(self._file, self._length)
            raise OperationError("writing the audit log", str(self.path), retry_helps=True)
        self._length += written
        self._unsynced = True

    def sync(self) -> None:
        """Ask the disk to keep what was written; blocks, so call it off the event loop."""
        if self._unsynced:
            self._unsynced = False
            os.fsync(self._file)

    def close(self) -> None:
        """Sync and close; further events fail."""
        self.sync()
        os.close(self._file)

    def _recover(self) -> None:
        """Take up the chain after the last whole line; a half line left by a crash is moved to ``<log>.half``."""
        end = os.fstat(self._file).st_size
        tail = os.pread(self._file, _TAIL_BYTES, max(0, end - _TAIL_BYTES))
        whole, _, half = tail.rpartition(b"\n")
        if half:
            beside = self.path.with_name(self.path.name + ".half")
            beside.touch(0o600)
            with beside.open("ab") as aside:
                aside.write(half + b"\n")
            os.ftruncate(self._file, end - len(half))
        self._length = end - len(half)
        self._sequence, self._hash = 0, FIRST_HASH
        if whole:
            try:
                last = orjson.loads(whole.rpartition(b"\n")[2])
                self._sequence, self._hash = int(last["event.sequence"]), str(last["event.hash"])
            except (ValueError, KeyError, TypeError) as error:
                raise OperationError("reading the last line of the audit log", str(self.path), retry_helps=False) from error


@dataclass(frozen=True, slots=True)
class Found:
    """Events, newest first; ``complete`` is false where there may be more."""

    events: list[dict[str, Any]]
    complete: bool


def search(path: Path, from_at: datetime, to_at: datetime | None, wanted: Mapping[str, str], limit: int) -> Found:
    """Events between two instants whose members have the wanted values, from the end of the log backwards; blocks, so call it in a thread.

    Reads no further than the first event before ``from_at``, and at most :data:`_SEARCH_BYTES`.
    """
    found: list[dict[str, Any]] = []
    for read, line in _lines_backwards(path):
        if read > _SEARCH_BYTES or len(found) == limit:
            return Found(found, complete=False)
        try:
            event = orjson.loads(line)
            at = datetime.fromisoformat(event["@timestamp"])
        except (ValueError, KeyError, TypeError):
            continue  # verify() is what tells of a line that is not whole
        if at < from_at:
            return Found(found, complete=True)
        if (to_at is None or at < to_at) and all(event.get(name) == value for name, value in wanted.items()):
            found.append(event)
    return Found(found, complete=True)


def _lines_backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines from the last to the first, each with the bytes read so far."""
    with path.open("rb") as log:
        left = log.seek(0, os.SEEK_END)
        end, rest = left, b""
        while left:
            size = min(_BLOCK_BYTES, left)
            left -= size
            log.seek(left)
            first, *lines = (log.read(size) + rest).split(b"\n")
            rest = first
            yield from ((end - left, line) for line in reversed(lines) if line)
        if rest:
            yield end, rest


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """Where a log stops being the one that was written; ``line`` counts from 1."""

    line: int
    reason: str


def verify(path: Path) -> Iterator[int | BrokenLink]:
    """Yield the sequence of each sound line, then at most one :class:`BrokenLink`: after it nothing can be trusted."""
    previous, sequence = FIRST_HASH, 0
    with path.open("rb") as log:
        for number, raw in enumerate(log, start=1):
            reason = _fault(raw, previous, sequence)
            if reason:
                yield BrokenLink(number, reason)
                return
            previous = raw[-_HASH_LENGTH - 3 : -3].decode()
            sequence += 1
            yield sequence


def _fault(raw: bytes, previous: str, sequence: int) -> str | None:
    if not raw.endswith(b'"}\n'):
        return "the line is not whole"
    body, prefix, _ = raw.rpartition(_HASH_PREFIX)
    if not prefix:
        return "the line has no event.hash"
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return f"the line is not JSON: {error}"
    if document.get("event.sequence") != sequence + 1:
        return f"event.sequence is {document.get('event.sequence')}, {sequence + 1} was expected: a line is missing or was added"
    if chain_hash(previous, body.decode() + "}") != document["event.hash"]:
        return "event.hash does not fit: this line or one before it was changed"
    return None
