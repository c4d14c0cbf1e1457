"""Enrichment: what the watch adds to an event, and the identifiers it takes out.

Each part has ``enrich(fields)`` and never fails an event. The order matters: the directory needs the identifier
that :mod:`.pseudonyms` replaces. Owns the table of identities; owns no event and no alert.
"""

from typing import Protocol

from siem.event import Fields


class Enrichment(Protocol):
    """Adds to an event's fields, or replaces some."""

    def enrich(self, fields: Fields) -> None:
        """Change the fields in place. Never fails the event: what is not known is left out."""
        ...
