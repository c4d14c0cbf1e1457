"""Events for reading: which a person may see, and their fields as text with the telling ones first."""

from collections.abc import Sequence
from dataclasses import dataclass

from siem.access import Principal
from siem.event import Event
from siem.store.events import Scope


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event with the fields that matter here first, the others behind a fold."""

    event: Event
    first: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]


def shown(event: Event, first: Sequence[str]) -> ShownEvent:
    """Split an event's fields into those of ``first``, in that order, and the rest by name."""
    telling = tuple((name, text(event.fields[name])) for name in first if name in event.fields)
    others = tuple((name, text(value)) for name, value in sorted(event.fields.items()) if name not in first)
    return ShownEvent(event, telling, others)


def text(value: object) -> str:
    """A field's value for reading."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def scope(principal: Principal) -> Scope:
    """The events that this person may see: of every establishment, or of theirs (:meth:`Principal.sees` decides)."""
    return Scope(principal.tenant, None if principal.sees(None, principal.tenant) else principal.finess)
