import gc

import pytest

from siem.garbage import settle_down, uncollected


def test_nothing_is_collected_inside_and_the_collector_is_as_before_after_a_failure() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="wrong"), uncollected():
        assert not gc.isenabled()
        raise ValueError("wrong")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_lives_is_not_looked_at_again() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    kept = [[number] for number in range(1000)]
    try:
        settle_down()
        assert gc.get_freeze_count() > len(kept)
        assert gc.get_threshold()[0] > 700
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
