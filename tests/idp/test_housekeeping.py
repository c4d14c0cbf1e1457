import asyncio
import logging

import pytest

from idp.errors import OperationError
from idp.housekeeping import chores, every, settle
from tests.idp.wire import Wire


def test_a_round_that_fails_is_told_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise OperationError("writing the store (disk full)", "idp.sqlite", retry_helps=True)
        if len(rounds) == 2:
            raise ZeroDivisionError("a bug is not bad weather")

    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError):
        asyncio.run(every(0.0, work))
    assert rounds == [0, 1]
    assert "housekeeping failed" in caplog.text


def test_settling_puts_notes_and_audit_events_on_the_disk(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("idp.audit.os.fsync", synced.append)
    wire.code()
    wire.call(settle)
    assert wire.provider.audit._file in synced
    assert wire.provider.store._file._noted is False  # type: ignore[attr-defined]


def test_every_chore_is_there(wire: Wire) -> None:
    begun = chores(wire.provider)
    for chore in begun:
        chore.close()
    assert len(begun) == 5
