"""What SQL knows of the events that match a condition: those that are sure to, and those that may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from siem.store.query import Query

ALWAYS: Final = Query("TRUE")
NEVER: Final = Query("FALSE")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Events sure to match (``least``), and events that may (``most``). They are the same where the translation is exact."""

    least: Query
    most: Query

    @property
    def exact(self) -> bool:
        """Whether the condition means what the engine means."""
        return self.least == self.most


def exactly(query: Query) -> Bounds:
    """A condition that means what the engine means."""
    return Bounds(query, query)


def at_most(query: Query) -> Bounds:
    """A condition that leaves nothing out, and proves nothing."""
    return exactly(query) if query == NEVER else Bounds(NEVER, query)


def all_of(parts: Sequence[Bounds]) -> Bounds:
    """Every part holds."""
    return _joined(parts, " AND ", absorbing=NEVER, neutral=ALWAYS)


def any_of(parts: Sequence[Bounds]) -> Bounds:
    """At least one part holds."""
    return _joined(parts, " OR ", absorbing=ALWAYS, neutral=NEVER)


def negated(part: Bounds) -> Bounds:
    """The part does not hold; what the event does not say makes a comparison unknown, which is not holding."""
    if part.exact:
        return exactly(_not(part.least))
    return Bounds(_not(part.most), _not(part.least))


def _not(query: Query) -> Query:
    if query in (ALWAYS, NEVER):
        return NEVER if query == ALWAYS else ALWAYS
    return Query(f"(NOT coalesce({query.condition}, FALSE))", query.parameters)


def _joined(parts: Sequence[Bounds], connective: str, *, absorbing: Query, neutral: Query) -> Bounds:
    def join(queries: Sequence[Query]) -> Query:
        kept = [query for query in queries if query != neutral]
        if absorbing in kept:
            return absorbing
        if len(kept) < 2:
            return kept[0] if kept else neutral
        condition = connective.join(query.condition for query in kept)
        return Query(f"({condition})", tuple(value for query in kept for value in query.parameters))

    least = join([part.least for part in parts])
    return exactly(least) if all(part.exact for part in parts) else Bounds(least, join([part.most for part in parts]))
