"""What a log source is: settings from sources.yaml, and a parser that turns records into events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from siem.event import Event, RawRecord

#: How long a source may say nothing before it is held for silent, where neither it nor the watch's settings say.
SILENT_AFTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One entry of sources.yaml. ``file`` is the log to follow, ``http`` says that records arrive by HTTP.

    ``service`` names the health service for people, ``finess`` the establishment its events belong to by default,
    ``structures`` the others that its events may name. Without ``finess`` they may name any. From ``silent_after`` on without a word, the
    source is shown as silent, and rules no longer wait for it.
    """

    name: str
    type: str
    service: str
    tenant: str = "default"
    finess: str | None = None
    file: Path | None = None
    http: bool = False
    structures: frozenset[str] = frozenset()
    silent_after: timedelta = SILENT_AFTER

    def is_silent(self, heard_at: datetime | None, now: datetime) -> bool:
        """Whether nothing came for too long, the last record having come at ``heard_at``; None: none ever did."""
        return heard_at is None or now - heard_at > self.silent_after


class Source(Protocol):
    """A parser of one kind of log, made for one entry of sources.yaml."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Every field of ``siem.event.FIELDS`` that an event of this source may carry, with its meaning."""
        ...

    @property
    def open(self) -> bool:
        """Whether its events carry others too, under the names of what wrote them."""
        ...

    def parse(self, record: RawRecord) -> Sequence[Event]:
        """The events of one record, at least one. Raises DataError, naming the field, when it cannot be read."""
        ...

    def export_state(self) -> bytes | None:
        """What the parser must remember from record to record, None if nothing; saved with the pipeline's position."""
        ...

    def restore(self, state: bytes | None) -> None:
        """Go back to a saved state; None is the state before the first record."""
        ...


class Stateless:
    """The two state methods of a parser that remembers nothing, and whose fields are all declared."""

    open: bool = False

    def export_state(self) -> bytes | None:
        """Nothing to remember."""
        return None

    def restore(self, state: bytes | None) -> None:
        """Nothing to restore."""
