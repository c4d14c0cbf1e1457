"""Which of many predicates about one field hold for a value: asked once per distinct value.

Equalities are one look-up; for the rest Hyperscan finds, in one pass over the value, which literals are in it, and only
the predicates behind those are tested. What it finds is exactly what testing every predicate would.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from siem.detection.patterns import How
from siem.detection.predicates import TIMESTAMP, InNetwork, Matches, NumberIs, Predicate, TextIs, TimePartIs, is_cased, text_test

try:
    import hyperscan

    AVAILABLE = True
except ImportError:  # no build for this processor: every literal is looked for, which finds the same, slower
    AVAILABLE = False
#: Below this many literals, looking for each is as fast as starting a scan.
_FEW: Final = 6

#: Predicates that are about one value; the others have no gate.
ValuePredicate = TextIs | Matches | InNetwork | NumberIs | TimePartIs


def about_one_value(predicate: Predicate) -> bool:
    """Whether the predicate can be answered from one value of its field."""
    return isinstance(predicate, ValuePredicate) and predicate.field != TIMESTAMP


def _note(place: int, start: int, end: int, flags: int, found: list[int]) -> None:
    found.append(place)


class Scanner:
    """Answers which of ``predicates`` (all about one field, or all keywords) hold for a value. Not for several threads at once."""

    def __init__(self, predicates: Sequence[Predicate]) -> None:
        self._equals: dict[str, list[int]] = {}
        self._always: list[tuple[int, Callable[[str], bool], bool]] = []
        #: Texts of which a value must hold one, for any predicate but those always tested to hold.
        self.literals: list[str] = []
        self._behind: list[list[tuple[int, Callable[[str], bool], bool]]] = []
        places: dict[str, int] = {}
        for place, predicate in enumerate(predicates):
            test = (place, text_test(predicate), is_cased(predicate))
            literal = _needed_literal(predicate)
            if isinstance(predicate, TextIs) and not predicate.cased and predicate.pattern.classify()[0] is How.EQUALS:
                self._equals.setdefault(predicate.pattern.plain or "", []).append(place)
            elif not literal:
                self._always.append(test)
            elif literal in places:
                self._behind[places[literal]].append(test)
            else:
                places[literal] = len(self.literals)
                self.literals.append(literal)
                self._behind.append([test])
        self._database: Any = None

    def scan(self, exact: str, lower: str) -> list[int]:
        """Places of the predicates that hold for a value, given as it is and in lower case."""
        found = list(self._equals.get(lower, ()))
        for place, test, cased in self._always:
            if test(exact if cased else lower):
                found.append(place)
        for literal in self._present(lower):
            for place, test, cased in self._behind[literal]:
                if test(exact if cased else lower):
                    found.append(place)
        return found

    def may_hold(self, lower: str) -> list[int]:
        """Places of the predicates that may hold for a part of a text in lower case."""
        found = [place for place, _, _ in self._always]
        for places in self._equals.values():
            found.extend(places)
        for literal in self._present(lower):
            found.extend(place for place, _, _ in self._behind[literal])
        return found

    def _present(self, lower: str) -> Sequence[int]:
        if len(self.literals) <= _FEW or not AVAILABLE:
            return [place for place, literal in enumerate(self.literals) if literal in lower]
        if self._database is None:
            # Made when first needed: many routes are never taken.
            expressions = [literal.encode("utf-8", "surrogatepass") for literal in self.literals]
            self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            self._database.compile(
                expressions=expressions,
                ids=list(range(len(expressions))),
                elements=len(expressions),
                flags=hyperscan.HS_FLAG_SINGLEMATCH,
                literal=True,
            )
        present: list[int] = []
        self._database.scan(lower.encode("utf-8", "surrogatepass"), match_event_handler=_note, context=present)
        return present


def _needed_literal(predicate: Predicate) -> str:
    """A text that is in the lower-case form of every value for which the predicate holds (empty: none is known)."""
    if not isinstance(predicate, TextIs):
        return ""
    literals = predicate.pattern.literals()
    if predicate.cased:
        # Only ASCII is sure to keep its place when the whole value is put in lower case.
        literals = tuple(literal.lower() for literal in literals if literal.isascii())
    # The scanner reads a literal up to its first zero.
    return max((part for literal in literals for part in literal.split("\x00")), key=len, default="")
