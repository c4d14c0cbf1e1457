"""Python's collector of garbage, kept away from what lives as long as the process.

A large rule set is a million objects that refer to each other in one direction only. The collector finds nothing to free among them and
walks them all, again and again: while they are made, which doubles the time of a start, and then at every tenth batch of events.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: Objects made and not freed before the young are looked at; how often that happens before older ones are, and the oldest.
_SELDOM: Final = (20_000, 20, 100)


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing is collected inside: for making many objects that stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def settle_down() -> None:
    """What is alive now stays for good and is not looked at again; collections become rarer. For a process that has loaded its rules."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # so that libraries find their objects freed at the end of the process
    gc.set_threshold(*_SELDOM)
