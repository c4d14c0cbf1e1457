"""The door answers whoever may read the state folder, line by line, and survives whatever stands before it."""

import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import pytest

from siem.door import NAME, Door, ask
from siem.errors import DataError, OperationError

Message = Mapping[str, object]


def told(folder: Path, question: Message) -> list[Message]:
    answer = ask(folder, question)
    assert answer is not None
    return list(answer)


def count(question: Message) -> Iterator[Message]:
    if "wrong" in question:
        raise DataError("rules", 3, "id", "an id is expected")
    if "broken" in question:
        raise OperationError("reading events", "the disk", retry_helps=False)
    if "defect" in question:
        raise ZeroDivisionError
    yield from ({"number": number} for number in range(int(str(question["to"]))))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Path]:
    made = Door(tmp_path, count)
    yield tmp_path
    made.close()


def test_an_answer_comes_line_by_line(door: Path) -> None:
    assert told(door, {"to": 3}) == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert told(door, {"to": 0}) == []


def test_only_the_account_of_the_watch_may_write_to_the_socket(door: Path) -> None:
    assert stat.S_IMODE((door / NAME).stat().st_mode) == 0o600


def test_where_no_watch_runs_nothing_answers(tmp_path: Path) -> None:
    assert ask(tmp_path, {"to": 1}) is None
    Door(tmp_path, count).close()
    assert ask(tmp_path, {"to": 1}) is None
    assert not (tmp_path / NAME).exists()


def test_the_socket_that_a_killed_watch_left_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / NAME))
    left.close()
    assert ask(tmp_path, {"to": 1}) is None
    made = Door(tmp_path, count)
    assert told(tmp_path, {"to": 1}) == [{"number": 0}]
    made.close()


def test_a_state_folder_deeper_than_a_socket_path_may_be_long_is_reached(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    made = Door(deep, count)
    assert told(deep, {"to": 1}) == [{"number": 0}]
    made.close()


def test_errors_arrive_as_what_they_are(door: Path) -> None:
    with pytest.raises(DataError, match="rules:3: id: an id is expected"):
        told(door, {"wrong": True})
    with pytest.raises(OperationError, match="reading events failed on the disk"):
        told(door, {"broken": True})
    with pytest.raises(OperationError, match="a defect of the watch"):
        told(door, {"defect": True})
    assert told(door, {"to": 1}) == [{"number": 0}]


@pytest.mark.parametrize("line", [b"not json\n", b"[1]\n", b"{\n", b"\xff\n", b""])
def test_what_is_no_question_is_refused(door: Path, line: bytes) -> None:
    connection = socket.socket(socket.AF_UNIX)
    with connection:
        connection.connect(str(door / NAME))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        assert "refused" in orjson.loads(connection.makefile("rb").readline())


def test_a_question_whose_asker_went_away_is_given_up(tmp_path: Path) -> None:
    ended = threading.Event()

    def endless(_question: Message) -> Iterator[Message]:
        try:
            while True:
                yield {"more": "x" * 1000}
        finally:
            ended.set()

    made = Door(tmp_path, endless)
    answer = ask(tmp_path, {})
    assert answer is not None
    next(answer)
    answer.close()
    assert ended.wait(10)
    made.close()


def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(_question: Message) -> Iterator[Message]:
        yield {"begun": True}
        release.wait(10)
        yield {"more": True}

    made = Door(tmp_path, slow)
    answer = ask(tmp_path, {})
    assert answer is not None
    assert next(answer) == {"begun": True}
    closing = threading.Thread(target=made.close)
    closing.start()
    release.set()
    # Whichever comes first, the line or the end: never silence, never half an answer taken for a whole one.
    with pytest.raises(OperationError, match="stops"):
        list(answer)
    closing.join()


def test_no_more_questions_than_there_are_places(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(_question: Message) -> Iterator[Message]:
        yield {"begun": True}
        release.wait(10)

    made = Door(tmp_path, slow)
    answers = [ask(tmp_path, {}) for _ in range(4)]
    assert [next(answer) for answer in answers if answer is not None] == [{"begun": True}] * 4
    with pytest.raises(OperationError, match="answers 4 questions already"):
        told(tmp_path, {})
    release.set()
    assert [list(answer) for answer in answers if answer is not None] == [[]] * 4
    made.close()
