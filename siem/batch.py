"""A batch of records as it is read: their events, those that could not be read with the reason, and the counts.

Each record is counted once when received and once by what became of it: received = stored + duplicates + dropped.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from siem.enrichment import Enrichment
from siem.enrichment.pseudonyms import Pseudonyms
from siem.errors import DataError
from siem.event import Event, RawRecord
from siem.sources.source import Source
from siem.store.events import StoredEvent
from siem.store.progress import BatchCounts, DeadLetter, DropReason, Outcome
from siem.store.queue import QueuedRecord

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """What a batch became so far. ``at`` is when it was read."""

    records: Sequence[QueuedRecord]
    at: datetime
    events: list[StoredEvent] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    counts: BatchCounts = field(default_factory=BatchCounts)

    def settle(self, fresh: Sequence[bool]) -> list[Event]:
        """Count every record by what became of it; the events that are new. ``fresh``: for each event, whether the store had it not."""
        dropped = {letter.sequence: str(letter.reason) for letter in self.letters}
        stored = {item.sequence for item, is_new in zip(self.events, fresh, strict=True) if is_new}
        for queued in self.records:
            outcome = Outcome.DROPPED if queued.sequence in dropped else Outcome.STORED if queued.sequence in stored else Outcome.DUPLICATE
            self.counts.add(queued.record.source, outcome, dropped.get(queued.sequence, ""))
        return [item.event for item, is_new in zip(self.events, fresh, strict=True) if is_new]


def read_one(record: RawRecord, source: Source, enrichments: Iterable[Enrichment], pseudonyms: Pseudonyms) -> Sequence[Event]:
    """The events of one record as rules see them, live and in a replay: parsed, enriched, without identifiers. Raises DataError."""
    events = source.parse(record)
    for event in events:
        for enrichment in enrichments:
            enrichment.enrich(event.fields)
        pseudonyms.enrich(event.fields)
    return events


def read(
    records: Sequence[QueuedRecord],
    sources: Mapping[str, Source],
    enrichments: Sequence[Enrichment],
    pseudonyms: Pseudonyms,
    at: datetime,
    refused: DataError | None,
) -> Batch:
    """Parse and enrich; identifiers become pseudonyms here, before anything is stored. ``refused``: why the records must be set aside."""
    batch = Batch(records, at)
    for queued in records:
        record = queued.record
        batch.counts.add(record.source, Outcome.RECEIVED)
        try:
            source = sources.get(record.source)
            if source is None:
                raise DataError(record.source, 0, "", "no such source in the configuration any more")
            events = read_one(record, source, enrichments, pseudonyms)  # one to be set aside too: what follows may refer to it
            if refused is not None:
                raise refused
        except DataError as error:
            reason = DropReason.DEFECT if refused else DropReason.UNREADABLE if source else DropReason.UNKNOWN_SOURCE
            batch.letters.append(DeadLetter(queued.sequence, record, reason, error.field, error.problem, at))
        except Exception as error:  # noqa: BLE001  # the guard: one line that our parser trips over must not stop all others
            _log.exception("source %s: a record at %s was set aside, our parser failed on it", record.source, record.position)
            batch.letters.append(DeadLetter(queued.sequence, record, DropReason.DEFECT, "", repr(error)[:500], at))
        else:
            batch.events.extend(StoredEvent(queued.sequence, event) for event in events)
    return batch
