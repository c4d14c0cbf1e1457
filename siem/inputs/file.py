"""Following a log file: every complete line once, across rotation by rename, truncation, kills and restarts.

How far a file was read is stored in the same transaction as its lines (:meth:`siem.store.queue.Queue.put`). A line's
position is the file's generation and the byte where the line begins; a new generation begins whenever another file
(or the same one, emptied) stands under the path.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final

from siem.errors import OperationError
from siem.event import RawRecord
from siem.store.queue import RecordQueue

_log = logging.getLogger(__name__)

#: Bytes at the start of a file by which it is recognised beside its inode, which systems reuse.
_HEAD_BYTES: Final = 256
_MAX_LINE_BYTES: Final = 1 << 20
#: How long a renamed file that no longer grows is still watched: its writer may not have reopened its log yet.
_ROTATED_GRACE: Final = timedelta(seconds=10)
_COMPRESSED: Final = (".gz", ".xz", ".bz2", ".zst")
#: What rotation adds to a name: a number or a date.
_ROTATED_SUFFIX: Final = re.compile(r"[.-][0-9][0-9T_.-]*")
#: How long to wait between looks at a quiet file, and at most after failures.
_PAUSE: Final = timedelta(milliseconds=100)
_LONGEST_PAUSE: Final = timedelta(seconds=30)

Clock = Callable[[], datetime]


@dataclass(slots=True)
class _File:
    """One file being read. ``head`` is a hash of its first ``head_length`` bytes."""

    generation: int
    device: int
    inode: int
    offset: int = 0
    head: str = ""
    head_length: int = 0


class FileInput:
    """Follows one path for one source. Not for several threads at once."""

    def __init__(
        self, source: str, path: Path, queue: RecordQueue, clock: Clock, *, tenant: str = "default", batch_bytes: int = 1 << 20
    ) -> None:
        self.source = source
        self.path = path
        self._tenant = tenant
        self._queue = queue
        self._clock = clock
        self._batch_bytes = max(batch_bytes, _HEAD_BYTES)
        # From oldest to newest; all but the last were renamed away and are read to their end.
        self._files: list[_File] = []
        self._open: dict[int, IO[bytes]] = {}
        self._grew_at: dict[int, datetime] = {}
        self._generation = 0
        self._restored = False
        self._seen: tuple[int, int] | None = None

    def poll(self) -> int:
        """Receive what is there, a batch at most; the number of bytes it was, 0 when there is nothing new.

        Raises OperationError when the file or the queue fails; nothing is lost, the next call tries again from the last
        line received.
        """
        try:
            if not self._restored:
                self._restore()
            self._recognise()
            for file in list(self._files):
                if count := self._read(file):
                    return count
                self._drop_if_finished(file)
        except OSError as error:
            self._forget()
            raise OperationError("reading the log", f"{self.path} ({error.strerror})", retry_helps=True) from error
        except OperationError:
            self._forget()
            raise
        return 0

    def close(self) -> None:
        """Close the files; what was received stays received."""
        self._forget()

    # ------------------------------------------------------------------ which files
    def _restore(self) -> None:
        """Take up where the queue says we were, looking for files that were renamed while we were not running."""
        saved = self._queue.offset(self.source) or {}
        self._generation = int(str(saved.get("generation", 0)))
        files = saved.get("files")
        self._files = [_File(**entry) for entry in files] if isinstance(files, list) else []
        for file in list(self._files):
            found = next((path for path in (self.path, *self._siblings()) if _same(path, file)), None)
            if found is None:
                self._files.remove(file)
                _log.warning(
                    "%s: the file read up to byte %d is gone; lines written to it after that are lost to the watch", self.path, file.offset
                )
                continue
            self._open[file.generation] = found.open("rb")
        if self._files and not _same(self.path, self._files[-1]):
            self._add_files_rotated_meanwhile(self._files[-1])
        self._restored = True

    def _add_files_rotated_meanwhile(self, last: _File) -> None:
        known = {(file.device, file.inode) for file in self._files}
        since = os.fstat(self._open[last.generation].fileno()).st_mtime_ns
        for path in self._siblings():
            status = path.stat()
            is_later = (status.st_dev, status.st_ino) not in known and status.st_mtime_ns > since
            if is_later and status.st_size and _ROTATED_SUFFIX.fullmatch(path.name.removeprefix(self.path.name)):
                self._begin(path)

    def _siblings(self) -> list[Path]:
        """Uncompressed files beside the path that rotation may have made of it (access.log.1, access.log-20261122), oldest first."""
        found = [
            path
            for path in self.path.parent.glob(f"{self.path.name}*")
            if path != self.path and path.suffix not in _COMPRESSED and path.is_file()
        ]
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    def _recognise(self) -> None:
        """See whether the path is still the file we read, was emptied, or is another one by now."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return  # not there yet, or between the two steps of a rotation
        current = self._files[-1] if self._files else None
        if current is not None and (status.st_dev, status.st_ino) == (current.device, current.inode):
            if self._seen == (status.st_size, status.st_mtime_ns):
                return
            self._seen = (status.st_size, status.st_mtime_ns)
            if status.st_size >= current.offset and self._head_is_same(current):
                return
            _log.info("%s was emptied and begins anew", self.path)
            self._files.remove(current)
            self._open.pop(current.generation).close()
        self._begin(self.path)

    def _begin(self, path: Path) -> None:
        opened = path.open("rb")
        status = os.fstat(opened.fileno())
        self._generation += 1
        file = _File(self._generation, status.st_dev, status.st_ino)
        self._files.append(file)
        self._open[file.generation] = opened
        self._grew_at[file.generation] = self._clock()

    def _head_is_same(self, file: _File) -> bool:
        opened = self._open[file.generation]
        return file.head_length == 0 or _head(opened, file.head_length) == file.head

    def _drop_if_finished(self, file: _File) -> None:
        """Let go of a renamed file that nobody has written to for a while, taking its last line even without a line feed."""
        if file is self._files[-1]:
            return
        grew_at = self._grew_at.setdefault(file.generation, self._clock())
        if self._clock() - grew_at < _ROTATED_GRACE:
            return
        opened = self._open[file.generation]
        opened.seek(file.offset)
        rest = opened.read(_MAX_LINE_BYTES)
        records = [self._record(file, file.offset, rest)] if rest.strip() else []
        self._files.remove(file)
        self._queue.put(records, {self.source: self._state()})
        self._open.pop(file.generation).close()
        self._grew_at.pop(file.generation, None)

    # ------------------------------------------------------------------ what is in them
    def _read(self, file: _File) -> int:
        opened = self._open[file.generation]
        opened.seek(file.offset)
        data = opened.read(self._batch_bytes)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == self._batch_bytes < _MAX_LINE_BYTES:
            data += opened.read(_MAX_LINE_BYTES - len(data))
            end = data.rfind(b"\n") + 1
        if not end and len(data) >= _MAX_LINE_BYTES:
            end = len(data)  # no log has such a line: it goes on in pieces, which the source will refuse by name
        if not end:
            return 0
        records = []
        offset = file.offset
        for line in data[:end].split(b"\n"):
            if line and not line.isspace():
                records.append(self._record(file, offset, line))
            offset += len(line) + 1
        if file.head_length < _HEAD_BYTES:
            file.head_length = min(_HEAD_BYTES, file.offset + end)
            file.head = _head(opened, file.head_length)
        file.offset += end
        self._queue.put(records, {self.source: self._state()})
        self._grew_at[file.generation] = self._clock()
        return end

    def _record(self, file: _File, offset: int, line: bytes) -> RawRecord:
        return RawRecord(self.source, f"{file.generation}:{offset}", self._clock(), line.rstrip(b"\r\n"), self._tenant)

    def _state(self) -> Mapping[str, object]:
        return {"generation": self._generation, "files": [asdict(file) for file in self._files]}

    def _forget(self) -> None:
        for opened in self._open.values():
            opened.close()
        self._open.clear()
        self._grew_at.clear()
        self._files = []
        self._seen = None
        self._restored = False


def _head(opened: IO[bytes], length: int) -> str:
    opened.seek(0)
    return blake2b(opened.read(length), digest_size=16).hexdigest()


def _same(path: Path, file: _File) -> bool:
    try:
        status = path.stat()
        if (status.st_dev, status.st_ino) != (file.device, file.inode) or status.st_size < file.offset:
            return False
        with path.open("rb") as opened:
            return _head(opened, file.head_length) == file.head
    except FileNotFoundError:
        return False


def follow(inputs: Sequence[FileInput], stop: threading.Event) -> None:
    """Follow all the files until ``stop`` is set; for a thread of its own. A failing one is tried again, and holds up no other."""
    pauses: dict[str, timedelta] = {}
    waited: dict[str, timedelta] = {}
    while not stop.is_set():
        busy = False
        for file_input in inputs:
            name = file_input.source
            waited[name] = waited.get(name, timedelta()) + _PAUSE
            if waited[name] < pauses.get(name, timedelta()):
                continue
            waited[name] = timedelta()
            try:
                busy |= file_input.poll() > 0
                pauses.pop(name, None)
            except OperationError as error:
                pauses[name] = min(pauses.get(name, _PAUSE) * 2, _LONGEST_PAUSE)
                _log.error("source %s: %s; trying again in %.1f s", name, error, pauses[name].total_seconds())
        if not busy:
            stop.wait(_PAUSE.total_seconds())
    for file_input in inputs:
        file_input.close()
