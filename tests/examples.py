"""How much is drawn and tried: little in the suite, much at night (``HYPOTHESIS_PROFILE=night make test``).

The suite proves that a property holds for a few dozen examples, under CI always the same ones; the night looks for the rare one.
"""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

from hypothesis import settings

T = TypeVar("T")
#: Examples of a property that says nothing of its own.
SUITE: Final = 30
NIGHT: Final = 1500
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "suite")


def load_profile() -> None:
    """Let every property draw as many examples as the profile of this run says."""
    settings.register_profile("suite", max_examples=SUITE, derandomize=os.environ.get("CI") == "true", deadline=None)
    settings.register_profile("night", max_examples=NIGHT, deadline=None)
    settings.load_profile(PROFILE)


def examples(count: int) -> int:
    """So many in the suite; at night, as many times more as of any other property."""
    return count * settings.default.max_examples // SUITE


def thinned(rows: Sequence[T], every: int) -> Sequence[T]:
    """One in so many of other people's rules or events; at night, all of them."""
    return rows[::every] if PROFILE == "suite" else rows
