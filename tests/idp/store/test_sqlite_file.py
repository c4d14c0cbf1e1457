import asyncio
import sqlite3
from pathlib import Path

import pytest

from idp.errors import OperationError
from idp.store.sqlite_file import SqliteFile, Synchronous


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
def test_a_write_waits_for_the_disk_unless_told_otherwise(tmp_path: Path, synchronous: Synchronous, level: int) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite", synchronous=synchronous)
        assert file._writer.execute("PRAGMA synchronous").fetchone() == (level,)
        await file.write(_insert("a"))
        assert _names(file) == ["a"]
        await file.close()

    asyncio.run(work())


def _insert(name: str) -> object:
    return lambda connection: connection.execute("INSERT INTO keys (name, sealed) VALUES (?, x'00')", (name,))


def _names(file: SqliteFile) -> list[str]:
    return [name for (name,) in file.read("SELECT name FROM keys ORDER BY position")]


def test_a_write_that_fails_undoes_itself_and_spares_the_others_of_its_group(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")

        def half(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO keys (name, sealed) VALUES ('half', x'00')")
            raise LookupError("half way")

        results = await asyncio.gather(file.write(_insert("a")), file.write(half), file.write(_insert("b")), return_exceptions=True)
        assert isinstance(results[1], LookupError)
        assert _names(file) == ["a", "b"]
        await file.close()

    asyncio.run(work())


def test_writes_that_wait_share_one_commit(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        commits: list[str] = []
        file._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        await asyncio.gather(*(file.write(_insert(str(number))) for number in range(50)))
        assert len(commits) < 5
        assert len(_names(file)) == 50
        await file.close()

    asyncio.run(work())


def test_a_disk_that_refuses_is_an_operation_error_and_the_next_write_succeeds(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        (pages,) = file._writer.execute("PRAGMA page_count").fetchone()
        file._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(OperationError, match="full"):
            await file.write(lambda connection: connection.execute("INSERT INTO keys (name, sealed) VALUES ('big', zeroblob(1000000))"))
        await file.write(_insert("small"))
        assert _names(file) == ["small"]
        await file.close()

    asyncio.run(work())


def test_a_write_waits_for_another_process_that_holds_the_file(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(file.write(_insert("a")))
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await waiting
        assert _names(file) == ["a"]
        other.close()
        await file.close()

    asyncio.run(work())


def test_a_note_is_there_at_once_and_waits_for_another_process_like_any_write(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        noting = file.note(_insert("a"))
        with pytest.raises(StopIteration):
            noting.send(None)  # it did not even wait for a turn of the loop
        assert _names(file) == ["a"]
        other = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(file.note(_insert("b")))
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await waiting
        assert _names(file) == ["a", "b"]
        other.close()
        await file.close()

    asyncio.run(work())


def test_a_note_that_fails_undoes_itself_and_those_beside_a_write_are_kept_in_order(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")

        def half(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO keys (name, sealed) VALUES ('half', x'00')")
            raise LookupError("half way")

        with pytest.raises(LookupError, match="half way"):
            await file.note(half)
        with pytest.raises(OperationError, match="UNIQUE"):
            await file.note(lambda connection: connection.execute("INSERT INTO keys VALUES (1, 'a', x''), (1, 'a', x'')"))
        await asyncio.gather(file.note(_insert("a")), file.write(_insert("b")), file.note(_insert("c")), file.note(_insert("d")))
        assert _names(file) == ["a", "b", "c", "d"]
        await file.close()

    asyncio.run(work())


def test_reads_cannot_write(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "s.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        file.read("DELETE FROM keys")
    asyncio.run(file.close())


def test_the_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "s.sqlite")
    assert (tmp_path / "s.sqlite").stat().st_mode & 0o077 == 0
    asyncio.run(file.close())


def test_a_file_that_is_not_a_database_is_an_operation_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_text("not a database, but long enough to be read as one" * 100)
    with pytest.raises(OperationError, match=r"s\.sqlite"):
        SqliteFile(tmp_path / "s.sqlite")


def _after_a_power_cut(file: SqliteFile, folder: Path, log: bytes) -> list[str]:
    """The names in a copy of the file whose log ends where the disk had it."""
    folder.mkdir()
    (folder / "s.sqlite").write_bytes(file.path.read_bytes())
    (folder / "s.sqlite-wal").write_bytes(log)
    copy = sqlite3.connect(folder / "s.sqlite")
    names = [name for (name,) in copy.execute("SELECT name FROM keys ORDER BY position")]
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    return names


def test_a_power_cut_takes_back_the_last_notes_and_never_one_before_a_write(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        log = tmp_path / "s.sqlite-wal"
        await file.note(_insert("a"))
        await file.write(_insert("b"))
        on_the_disk = log.read_bytes()
        await file.note(_insert("c"))
        await file.note(_insert("d"))
        assert _names(file) == ["a", "b", "c", "d"]
        whole = log.read_bytes()
        assert whole.startswith(on_the_disk)
        seen = set()
        for number, length in enumerate([*range(len(on_the_disk), len(whole), 512), len(whole)]):
            names = _after_a_power_cut(file, tmp_path / f"cut-{number}", whole[:length])
            assert names == ["a", "b", "c", "d"][: len(names)]
            assert len(names) >= 2
            seen.add(len(names))
        assert seen == {2, 3, 4}
        await file.close()

    asyncio.run(work())


def _watched(file: SqliteFile) -> list[tuple[int, int]]:
    """For each commit from now on: SQLite's level (2 waits for the disk), and how many bytes its log had before."""
    commits: list[tuple[int, int]] = []
    levels = {"full": 2, "normal": 1}
    log = file.path.with_name("s.sqlite-wal")

    def trace(sql: str) -> None:
        if sql == "COMMIT":
            commits.append((levels[file._level], log.stat().st_size))

    file._writer.set_trace_callback(trace)
    return commits


def test_only_a_write_waits_for_the_disk_and_settling_writes_although_nothing_changes(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        commits = _watched(file)
        await file.note(_insert("a"))
        assert file._writer.execute("PRAGMA synchronous").fetchone() == (1,)
        assert file._writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        before = file.path.with_name("s.sqlite-wal").stat().st_size
        await file.settle()
        assert file._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert file._writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (1000,)
        assert file.path.with_name("s.sqlite-wal").stat().st_size > before
        await file.settle()  # nothing is left to settle
        await file.note(_insert("b"))
        await asyncio.gather(file.note(_insert("c")), file.write(_insert("d")))
        await file.settle()
        assert [level for level, _ in commits] == [1, 2, 1, 1, 2]
        await file.close()

    asyncio.run(work())


def test_what_is_only_for_development_never_waits(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite", synchronous="normal")
        commits = _watched(file)
        await file.note(_insert("a"))
        await file.write(_insert("b"))
        await file.settle()
        assert [level for level, _ in commits] == [1, 1]
        await file.close()

    asyncio.run(work())


def test_a_note_that_fails_undoes_itself_alone(tmp_path: Path) -> None:
    async def work() -> None:
        file = SqliteFile(tmp_path / "s.sqlite")
        results = await asyncio.gather(file.note(_insert("a")), file.note(_insert("a")), file.write(_insert("b")), return_exceptions=True)
        assert [type(result) for result in results if isinstance(result, Exception)] == [OperationError]
        assert _names(file) == ["a", "b"]
        await file.close()

    asyncio.run(work())
