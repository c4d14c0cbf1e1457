"""One SQLite file: reads in the event loop, writes by one connection in groups that share a commit.

A point read from the page cache costs about 5 µs, less than handing it to a thread. A write's statements
run in the loop too; only what waits for the disk (COMMIT with ``synchronous=FULL``) or for another process's
lock runs in the one writer thread. While it does, further writes gather and form the next group. A
writer's future resolves after its group is on disk, so an answer never precedes its record.

A *note* is committed in the loop, at once where no group is being written, and the disk is not waited for: every
reader sees it, a killed process does not lose it, a power cut loses at most the last second of notes. All commits go
to one log in their order, so that what a cut takes back is always the end of the story, and a write that is on the
disk has every earlier note with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from idp.errors import OperationError
from idp.store import schema

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
#: ``full``: a commit is on the disk when it returns. ``normal``: a killed process loses nothing, a power cut the last commits.
Synchronous = Literal["full", "normal"]

#: Marks the file as ours (a number in SQLite's header); written again where a commit must not be without a change.
_APPLICATION_ID: Final = 0x5645494C
#: Frames in SQLite's log beyond which a commit that waits for the disk anyway also moves them into the file.
_CHECKPOINT_FRAMES: Final = 1000

#: How long a write waits for another process (a command line) that holds the file, in seconds.
_LOCK_WAIT_SECONDS = 10


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    future: asyncio.Future[Any]
    lasting: bool
    result: Any = None
    error: Exception | None = None


class SqliteFile:
    """Opens and migrates on first use; ``read`` is synchronous, ``write`` is awaited until durable, ``note`` until committed."""

    def __init__(self, path: Path, *, synchronous: Synchronous = "full") -> None:
        self.path = path
        self._synchronous: Synchronous = synchronous
        self._level: Synchronous = synchronous
        self._noted = False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Before SQLite opens it: the journal files beside it take the mode it has then.
        path.touch(0o600)
        path.chmod(0o600)
        self._writer = self._open()
        schema.migrate(self._writer, str(path))
        self._writer.execute("PRAGMA busy_timeout = 0")
        self._reader = self._open()
        self._reader.execute("PRAGMA query_only = ON")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._waiting: list[_Write] = []
        self._group: asyncio.Task[None] | None = None
        #: Runs one statement on the read connection: ``read(sql, parameters)`` returns a cursor.
        self.read = self._reader.execute

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_SECONDS * 1000}")
            connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error as error:
            raise OperationError(f"opening the store ({error})", str(self.path), retry_helps=False) from error
        return connection

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in the next group; raises what it raised (its own changes undone), or :class:`OperationError`."""
        return await self._enqueue(work, lasting=True)

    async def note(self, work: Work[T]) -> T:
        """The same for what a power cut may take back; done here and now where nothing is being written, which is half the cost."""
        if self._group is None and self._begin_at_once("normal"):
            return self._note_now(work)
        return await self._enqueue(work, lasting=False)

    def _begin_at_once(self, level: Synchronous) -> bool:
        """False where another process writes: it is waited for in the thread, never in the loop."""
        self._commit_at(level)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def _note_now(self, work: Work[T]) -> T:
        try:
            result = work(self._writer)
            self._writer.commit()
        except Exception as error:
            if self._writer.in_transaction:
                self._writer.rollback()
            if isinstance(error, sqlite3.Error):
                raise self._told(error) from error
            raise
        self._noted = True
        return result

    async def settle(self) -> None:
        """Put on the disk what was noted; free when nothing was."""
        if self._noted and self._synchronous == "full":
            await self.write(lambda _connection: None)

    def _enqueue(self, work: Work[T], *, lasting: bool) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(work, future, lasting))
        if self._group is None:
            self._group = asyncio.create_task(self._write_groups())
        return future

    async def _write_groups(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._write_group(group)
        finally:
            self._group = None

    async def _write_group(self, group: list[_Write]) -> None:
        """All of it or nothing; when one write fails, each is done again in a transaction of its own, so that it fails alone."""
        loop = asyncio.get_running_loop()
        lasting = self._synchronous == "full" and any(write.lasting for write in group)
        try:
            if not self._begin_at_once("full" if lasting else "normal"):
                await loop.run_in_executor(self._thread, self._begin_patiently)
            for write in group:
                write.result = write.work(self._writer)
            if lasting and self._noted:
                # A transaction that happens to change nothing would wait for nothing, and the notes before it would not be on the disk.
                self._writer.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            if lasting:
                await loop.run_in_executor(self._thread, self._writer.commit)
            else:
                self._writer.commit()
            self._noted = not lasting
        except Exception as error:  # noqa: BLE001 (handed to the one who asked)
            if self._writer.in_transaction:
                self._writer.rollback()
            if len(group) == 1:
                group[0].error = self._told(error)
                _settle(group)
                return
            for write in group:
                await self._write_group([write])
        else:
            _settle(group)

    def _told(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        told = OperationError(f"writing the store ({error})", str(self.path), retry_helps=True)
        told.__cause__ = error
        return told

    def _commit_at(self, level: Synchronous) -> None:
        """What the next commit waits for. Only one that waits anyway moves the log into the file: that waits twice more."""
        if level != self._level:
            self._writer.execute(f"PRAGMA synchronous = {level}")
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_FRAMES if level == 'full' else 0}")
            self._level = level

    def _begin_patiently(self) -> None:
        self._writer.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_SECONDS * 1000}")
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        finally:
            self._writer.execute("PRAGMA busy_timeout = 0")

    async def close(self) -> None:
        """Finish what waits, then close both connections."""
        if self._group is not None:
            await asyncio.shield(self._group)
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()


def _settle(group: list[_Write]) -> None:
    for write in group:
        if write.future.done():  # the one who asked went away
            continue
        if write.error is not None:
            write.future.set_exception(write.error)
        else:
            write.future.set_result(write.result)
