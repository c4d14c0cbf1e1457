"""Things that take long to make, kept in a folder of ours: compiled rules, scanning machines, measured shares.

A file is believed only if it is ours alone: a regular file (no link) owned by us that nobody else can write to, in such a folder, with its
seal intact. The seal is a SHA-256 over name and content: it finds what a full disk or a bad sector left, not a forger. A forger is
kept out by owner and mode, for whoever can write here as us can change our rules and our program as well, and could
recompute any seal whose key we could read. What is read is data, never code (JSON), with one exception: the machines of
Hyperscan are tables for its own scanner, which checks little of them. Anything else than a sound file means: make it anew.
"""

import hashlib
import logging
import os
import stat
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

_DIGEST_BYTES: Final = 32
#: Written by others, or for others to write: nobody else than us may have had a hand in it.
_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
#: A file that was of no use for so long before the last use of any goes.
_KEPT_SECONDS: Final = 30 * 86_400


class Cache:
    """Files of ours by name. Nothing here raises: what cannot be read is not there, what cannot be written is made again next time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ours: bool | None = None

    @classmethod
    def of_watch(cls, state: Path) -> "Cache":
        """The cache of the watch whose state is in that folder."""
        return cls(state / "cache")

    def read(self, name: str) -> bytes | None:
        """What was written under that name, or None."""
        if not self._is_ours():
            return None
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or not _is_ours(status):
                _log.warning("%s is not ours alone (owner %d, mode %o): it is not read", self._folder / name, status.st_uid, status.st_mode)
                return None
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read()
            os.utime(descriptor)  # it was of use: it stays
        except OSError:
            return None
        finally:
            os.close(descriptor)
        sealed, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if sealed != _seal(name, data):
            _log.warning("%s is damaged: it is made anew", self._folder / name)
            return None
        return data

    def write(self, name: str, data: bytes) -> None:
        """Keep it. Whole or not at all: a reader never sees half of it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._ours = None
            if not self._is_ours():
                return
            part = self._folder / f".{name}.{os.getpid()}"
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_seal(name, data))
                file.write(data)
            part.replace(self._folder / name)
        except OSError as error:
            _log.warning("%s cannot be kept: %s", self._folder / name, error)

    def prune(self) -> None:
        """Remove what was of no use for a month while the rest was."""
        if not self._is_ours():
            return
        try:
            used_at = {file: file.lstat().st_mtime for file in self._folder.iterdir()}
            for file, at in used_at.items():
                if at < max(used_at.values()) - _KEPT_SECONDS:
                    file.unlink()
        except OSError as error:  # another process may prune as well
            _log.info("%s: not everything old could be removed: %s", self._folder, error)

    def _is_ours(self) -> bool:
        if self._ours is None:
            try:
                status = self._folder.lstat()
            except OSError:
                return False
            self._ours = stat.S_ISDIR(status.st_mode) and _is_ours(status)
            if not self._ours:
                _log.warning("%s is not a folder of ours alone: nothing is kept there", self._folder)
        return self._ours


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_MAY_WRITE


def _seal(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + data).digest()
