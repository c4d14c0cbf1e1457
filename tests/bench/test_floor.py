import asyncio
import sqlite3
from pathlib import Path

import pytest
from starlette.types import Message

from bench.floor import Floor


@pytest.mark.parametrize(
    ("path", "lines", "rows"),
    [("/server", 0, 0), ("/RS256", 1, 0), ("/ES256", 1, 0), ("/look-up", 1, 0), ("/step", 1, 1), ("/tokens", 2, 1)],
)
def test_a_floor_does_what_it_says_and_nothing_else(tmp_path: Path, path: str, lines: int, rows: int) -> None:
    floor = Floor(tmp_path)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    def stored() -> int:
        with sqlite3.connect(tmp_path / "floor.sqlite") as store:
            count: int = store.execute("SELECT count(*) FROM kept").fetchone()[0]
        store.close()
        return count

    before = stored()
    asyncio.run(floor({"type": "http", "path": path}, receive, send))
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"content-length"]) == (200, b"%d" % len(sent[1]["body"]))
    assert len((tmp_path / "floor.ndjson").read_bytes().splitlines()) == lines
    assert stored() - before == rows
    floor.close()
