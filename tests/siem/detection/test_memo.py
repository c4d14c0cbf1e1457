import pytest

from siem.detection import memo as memo_module
from siem.detection.memo import Memo, Memory


def test_what_comes_again_stays_and_the_rest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo_module, "_GENERATION", 10 * memo_module._ENTRY_COST)
    memory = Memory()
    memo = Memo(memory)
    memo.keep("often", (1,))
    for number in range(100):
        if "often" not in memo.young:
            assert memo.recall("often") == (1,)
        memo.keep(f"once {number}", ())
    assert memo.recall("once 0") is None
    assert memory.turns > 5
    assert memory.held_count < 25


def test_a_memo_that_nobody_asks_any_more_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo_module, "_GENERATION", 10 * memo_module._ENTRY_COST)
    memory = Memory()
    quiet, busy = Memo(memory), Memo(memory)
    quiet.keep("x", (1,))
    for number in range(50):
        busy.keep(number, ())
    assert (quiet.young, quiet.old) == ({}, {})


def test_a_number_and_its_text_are_told_apart() -> None:
    memo = Memo(Memory())
    memo.keep(1, (1,))
    memo.keep("1", (2,))
    assert (memo.young[1], memo.young["1"]) == ((1,), (2,))
    memo.forget()
    assert memo.recall(1) is None
