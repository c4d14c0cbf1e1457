"""What the exam cannot see: how this engine keeps what the exam asks for."""

import asyncio
import sqlite3
from pathlib import Path

from idp.store.sqlite import SqliteStore
from tests.idp.store.exam import NOW, awaited


def test_a_request_is_kept_ten_minutes_after_its_end(tmp_path: Path) -> None:
    async def work() -> None:
        store = SqliteStore(tmp_path / "idp.sqlite")
        await store.awaited.put(awaited(notification_token="t"))
        await store.close()

    asyncio.run(work())
    with sqlite3.connect(tmp_path / "idp.sqlite") as connection:
        [(handle, interval, kept)] = connection.execute("SELECT handle_hash, interval, expires_at - valid_until FROM awaited")
    assert (handle, interval, kept) == ("handle-one", 5_000_000, 600_000_000)


def test_asking_for_something_unknown_is_never_too_soon(tmp_path: Path) -> None:
    async def work() -> None:
        store = SqliteStore(tmp_path / "idp.sqlite")
        assert await store.awaited.poll("absent", NOW)
        assert await store.awaited.poll("absent", NOW)
        await store.close()

    asyncio.run(work())
