"""What goes into a baseline, what comes out of it, and what every type of baseline can do."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

#: Values of the fields that tell habits apart.
Key = tuple[str, ...]
#: Stands between the values of a combination of fields.
BETWEEN_VALUES: Final = "\x1f"


#: Fields that only the summary shows, by name.
Carried = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One match of a base rule: when (µs), which event, what is new or counted in it (one event may have several), carried fields.

    Carried fields go with their names: what a rule's sentence shows may change while a match is remembered.
    """

    at: int
    event_id: str
    values: tuple[str, ...]
    carried: Carried


@dataclass(frozen=True, slots=True)
class Found:
    """Something out of the ordinary. ``key`` and, for what is new, ``value`` say about what; ``sightings`` are those not yet returned.

    ``facts`` are what the summary may show: ``count``, ``usual`` …
    """

    key: Key
    value: str
    sightings: tuple[Sighting, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A small part of a baseline's state: ``data`` is None where nothing is left of it. ``key`` and ``part`` name it."""

    key: Key
    part: int
    data: bytes | None


class Keeper(Protocol):
    """State and evaluation of one baseline in one tenant. Instants are in microseconds."""

    @property
    def size(self) -> int:
        """How many things are remembered."""

    def add(self, key: Key, sighting: Sighting) -> None:
        """Remember a match. One that is remembered already changes nothing."""

    def settle(self, closed_at: int) -> list[Found]:
        """Evaluate what was added; no more events before ``closed_at`` are waited for."""

    def forget(self, horizon: int) -> None:
        """Let go of what no event at or after ``horizon`` can need any more."""

    def shed(self, limit: int) -> int:
        """Keep within ``limit`` by giving up what is oldest; how many things were lost."""

    def changed(self) -> Iterable[Record]:
        """What changed since the last call."""

    def everything(self) -> Iterator[Record]:
        """The whole state."""

    def restore(self, record: Record) -> None:
        """Take back a record, into a keeper that has seen nothing yet."""


def carried_of(written: Sequence[object]) -> Carried:
    """Carried fields as they were written down; those written without their names are left out."""
    return tuple((str(one[0]), str(one[1])) for one in written if isinstance(one, list) and len(one) == 2)


def number_text(measure: float) -> str:
    """A measure as the summary shows it: whole, or with one decimal."""
    return str(int(measure)) if measure.is_integer() else f"{measure:.1f}"
