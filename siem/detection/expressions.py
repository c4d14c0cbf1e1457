r"""One meaning for a regular expression, whichever engine looks for it.

Three engines are used (:mod:`.regex`), and each reads some signs in its own way: ``{,3}`` repeats in one and is text in another, ``\Z``
lets a last line feed pass or does not, ``\s`` has or has not the separators U+001C to U+001F, ``{e<=1}`` is text, or makes a search
fuzzy. Without case, the others know fewer letters (``İ`` is an ``i`` in Python alone; Hyperscan's tables are of an older Unicode). What
Python reads is what an expression means; for the others it is written anew, with nothing but signs that they read alike.
What Python reads otherwise than the authors of rules mean it (POSIX classes) is refused.

Source: Sigma specification 2.1.0, appendix «Modifiers» (a subset of PCRE).
"""

import _sre  # type: ignore[import-not-found]  # private: which letters Python takes for the same without case is nowhere else to be had
import re
import sys
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from re import _casefix  # type: ignore[attr-defined]  # private, as are the next two: no public reader of expressions gives their parts
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from string import ascii_lowercase
from typing import Any, Final, NamedTuple

_ASCII_LETTERS: Final = frozenset(ascii_lowercase)
#: What the flags of Sigma and of the expression itself come to.
FLAGS: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL
_POSIX: Final = re.compile(r"\[\[[:.=]\^?\w+[:.=]\]")
_LETTERS: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}
#: White space as Python has it, in ascending ranges.
_SPACE: Final = (
    *((9, 13), (28, 32), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
_PLACES: Final[Mapping[Any, str]] = {
    codes.AT_BEGINNING: "^",
    codes.AT_BEGINNING_STRING: r"\A",
    codes.AT_BOUNDARY: r"\b",
    codes.AT_NON_BOUNDARY: r"\B",
    codes.AT_END: "$",
}
_QUANTIFIERS: Final[Mapping[tuple[int, Any], str]] = {(0, 1): "?", (0, codes.MAXREPEAT): "*", (1, codes.MAXREPEAT): "+"}
_GREED: Final[Mapping[Any, str]] = {codes.MAX_REPEAT: "", codes.MIN_REPEAT: "?", codes.POSSESSIVE_REPEAT: "+"}


def parse(expression: str, flags: int) -> Any:
    """The parsed expression; raises re.error, also for what would be read otherwise than it is meant."""
    if found := _POSIX.search(expression):
        raise re.error(f"{found[0]}…] is not read as a POSIX class: write \\d, \\w, \\s or the characters")
    with _unwarned():
        parsed = parser.parse(expression, flags)
    if parsed.state.flags & re.ASCII:
        raise re.error("(?a) is not of Sigma's dialect: write the characters")
    return parsed


def compiled(expression: str, flags: int) -> re.Pattern[str]:
    """Python's own; raises re.error."""
    with _unwarned():
        return re.compile(expression, flags)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Python warns of signs to which it may give a meaning one day (``[[a]``); here they keep the one they have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def written(parsed: Any, *, end_of_text: str = r"\Z") -> tuple[str, int]:
    r"""The expression in signs that every engine reads alike, with its flags. ``end_of_text``: ``\z`` for those that write it so."""
    flags = parsed.state.flags & FLAGS
    return _Writer(end_of_text, caseless=bool(flags & re.IGNORECASE)).sequence(parsed), flags


class _Writer:
    def __init__(self, end_of_text: str, *, caseless: bool) -> None:
        self._end_of_text = end_of_text
        #: Whether case is left out of account where the writer is.
        self._caseless = caseless
        self._writers: Mapping[Any, Callable[[Any], str]] = {
            codes.LITERAL: self._literal,
            codes.NOT_LITERAL: lambda one: f"[^{''.join(map(_character, self._alike(one, one)))}]",
            codes.ANY: lambda _: ".",
            codes.IN: lambda one: f"[{''.join(self._member(code, argument) for code, argument in one)}]",
            codes.AT: self._place,
            codes.BRANCH: lambda one: f"(?:{'|'.join(map(self.sequence, one[1]))})",
            codes.SUBPATTERN: self._group,
            codes.ATOMIC_GROUP: lambda one: f"(?>{self.sequence(one)})",
            codes.ASSERT: lambda one: f"(?{'=' if one[0] > 0 else '<='}{self.sequence(one[1])})",
            codes.ASSERT_NOT: lambda one: f"(?{'!' if one[0] > 0 else '<!'}{self.sequence(one[1])})",
            codes.FAILURE: lambda _: "(?!)",
            codes.GROUPREF: lambda one: rf"(?:\{one})",
            codes.GROUPREF_EXISTS: self._condition,
        }

    def sequence(self, items: Iterable[Any]) -> str:
        """Items that follow one another."""
        return "".join(self._repeat(code, one) if code in _GREED else self._writers[code](one) for code, one in items)

    def _repeat(self, code: Any, argument: Any) -> str:
        least, most, repeated = argument
        most_text = "" if most == codes.MAXREPEAT else most
        sign = _QUANTIFIERS.get((least, most)) or (f"{{{least}}}" if least == most else f"{{{least},{most_text}}}")
        return f"(?:{self.sequence(repeated)}){sign}{_GREED[code]}"

    def _place(self, place: Any) -> str:
        return self._end_of_text if place == codes.AT_END_STRING else _PLACES[place]

    def _group(self, argument: Any) -> str:
        number, added, taken, items = argument
        if number is not None:
            return f"({self.sequence(items)})"
        on, off = ("".join(letter for flag, letter in _LETTERS.items() if flags & flag) for flags in (added, taken))
        around = self._caseless
        self._caseless = (around or bool(added & re.IGNORECASE)) and not taken & re.IGNORECASE
        inner = self.sequence(items)
        self._caseless = around
        return f"(?{on}{'-' if off else ''}{off}:{inner})"

    def _condition(self, argument: Any) -> str:
        group, yes, no = argument
        return f"(?({group}){self.sequence(yes)}{'|' + self.sequence(no) if no else ''})"

    def _literal(self, code: int) -> str:
        alike = self._alike(code, code)
        return _character(code) if len(alike) == 1 else f"[{''.join(map(_character, alike))}]"

    def _alike(self, first: int, last: int) -> list[int]:
        """A character, or those of a range that need it, with the others that Python takes for the same, where case does not count."""
        found = {first} if first == last else set[int]()
        if self._caseless:
            families = _families()
            known = families.members
            for code in known[bisect_left(known, first) : bisect_right(known, last)]:
                found.update(families.of[code])
        return sorted(found)

    def _member(self, code: Any, argument: Any) -> str:
        if code == codes.NEGATE:
            return "^"
        if code == codes.LITERAL:
            return "".join(map(_character, self._alike(argument, argument)))
        if code == codes.RANGE:
            first, last = argument
            return _range(first, last) + "".join(_character(one) for one in self._alike(first, last) if not first <= one <= last)
        return _category(argument)


class _Families(NamedTuple):
    """Characters that are the same without case in Python, by each of them; those that all engines know for the same are left out."""

    members: list[int]
    of: Mapping[int, tuple[int, ...]]


@cache
def _families() -> _Families:
    by_lower: dict[int, set[int]] = {}
    for code in range(sys.maxunicode + 1):
        lower = _sre.unicode_tolower(code)
        if lower != code:
            by_lower.setdefault(lower, {lower}).add(code)
    for lower, others in _casefix._EXTRA_CASES.items():
        together = {one for each in (lower, *others) for one in by_lower.get(each, {each})}
        by_lower.update((each, together) for each in (lower, *others))
    of = {code: tuple(sorted(family)) for family in by_lower.values() for code in family}
    # The letters of ASCII and their families are the same for all, but for the i with and without a dot.
    common = {code for letter in _ASCII_LETTERS - {"i"} for code in of[ord(letter)]}
    kept = {code: family for code, family in of.items() if code not in common}
    return _Families(sorted(kept), kept)


def _category(argument: Any) -> str:
    if argument in (codes.CATEGORY_SPACE, codes.CATEGORY_NOT_SPACE):
        return "".join(_range(*one) for one in (_SPACE if argument == codes.CATEGORY_SPACE else _between(_SPACE)))
    return str(_CATEGORIES[argument])


_CATEGORIES: Final[Mapping[Any, str]] = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}


def _between(ranges: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The characters that are in none of ascending ranges."""
    begin = 0
    for first, last in ranges:
        if first > begin:
            yield begin, first - 1
        begin = last + 1
    # Surrogates are no characters of a text in UTF-8.
    yield begin, 0xD7FF
    yield 0xE000, sys.maxunicode


def _range(first: int, last: int) -> str:
    return _character(first) if first == last else f"{_character(first)}-{_character(last)}"


def _character(code: int) -> str:
    character = chr(code)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if code < 0x80 and not character.isalnum() and character != "_":
        return f"\\{character}"
    return character
