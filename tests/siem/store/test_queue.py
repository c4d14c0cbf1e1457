"""The queue keeps what it acknowledged, with the offsets of the inputs, and numbers it once."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from siem.errors import OperationError
from siem.event import RawRecord
from siem.store.database import Synchronous
from siem.store.queue import Queue

AT = datetime(2026, 11, 22, 21, 0, 0, 123456, tzinfo=UTC)


def _record(position: str, source: str = "web", at: datetime = AT) -> RawRecord:
    return RawRecord(source, position, at, f"line {position} é\x00".encode(), "default")


def test_a_record_comes_back_as_it_was_received(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    last = queue.put([_record("1"), _record("2")], {"web": {"offset": 40}})
    assert [queued.record for queued in queue.read(0, 10)] == [_record("1"), _record("2")]
    assert [queued.sequence for queued in queue.read(0, 10)] == [last - 1, last]
    assert queue.read(last - 1, 10)[0].record.position == "2"
    assert len(queue.read(0, 1)) == 1
    assert queue.offset("web") == {"offset": 40}
    assert queue.offset("other") is None


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
def test_receipt_waits_for_the_disk_unless_told_otherwise(tmp_path: Path, synchronous: Synchronous, level: int) -> None:
    queue = Queue(tmp_path / "queue.sqlite", synchronous=synchronous)
    assert queue._writer.execute("PRAGMA synchronous").fetchone() == (level,)


def test_records_and_offsets_survive_a_process_that_never_closed_the_queue(tmp_path: Path) -> None:
    left = Queue(tmp_path / "queue.sqlite")
    left.put([_record("1")], {"web": {"offset": 7}})
    again = Queue(tmp_path / "queue.sqlite")
    assert [queued.record.position for queued in again.read(0, 10)] == ["1"]
    assert again.offset("web") == {"offset": 7}
    assert again.last_sequence == left.last_sequence


def test_an_offset_is_stored_without_records(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put([], {"web": {"offset": 9}})
    assert queue.offset("web") == {"offset": 9}
    assert queue.last_sequence == 0


def test_many_writers_at_once_lose_nothing_and_share_no_sequence(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    given: list[int] = []

    def write(writer: int) -> None:
        given.extend(queue.put([_record(f"{writer}-{number}")], {f"source-{writer}": {"n": number}}) for number in range(25))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stored = queue.read(0, 1000)
    assert len(stored) == 200
    assert sorted(given) == [queued.sequence for queued in stored]
    assert len({queued.record.position for queued in stored}) == 200
    assert all(queue.offset(f"source-{number}") == {"n": 24} for number in range(8))


def test_a_waiting_reader_wakes_when_a_record_arrives(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    woken: list[bool] = []
    reader = threading.Thread(target=lambda: woken.append(queue.wait_beyond(0, timedelta(seconds=60))))
    reader.start()
    queue.put([_record("1")])
    reader.join(60)
    assert woken == [True]
    assert queue.wait_beyond(1, timedelta(0)) is False


def test_a_waiting_reader_can_be_woken_to_look_around(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    woken = threading.Event()
    answers: list[bool] = []

    def wait() -> None:
        answers.append(queue.wait_beyond(0, timedelta(seconds=600)))
        woken.set()

    reader = threading.Thread(target=wait)
    reader.start()
    while not woken.is_set():  # it may not be asleep yet when it is woken for the first time
        queue.wake()
    reader.join(60)
    assert answers == [False]


def test_retention_removes_only_what_is_old_and_processed(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put([_record("1"), _record("2"), _record("3"), _record("4", at=AT + timedelta(days=2))])
    assert queue.forget(AT + timedelta(days=1), processed_up_to=2) == 2
    assert [queued.record.position for queued in queue.read(0, 10)] == ["3", "4"]
    assert queue.forget(AT + timedelta(days=9), processed_up_to=4) == 2
    assert queue.put([_record("5")]) == 5, "sequences are never given again, even when the table was empty"
    assert Queue(tmp_path / "queue.sqlite").last_sequence == 5
    assert queue.get([1, 5]) == {5: _record("5")}


def test_a_full_disk_is_named_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put([_record("1")], {"web": {"offset": 1}})
    queue._writer.execute("PRAGMA max_page_count=12")  # as small as a disk that is nearly full
    big = RawRecord("web", "2", AT, b"x" * 200_000)
    with pytest.raises(OperationError, match=r"queue\.sqlite.*full.*free space.*nothing acknowledged is lost") as caught:
        queue.put([big], {"web": {"offset": 2}})
    assert caught.value.retry_helps
    assert [queued.record.position for queued in queue.read(0, 10)] == ["1"]
    assert queue.offset("web") == {"offset": 1}
    queue._writer.execute("PRAGMA max_page_count=100000")
    queue.put([big], {"web": {"offset": 2}})
    assert [queued.record.position for queued in queue.read(0, 10)] == ["1", "2"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_bytes(b"not a database at all, only text" * 40)
    with pytest.raises(OperationError, match=r"queue\.sqlite"):
        Queue(path)


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    assert queue._writer.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: an answer means that the record is on the disk"
    assert sqlite3.connect(tmp_path / "queue.sqlite").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_backlog_counts_what_waits(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put([_record("1"), _record("2"), _record("3")])
    assert queue.backlog(1) == 2
    queue.close()
