"""Evidence: files named by their content, sealed by manifests, in a folder that only grows.

    evidence/objects/ab/cd/abcd…      one file per distinct content, named by its SHA-256, read-only
    evidence/journal.ndjson           one line per manifest, each with the hash of the line before it

Everything is written and on disk (fsync of file and folder) before its name is handed out, so that what refers to a
piece of evidence never refers to nothing. A line cut off by a crash is set aside when the folder is opened.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from siem.errors import DataError, OperationError
from siem.event import RawRecord
from siem.store.events import EventStore, Scope
from siem.store.queue import Queue

#: What the first line of a journal refers to.
_FIRST: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece to keep: ``name`` within the manifest, its bytes, and facts about it (source, position, received_at …)."""

    name: str
    data: bytes
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A sealed list of pieces. ``sha256`` is that of the manifest's own bytes, which are kept like any piece."""

    reference: str
    sha256: str
    piece_count: int
    size_bytes: int
    sealed_at: datetime


class EvidenceStore:
    """The evidence folder; made readable by its owner only. Safe to use from several threads of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._objects = folder / "objects"
        self._journal = folder / "journal.ndjson"
        self._lock = threading.Lock()
        try:
            self._objects.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            self._sealed, self._last = self._open_journal()
        except OSError as error:
            raise self._failure("opening the evidence folder", error) from error

    def keep(self, data: bytes) -> str:
        """Keep content; returns its SHA-256 once it is on disk. Keeping it again changes nothing."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if path.exists() and path.stat().st_size == len(data):
                return digest
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = path.with_name(f"{digest}.{os.getpid()}.{threading.get_ident()}.part")
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.chmod(0o400)
            partial.replace(path)
            for folder in (path.parent, path.parent.parent, self._objects):
                _sync_folder(folder)
        except OSError as error:
            raise self._failure("keeping evidence", error) from error
        return digest

    def seal(self, reference: str, pieces: Iterable[Piece], about: Mapping[str, Any], now: datetime) -> Manifest:
        """Keep the pieces and a manifest of them, and enter it in the journal.

        ``reference`` names the act (a run and its step): sealing under a reference that is in the journal returns the
        manifest that is there, so that a step taken up after a crash does not seal twice. ``about`` goes into the manifest.
        """
        with self._lock:
            if reference in self._sealed:
                return self._sealed[reference]
        listed = [{"name": piece.name, "sha256": self.keep(piece.data), "size_bytes": len(piece.data), **piece.facts} for piece in pieces]
        body = {"reference": reference, "sealed_at": now.isoformat(), "about": dict(about), "pieces": listed}
        digest = self.keep(_canonical(body))
        manifest = Manifest(reference, digest, len(listed), sum(int(str(piece["size_bytes"])) for piece in listed), now)
        with self._lock:
            if reference not in self._sealed:
                self._append(manifest)
            return self._sealed[reference]

    def read(self, sha256: str) -> bytes:
        """Content by its hash. Raises OperationError if it is not there, DataError if it is no longer what it was."""
        path = self._path(sha256)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise self._failure("reading evidence", error) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DataError(str(path), 0, "sha256", "the content no longer has the hash it is named by")
        return data

    def manifest(self, sha256: str) -> Mapping[str, Any]:
        """A manifest by its hash."""
        body: Mapping[str, Any] = json.loads(self.read(sha256))
        return body

    def manifests(self) -> Sequence[Manifest]:
        """Every manifest, in the order they were sealed."""
        with self._lock:
            return tuple(self._sealed.values())

    def verify(self) -> list[DataError]:
        """Read everything again: chain of the journal, manifests and pieces. An empty list means that all is as it was sealed."""
        problems: list[DataError] = []
        for manifest in self.manifests():
            try:
                pieces = self.manifest(manifest.sha256)["pieces"]
            except (DataError, OperationError) as error:
                problems.append(_as_problem(error, manifest.reference))
                continue
            for piece in pieces:
                try:
                    self.read(piece["sha256"])
                except (DataError, OperationError) as error:
                    problems.append(_as_problem(error, f"{manifest.reference} {piece['name']}"))
        return problems

    def _path(self, digest: str) -> Path:
        return self._objects / digest[:2] / digest[2:4] / digest

    def _open_journal(self) -> tuple[dict[str, Manifest], str]:
        sealed: dict[str, Manifest] = {}
        last = _FIRST
        data = self._journal.read_bytes() if self._journal.exists() else b""
        whole, _, rest = data.rpartition(b"\n")
        if rest:
            # The process died while writing this line: nothing ever referred to it.
            with self._journal.with_suffix(".cut").open("ab") as file:
                file.write(rest + b"\n")
            os.truncate(self._journal, len(data) - len(rest))
        for number, line in enumerate(whole.split(b"\n") if whole else (), start=1):
            entry = json.loads(line)
            if entry["previous"] != last:
                raise DataError(str(self._journal), number, "previous", "the journal was changed before this line")
            last = hashlib.sha256(line).hexdigest()
            sealed[entry["reference"]] = Manifest(
                entry["reference"], entry["sha256"], entry["piece_count"], entry["size_bytes"], datetime.fromisoformat(entry["sealed_at"])
            )
        return sealed, last

    def _append(self, manifest: Manifest) -> None:
        entry = {
            "previous": self._last,
            "reference": manifest.reference,
            "sha256": manifest.sha256,
            "piece_count": manifest.piece_count,
            "size_bytes": manifest.size_bytes,
            "sealed_at": manifest.sealed_at.isoformat(),
        }
        line = _canonical(entry)
        try:
            with self._journal.open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self._folder)
        except OSError as error:
            raise self._failure("writing the journal of evidence", error) from error
        self._last = hashlib.sha256(line).hexdigest()
        self._sealed[manifest.reference] = manifest

    def _failure(self, attempted: str, error: OSError) -> OperationError:
        return OperationError(attempted, f"{error.filename or self._folder}: {error.strerror}", retry_helps=True)


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _as_problem(error: DataError | OperationError, reference: str) -> DataError:
    if isinstance(error, DataError):
        return DataError(error.path, error.line, error.field, f"{error.problem} ({reference})")
    return DataError(error.subject, 0, "", f"{error} ({reference})")


def collector(events: EventStore, queue: Queue) -> Callable[[str, Sequence[str]], Mapping[str, RawRecord]]:
    """Finds the raw records of a tenant's events, as received, by event id; those past retention are missing."""

    def collected(tenant: str, ids: Sequence[str]) -> Mapping[str, RawRecord]:
        sequences = events.sequences(ids, Scope(tenant))
        records = queue.get(sequences.values())
        return {event_id: records[sequence] for event_id, sequence in sequences.items() if sequence in records}

    return collected
