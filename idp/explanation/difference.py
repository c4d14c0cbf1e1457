"""Where two texts begin to differ, in a form that a page can mark."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

#: Characters that look like others, or like nothing: shown by their number.
_PLAIN: Final = frozenset(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Marked:
    """A text in three parts: the same as the other, the character at which they part, and the rest.

    ``at`` counts from 1. ``character`` is empty where the text ends there. ``code_point``: ``U+00A0``, for what its shape does not tell.
    """

    same: str
    character: str
    rest: str
    at: int
    code_point: str = ""


def mark(text: str, other: str) -> Marked:
    """``text``, marked at the first character that is not that of ``other``; two equal texts part at their end."""
    length = next((at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), min(len(text), len(other)))
    character = text[length : length + 1]
    code_point = f"U+{ord(character):04X}" if character and character not in _PLAIN else ""
    return Marked(text[:length], character, text[length + 1 :], length + 1, code_point)


def nearest(text: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a person would have meant by ``text``; None where there is none."""
    return max(candidates, key=lambda candidate: SequenceMatcher(None, text, candidate, autojunk=False).ratio(), default=None)
