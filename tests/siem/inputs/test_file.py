"""Following a file: every complete line once, whatever happens to the file or to us."""

import contextlib
import gzip
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from siem.errors import OperationError
from siem.event import RawRecord
from siem.inputs.file import FileInput, follow
from siem.store.queue import Offset, QueuedRecord


class _Queue:
    """A queue in memory that keeps records and offsets together, and can fail like a full disk."""

    def __init__(self) -> None:
        self.records: list[RawRecord] = []
        self.offsets: dict[str, Offset] = {}
        self.failing = False

    def put(self, records: Sequence[RawRecord], offsets: Mapping[str, Offset] | None = None) -> int:
        if self.failing:
            raise OperationError("storing received records", "queue.sqlite (full)", retry_helps=True)
        self.records += records
        self.offsets.update(offsets or {})
        return len(self.records)

    def offset(self, source: str) -> Offset | None:
        return self.offsets.get(source)

    def read(self, after: int, limit: int) -> list[QueuedRecord]:
        return [QueuedRecord(number, record) for number, record in enumerate(self.records[after : after + limit], after + 1)]

    def wait_beyond(self, sequence: int, timeout: timedelta) -> bool:
        return len(self.records) > sequence

    @property
    def lines(self) -> list[str]:
        return [record.data.decode() for record in self.records]


class _Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class _Follower:
    """A file, its follower, and both ways of losing the follower."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.log"
        self.queue = _Queue()
        self.clock = _Clock()
        self.input = self._follow()

    def restart(self) -> None:
        """What a kill does: open files go, and so does everything that was not stored."""
        self.input.close()
        self.input = self._follow()

    def _follow(self) -> FileInput:
        return FileInput("web", self.path, self.queue, self.clock, batch_bytes=512)

    def write(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)

    def drain(self) -> list[str]:
        while self.input.poll():
            pass
        return self.queue.lines


@pytest.fixture
def web(tmp_path: Path) -> Iterator[_Follower]:
    follower = _Follower(tmp_path)
    yield follower
    follower.input.close()


def test_lines_are_received_as_they_are_written_and_a_half_line_waits(web: _Follower) -> None:
    assert web.drain() == []
    web.write("one\r\ntwo\n\n  \nhal")
    assert web.drain() == ["one", "two"]
    web.write("f\nfour")
    assert web.drain() == ["one", "two", "half"]
    assert [record.position for record in web.queue.records] == ["1:0", "1:5", "1:13"]
    assert web.queue.records[0].source == "web"


def test_a_restart_continues_where_the_queue_is(web: _Follower) -> None:
    web.write("one\ntwo\n")
    web.drain()
    web.restart()
    web.write("three\n")
    assert web.drain() == ["one", "two", "three"]


def test_a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_start(web: _Follower) -> None:
    web.write("one\n")
    web.drain()
    web.write("two\n")
    rotated = web.path.rename(web.path.with_name("access.log.1"))
    web.write("three\n")
    assert web.drain() == ["one", "two", "three"]
    with rotated.open("a") as writer:
        writer.write("late, from a writer that had not reopened\nlast without line feed")
    assert web.drain()[-1] == "late, from a writer that had not reopened"
    web.clock.now += timedelta(seconds=11)
    assert web.drain()[-1] == "last without line feed"
    web.write("four\n")
    web.restart()
    assert web.drain()[-1] == "four"
    assert len(set(web.queue.lines)) == len(web.queue.lines) == 6


def test_rotations_that_happened_while_we_were_not_running_are_caught_up(web: _Follower) -> None:
    web.write("one\n")
    web.drain()
    web.input.close()
    web.write("two\n")
    second = web.path.rename(web.path.with_name("access.log.1"))
    web.write("three\n")
    second = second.rename(web.path.with_name("access.log.2"))
    web.path.rename(web.path.with_name("access.log.1"))
    web.write("four\n")
    web.path.with_name("access.log.bak").write_text("no log\n")
    web.path.with_name("access.log.3.gz").write_bytes(gzip.compress(b"older\n"))
    web.restart()
    assert web.drain() == ["one", "two", "three", "four"]


def test_a_file_that_was_emptied_begins_anew_even_when_it_has_grown_again(web: _Follower) -> None:
    web.write("one\ntwo\n")
    web.drain()
    web.path.write_text("")
    assert web.drain() == ["one", "two"]
    web.write("one\n")
    assert web.drain() == ["one", "two", "one"]
    web.path.write_text("another first line, and longer than what was there\n")
    assert web.drain()[-1] == "another first line, and longer than what was there"
    assert len({record.position for record in web.queue.records}) == 4


def test_a_copied_and_emptied_file_loses_nothing_that_was_read(web: _Follower, tmp_path: Path) -> None:
    web.write("one\n")
    web.drain()
    shutil.copy(web.path, tmp_path / "access.log.1")
    web.path.write_text("")
    web.write("two\n")
    assert web.drain() == ["one", "two"]


def test_a_file_that_vanished_is_waited_for(web: _Follower, caplog: pytest.LogCaptureFixture) -> None:
    web.write("one\ntwo")
    web.drain()
    web.input.close()
    web.path.unlink()
    web.restart()
    assert web.drain() == ["one"]
    assert "lost to the watch" in caplog.text
    web.write("three\n")
    assert web.drain() == ["one", "three"]


def test_a_line_without_end_is_taken_in_pieces_and_does_not_fill_the_memory(web: _Follower) -> None:
    web.write("x" * (5 << 19) + "\nshort\n")
    lines = web.drain()
    assert sum(len(line) for line in lines[:-1]) == 5 << 19
    assert max(len(line) for line in lines) <= 1 << 20
    assert lines[-1] == "short"


def test_nothing_is_lost_or_doubled_when_the_queue_fails_for_a_while(web: _Follower) -> None:
    web.write("one\n")
    web.drain()
    web.write("two\nthree\n")
    web.queue.failing = True
    for _ in range(3):
        with pytest.raises(OperationError, match="full"):
            web.input.poll()
    web.queue.failing = False
    assert web.drain() == ["one", "two", "three"]


def test_a_file_that_may_not_be_read_is_named(web: _Follower) -> None:
    web.path.mkdir()
    with pytest.raises(OperationError, match=r"access\.log"):
        web.input.poll()


def test_a_failing_input_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    good = tmp_path / "good.log"
    good.write_text("one\n")
    queue, stop = _Queue(), threading.Event()

    class Stopping(FileInput):
        def poll(self) -> int:
            if queue.lines:
                stop.set()
            return super().poll()

    clock = _Clock()
    follow([FileInput("broken", tmp_path / "broken", queue, clock), Stopping("good", good, queue, clock)], stop)
    assert queue.lines == ["one"]


class _Life(RuleBasedStateMachine):
    """Any order of writes, rotations, truncations of what was read, restarts and failures: each line once, in order."""

    folder = Path()

    def __init__(self) -> None:
        super().__init__()
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        self.web = _Follower(folder)
        self.written: list[str] = []
        self.half = ""
        self.number = 0

    @rule(count=st.integers(1, 30), half=st.booleans())
    def write(self, count: int, half: bool) -> None:
        lines = []
        for _ in range(count):
            self.number += 1
            lines.append(f"line {self.number} {'x' * (self.number % 40)}")
        text = "\n".join(lines)
        self.web.write(text if half else text + "\n")
        lines[0] = self.half + lines[0]
        self.half = lines.pop() if half else ""
        self.written += lines

    @rule()
    def poll(self) -> None:
        self.web.input.poll()

    @rule()
    def kill(self) -> None:
        self.web.restart()

    @rule()
    def fail_once(self) -> None:
        self.web.queue.failing = True
        with contextlib.suppress(OperationError):
            self.web.input.poll()
        self.web.queue.failing = False

    @precondition(lambda self: not self.half and self.web.path.exists())
    @rule()
    def rotate(self) -> None:
        self.web.drain()  # between two rotations a log is read at least once; otherwise see the test of missed rotations
        for old in sorted(self.web.path.parent.glob("access.log.*"), key=lambda path: -int(path.suffix[1:])):
            old.rename(old.with_suffix(f".{int(old.suffix[1:]) + 1}"))
        self.web.path.rename(self.web.path.with_name("access.log.1"))

    @precondition(lambda self: not self.half and self.web.path.exists())
    @rule()
    def empty(self) -> None:
        self.web.drain()
        self.web.path.write_text("")
        self.web.drain()

    @rule()
    def time_passes(self) -> None:
        self.web.clock.now += timedelta(seconds=11)

    def teardown(self) -> None:
        assert self.web.drain() == self.written
        assert len({record.position for record in self.web.queue.records}) == len(self.written)
        self.web.input.close()


def test_any_life_of_a_file_gives_each_line_once(tmp_path: Path) -> None:
    class Life(_Life):
        folder = tmp_path

    run_state_machine_as_test(
        Life, settings=profile(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    )
