import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from idp.errors import OperationError
from idp.state import KeyPlaces, State, open_state
from vocabulary.audit import AuditAction, Outcome

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


def _open(folder: Path, *, may_create_seal_key: bool = False) -> State:
    return open_state(
        folder,
        places=KeyPlaces(seal_key=folder / "seal.key", may_create_seal_key=may_create_seal_key),
        issuer="https://idp.example",
        clock=lambda: NOW,
    )


def test_what_was_written_is_there_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    async def work() -> None:
        state = _open(tmp_path, may_create_seal_key=True)
        await state.keys.create_missing()
        kids = [key.kid for key in state.keys.keys]
        state.audit.record(AuditAction.KEY_ROTATED, Outcome.SUCCESS)
        await state.close()
        again = _open(tmp_path)
        await again.keys.load()
        assert [key.kid for key in again.keys.keys] == kids
        await again.close()

    asyncio.run(work())
    assert b"key.rotated" in (tmp_path / "audit.ndjson").read_bytes()


def test_a_seal_key_is_made_only_where_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="idp init"):
        _open(tmp_path)
    assert not (tmp_path / "seal.key").exists()
