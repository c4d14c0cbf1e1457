"""Which known name was meant by one that is not known: a slip of the hand, or other case."""

import difflib
import re
from collections.abc import Collection
from typing import Final

#: How alike two names are, from 0 to 1: one letter more in eight, one wrong in nine.
_ALIKE: Final = 0.88
_SEPARATORS: Final = re.compile(r"[\s_.-]+")
_DIGITS: Final = re.compile(r"[0-9]+")
#: Longer than any name of a field; comparing two takes as long as the product of their lengths.
_LONGEST: Final = 200


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that differs in case and separators alone, else the one of nearly the same letters.

    Names that differ in their digits alone (``param1``, ``param2``) are two things.
    """
    if len(name) > _LONGEST:
        return None
    plain = _plain(name)
    by_plain = {_plain(one): one for one in sorted(known)}
    if plain in by_plain:
        return by_plain[plain]
    near = difflib.get_close_matches(plain, by_plain, n=3, cutoff=_ALIKE)
    return next((by_plain[one] for one in near if _DIGITS.sub("", one) != _DIGITS.sub("", plain)), None)


def meant(name: str, known: Collection[str]) -> str:
    """The same as the end of a sentence; empty where nothing is near."""
    near = nearest(name, known)
    return f"; is «{near}» meant?" if near else ""


def _plain(name: str) -> str:
    return _SEPARATORS.sub("", name).casefold()
