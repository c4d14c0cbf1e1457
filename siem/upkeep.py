"""What the watch does by itself from time to time: playbooks go on, filings left half-way are finished."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from siem.declarations.service import Dossiers
from siem.errors import OperationError
from siem.response.runs import Runs

_log = logging.getLogger(__name__)
_IDLE_SECONDS: Final = 0.2
_AFTER_DEFECT_SECONDS: Final = 5.0
_FILINGS_EVERY: Final = timedelta(seconds=30)


def advance(runs: Runs, dossiers: Dossiers, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Go on until ``stop`` is set; what a killed process left half-way is taken up. For a thread of its own."""
    due = clock()
    while not stop.is_set():
        try:
            if due <= (now := clock()):
                due = now + _FILINGS_EVERY
                dossiers.resume_filings()
            worked = runs.advance()
        except OperationError as error:
            _log.error("playbooks cannot go on, trying again: %s", error)
            worked = 0
        except Exception:  # noqa: BLE001  # the guard: one run that we trip over must not stop all others
            _log.exception("a defect while advancing playbooks")
            worked = 0
            stop.wait(_AFTER_DEFECT_SECONDS)
        if not worked:
            stop.wait(_IDLE_SECONDS)
