"""A run that is told to end stops what it started: its provider, nginx and the browser."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_TOLD_BY: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGINT (also where a shell had it ignored) leave as ``SystemExit``, once: what cleans up is not disturbed."""

    def end(number: int, _: FrameType | None) -> None:
        for each in _TOLD_BY:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {each: signal.signal(each, end) for each in _TOLD_BY}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
