"""Sigma strings: wildcards, backslashes, and what they become.

A Sigma string is a row of literal parts and wildcards. Most of them are an equality, a prefix, a suffix or a
substring, which Python compares fastest; only the rest needs a search part by part, which takes time linear in the text.

Source: Sigma specification 2.1.0, «String Wildcard» and «Escape Character».
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from siem.detection.casing import without_case


class Wild(Enum):
    """``MANY`` (``*``) stands for any number of characters, ``ONE`` (``?``) for exactly one."""

    MANY = "*"
    ONE = "?"

    # Patterns are looked up by the hundred thousand, and the library computes the hash of a member anew each time.
    __hash__ = object.__hash__


class How(Enum):
    """How a text is compared with a field's value."""

    EQUALS = "equals"
    CONTAINS = "contains"
    STARTS = "startswith"
    ENDS = "endswith"
    GLOB = "wildcards"


_WILDS: Final = {"*": Wild.MANY, "?": Wild.ONE}
_ESCAPE: Final = "\\"
_PLAIN: Final = re.compile(r"[^*?\\]*").fullmatch


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed Sigma string; neighbouring literals are one part, so equal patterns are equal objects."""

    parts: tuple[str | Wild, ...]

    @classmethod
    def of(cls, parts: Iterable[str | Wild]) -> "Pattern":
        """Join neighbouring literals and repeated ``*``."""
        joined: list[str | Wild] = []
        for part in parts:
            if isinstance(part, str):
                if not part:
                    continue
                if joined and isinstance(joined[-1], str):
                    joined[-1] += part
                    continue
            elif part is Wild.MANY and joined and joined[-1] is Wild.MANY:
                continue
            joined.append(part)
        return cls(tuple(joined))

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        r"""Read a Sigma string: ``\`` escapes ``*``, ``?`` and itself, and is plain before anything else."""
        if _PLAIN(text):
            return cls((text,) if text else ())
        parts: list[str | Wild] = []
        escaped = False
        for character in text:
            if escaped:
                parts.append(character if character in _WILDS or character == _ESCAPE else _ESCAPE + character)
                escaped = False
            elif character == _ESCAPE:
                escaped = True
            else:
                parts.append(_WILDS.get(character, character))
        if escaped:
            parts.append(_ESCAPE)
        return cls.of(parts)

    @classmethod
    def literal(cls, text: str) -> "Pattern":
        """A string taken as it is."""
        return cls((text,) if text else ())

    @property
    def plain(self) -> str | None:
        """The text, where there is no wildcard."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, str) else None

    def open_start(self) -> "Pattern":
        """The same, with anything before."""
        return self if self.parts and self.parts[0] is Wild.MANY else Pattern((Wild.MANY, *self.parts))

    def open_end(self) -> "Pattern":
        """The same, with anything after."""
        return self if self.parts and self.parts[-1] is Wild.MANY else Pattern((*self.parts, Wild.MANY))

    def lower(self) -> "Pattern":
        """The same, as it is compared without case."""
        return Pattern(tuple([without_case(part) if type(part) is str else part for part in self.parts]))

    def classify(self) -> tuple[How, str]:
        """The cheapest comparison that means the same, and its text (empty for ``GLOB``)."""
        parts = self.parts
        first = parts[0] if parts else ""
        if len(parts) < 2:
            return (How.EQUALS, first) if isinstance(first, str) else (How.CONTAINS, "") if first is Wild.MANY else (How.GLOB, "")
        second = parts[1]
        if len(parts) == 2 and isinstance(first, str) and second is Wild.MANY:
            return How.STARTS, first
        if isinstance(second, str) and first is Wild.MANY:
            if len(parts) == 2:
                return How.ENDS, second
            if len(parts) == 3 and parts[2] is Wild.MANY:
                return How.CONTAINS, second
        return How.GLOB, ""

    def literals(self) -> tuple[str, ...]:
        """The literal parts: each is in every text that matches."""
        return tuple(part for part in self.parts if isinstance(part, str))

    def matcher(self) -> Callable[[str], bool]:
        """A test of a whole text. Parts between two ``*`` are looked for from left to right, first place each."""
        segments = _segments(self.parts)
        if len(segments) == 1:
            whole = segments[0]
            return lambda text: whole.fullmatch(text) is not None
        first, *middle, last = segments
        last_at_end = re.compile(rf"(?:{last.pattern})\Z", re.DOTALL)
        last_length = _length(self.parts)

        def matches(text: str) -> bool:
            found = first.match(text)
            if found is None:
                return False
            position = found.end()
            for segment in middle:
                found = segment.search(text, position)
                if found is None:
                    return False
                position = found.end()
            start = len(text) - last_length
            return start >= position and last_at_end.match(text, start) is not None

        return matches


def _segments(parts: tuple[str | Wild, ...]) -> list[re.Pattern[str]]:
    """The runs between two ``*``, each as an expression of fixed length (an empty run at an open end)."""
    sources = [""]
    for part in parts:
        if part is Wild.MANY:
            sources.append("")
        else:
            sources[-1] += "." if part is Wild.ONE else re.escape(str(part))
    return [re.compile(source, re.DOTALL) for source in sources]


def _length(parts: tuple[str | Wild, ...]) -> int:
    """Number of characters after the last ``*``."""
    count = 0
    for part in reversed(parts):
        if part is Wild.MANY:
            break
        count += 1 if part is Wild.ONE else len(str(part))
    return count
