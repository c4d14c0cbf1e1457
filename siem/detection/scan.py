"""Which of many predicates about one field hold for a value: asked once per distinct value.

Equalities are one look-up; for the rest Hyperscan finds, in one pass over the value, which literals are in it, and only
the predicates behind those are tested. What it finds is exactly what testing every predicate would.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any, Final

from siem.detection import regex
from siem.detection.cache import Cache
from siem.detection.patterns import How
from siem.detection.predicates import (
    TIMESTAMP,
    InNetwork,
    Matches,
    NumberIs,
    Predicate,
    TextIs,
    TimePartIs,
    is_cased,
    text_test,
)

try:
    import hyperscan

    AVAILABLE = True
except ImportError:  # no build for this processor: every literal is looked for, which finds the same, slower
    AVAILABLE = False
#: Below this many literals, looking for each is as fast as starting a scan.
_FEW: Final = 6

#: What cuts the text that an expression needs, by whether its case counts.
_BETWEEN_PIECES: Final = {True: re.compile("\x00"), False: re.compile("[is\x00]")}

#: Predicates that are about one value; the others have no gate.
ValuePredicate = TextIs | Matches | InNetwork | NumberIs | TimePartIs


def about_one_value(predicate: Predicate) -> bool:
    """Whether the predicate can be answered from one value of its field."""
    return isinstance(predicate, ValuePredicate) and predicate.field != TIMESTAMP


def _note(place: int, start: int, end: int, flags: int, found: list[int]) -> None:
    found.append(place)


class Literals:
    """Finds which of many texts are in another. Not for several threads at once.

    The machine is made when first needed, for many are never asked; then it is kept in the ``cache`` under a digest of its texts.
    ``caseless``: texts in lower case are found in ASCII of any case.
    """

    __slots__ = ("_cache", "_caseless", "_database", "_expressions", "places", "texts")

    def __init__(self, texts: Iterable[str], cache: Cache | None = None, *, caseless: bool = False) -> None:
        self.texts = tuple(sorted(set(texts)))  # one order for all runs: what is kept is found again
        self.places = {text: place for place, text in enumerate(self.texts)}
        self._expressions = [text.encode("utf-8", "surrogatepass") for text in self.texts]
        self._caseless = caseless
        self._cache = cache
        self._database: Any = None

    def present(self, lower: str) -> Sequence[int]:
        """Places of the texts that are in ``lower``."""
        return self.present_in(lower.encode("utf-8", "surrogatepass"))

    def present_in(self, data: bytes) -> Sequence[int]:
        """Places of the texts that are in UTF-8."""
        if len(self._expressions) <= _FEW or not AVAILABLE:
            data = data.lower() if self._caseless else data
            return [place for place, expression in enumerate(self._expressions) if expression in data]
        if self._database is None:
            self._database = self._made()
        found: list[int] = []
        self._database.scan(data, _note, 0, found)  # by name, the arguments would cost more than the scan of a short value
        return found

    def _made(self) -> Any:
        expressions = self._expressions
        # Lengths first: no two rows of texts are written alike.
        written = repr((self._caseless, *map(len, expressions))).encode() + b"".join(expressions)
        name = f"literals-{hashlib.sha256(metadata.version('hyperscan').encode() + written).hexdigest()[:40]}"
        kept = self._cache.read(name) if self._cache is not None else None
        if kept is not None:
            try:
                loaded = hyperscan.loadb(kept, mode=hyperscan.HS_MODE_BLOCK)
                loaded.scratch = hyperscan.Scratch(loaded)
                return loaded
            except (hyperscan.error, ValueError):  # written on another processor, or by another version
                pass
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=expressions,
            ids=list(range(len(expressions))),
            elements=len(expressions),
            flags=hyperscan.HS_FLAG_SINGLEMATCH | (hyperscan.HS_FLAG_CASELESS if self._caseless else 0),
            literal=True,
        )
        if self._cache is not None:
            self._cache.write(name, hyperscan.dumpb(database))
        return database


class Scanner:
    """Answers which of ``predicates`` (about one field, or keywords) hold for a value. Not for several threads at once.

    ``literals`` may be shared by scanners whose needed literals they all hold; without, the scanner has its own.
    """

    __slots__ = ("_always", "_behind", "_equals", "_literals", "_predicates", "_tests")

    def __init__(self, predicates: Sequence[Predicate], literals: Literals | None = None, *, cache: Cache | None = None) -> None:
        self._predicates = predicates
        #: Made when first needed, as most are never asked.
        self._tests: list[Callable[[str], bool] | None] = [None] * len(predicates)
        self._equals: dict[str, list[int]] = {}
        self._always: list[int] = []
        needed: list[tuple[int, str]] = []
        for place, predicate in enumerate(predicates):
            literal = needed_literal(predicate)
            if is_equality(predicate):
                self._equals.setdefault(predicate.pattern.plain or "", []).append(place)  # type: ignore[union-attr]
            elif literal:
                needed.append((place, literal))
            else:
                self._always.append(place)
        self._literals = Literals((literal for _, literal in needed), cache) if literals is None else literals
        self._behind: dict[int, list[int]] = {}
        for place, literal in needed:
            self._behind.setdefault(self._literals.places[literal], []).append(place)

    def scan(self, exact: str, lower: str) -> list[int]:
        """Places of the predicates that hold for a value, given as it is and in lower case."""
        found = list(self._equals.get(lower, ()))
        for place in self._always:
            if self._holds(place, exact, lower):
                found.append(place)
        if self._behind:
            behind = self._behind
            for literal in self._literals.present(lower):
                for place in behind.get(literal, ()):
                    if self._holds(place, exact, lower):
                        found.append(place)
        return found

    def _holds(self, place: int, exact: str, lower: str) -> bool:
        test = self._tests[place]
        if test is None:
            test = self._tests[place] = text_test(self._predicates[place])
        try:
            return test(exact if is_cased(self._predicates[place]) else lower)
        except regex.OutOfTime:  # nobody knows: whoever asks must find out what that means
            return True


def is_equality(predicate: Predicate) -> bool:
    """Whether the predicate is that a text, in lower case, is another."""
    return isinstance(predicate, TextIs) and not predicate.cased and predicate.pattern.classify()[0] is How.EQUALS


def needed_literal(predicate: Predicate) -> str:
    """A text that is in the lower-case form of every value for which the predicate holds (empty: none is known)."""
    if type(predicate) is Matches:
        return _needed_by_expression(predicate.expression, predicate.flags)
    if type(predicate) is not TextIs:
        return ""
    longest = ""
    for part in predicate.pattern.parts:
        if type(part) is str:
            if predicate.cased:
                # Only ASCII is sure to keep its place when the whole value is put in lower case.
                part = part.lower() if part.isascii() else ""
            if "\x00" in part:  # the scanner reads a literal up to its first zero
                part = max(part.split("\x00"), key=len)
            if len(part) > len(longest):
                longest = part
    return longest


@lru_cache(maxsize=4096)
def _needed_by_expression(expression: str, flags: int) -> str:
    literal, cased = regex.needed_literal(expression, flags)
    if not literal.isascii():
        return ""
    # Without case, İ and ı match an i, ſ an s; their lower case is another. The Kelvin sign's is k.
    return max(_BETWEEN_PIECES[cased].split(literal.lower()), key=len)
