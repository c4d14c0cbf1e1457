"""The way of a record, on one page: parse → enrich → store → detect → alerts and incidents → playbooks.

Records come in batches from the queue, where they are durable. Storing events is idempotent; everything else that a batch
changes is committed in one transaction together with the position reached. Killed between any two lines and started again,
the watch ends with the same events, alerts and counts: received = stored + duplicates + dropped. When a store fails, the
position stays where it is and the batch is tried again. A record that we fail on for any other reason is found and set aside alone.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from siem.batch import Batch, read
from siem.detection import Detection
from siem.detection.engine import Engine
from siem.enrichment import Enrichment
from siem.enrichment.pseudonyms import Pseudonyms
from siem.errors import DataError, OperationError
from siem.event import Event
from siem.incidents import detection_alarms
from siem.incidents.filters import Absorbed
from siem.incidents.model import Incident
from siem.incidents.service import Incidents
from siem.sources.source import Source
from siem.store import filter_hits, progress
from siem.store.database import Database
from siem.store.events import EventStore, Scope
from siem.store.queue import QueuedRecord, RecordQueue

_log = logging.getLogger(__name__)

_ENGINE: Final = "engine/"
_SOURCE: Final = "source/"
_IDLE: Final = timedelta(seconds=1)
_FIRST_PAUSE: Final = timedelta(milliseconds=500)
_LONGEST_PAUSE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the pipeline works with. ``propose`` offers playbooks for an incident; ``on_commit`` hears of what changed.

    ``adopt`` gives an engine what baselines have learned, and what it tells; ``adopted`` is called where that is committed.
    """

    queue: RecordQueue
    events: EventStore
    database: Database
    sources: Mapping[str, Source]
    enrichments: Sequence[Enrichment]
    pseudonyms: Pseudonyms
    make_engine: Callable[[], Engine]
    incidents: Incidents
    propose: Callable[[Connection, Incident], object] = lambda _connection, _incident: None
    on_commit: Callable[[Absorbed], None] = lambda _absorbed: None
    adopt: Callable[[Engine], Sequence[Detection]] = lambda _engine: ()
    adopted: Callable[[Connection], None] = lambda _connection: None


class Pipeline:
    """Processes what the queue holds, in order. One thread at a time."""

    def __init__(self, parts: Parts, *, clock: Callable[[], datetime], batch_count: int = 2000) -> None:
        self._parts = parts
        self._clock = clock
        self._batch_count = batch_count
        self._engine: Engine | None = None
        #: Sequence of the last record whose effects are committed, and what stands in the way of the next, if anything.
        self.position = 0
        self.trouble: str | None = None
        self._tripped = 0
        self._outdated = threading.Event()

    @property
    def engine(self) -> Engine | None:
        """The engine in use, for its counters; None until the first batch and after a failure."""
        return self._engine

    def renew(self) -> None:
        """Make the engine anew, with the rules as they are then, before the next batch; its state is that of the last commit."""
        self._outdated.set()

    def step(self) -> int:
        """Process one batch; how many records it had. Raises OperationError when a store fails; nothing is lost then."""
        self._ready()
        batch = self._parts.queue.read(self.position, self._batch_count)
        if batch:
            self.process(batch)
        return len(batch)

    def process(self, batch: Sequence[QueuedRecord], *, refused: DataError | None = None) -> None:
        """Take the records on their whole way. They must follow on :attr:`position`. ``refused``: why this one must be set aside."""
        try:
            engine = self._ready()
            parsed = read(batch, self._parts.sources, self._parts.enrichments, self._parts.pseudonyms, self._clock(), refused)
            new, refusal = self._store(parsed)
            if refusal is None:
                detections = (*self._parts.adopt(engine), *engine.evaluate(new, batch[-1].record.received_at))
                absorbed = self._commit(engine, parsed, new, detections, batch[-1].sequence)
        except Exception as error:  # the guard: one record that we trip over must not stop all others
            refusal = self._blame(batch, error)
            if refusal is None or refused is not None:
                self._engine = None  # its state may be ahead of what is committed: begin again from there
                raise
        except BaseException:
            self._engine = None
            raise
        if refusal is not None:
            self._engine = None
            self._narrow(batch, refusal)
            return
        self.position = batch[-1].sequence
        self._parts.pseudonyms.committed()
        self._parts.on_commit(absorbed)

    def _blame(self, batch: Sequence[QueuedRecord], error: Exception) -> DataError | None:
        """What is said of the record on which we failed after it was read; None when a store or the machine is to blame."""
        if isinstance(error, OperationError | OSError | MemoryError):
            return None
        last, first = len(batch) == 1 and self._tripped == batch[0].sequence, batch[0].sequence
        _log.error("a defect met %d records from %d on: %r", len(batch), first, error, exc_info=error if last else None)
        if last:
            self._parts.events.take_back(batch[0].sequence)
        return DataError(batch[0].record.source, 0, "", f"the watch fails on it: {error!r}"[:500])

    def _narrow(self, batch: Sequence[QueuedRecord], refusal: DataError) -> None:
        """Find the record that we cannot take, try it once more alone, and set it aside."""
        if len(batch) > 1:
            self.process(batch[: len(batch) // 2])
            self.process(batch[len(batch) // 2 :])
        elif self._tripped != batch[0].sequence:
            self._tripped = batch[0].sequence
            self.process(batch)
        else:
            self.process(batch, refused=refusal)

    def _ready(self) -> Engine:
        """The engine and the sources in the state of the last commit."""
        if self._outdated.is_set():
            self._outdated.clear()
            self._engine = None
        if self._engine is None:
            engine = self._parts.make_engine()
            with progress.naming_failures(), self._parts.database.reading() as connection:
                self.position = progress.read_position(connection)
                engine.restore(progress.read_states(connection, _ENGINE))
                states = progress.read_states(connection, _SOURCE)
            for name, source in self._parts.sources.items():
                source.restore(states.get(name))
            self._engine = engine
        return self._engine

    def _store(self, parsed: Batch) -> tuple[list[Event], DataError | None]:
        """Append the events; the new ones, or why the store refuses them."""
        try:
            return parsed.settle(self._parts.events.append(parsed.events)), None
        except DataError as refusal:
            return [], refusal

    def _commit(self, engine: Engine, parsed: Batch, new: Sequence[Event], detections: Sequence[Detection], position: int) -> Absorbed:
        events_by_id = {event.id: event for event in new}
        for tenant in {detection.tenant for detection in detections}:
            named = {one for detection in detections if detection.tenant == tenant for one in detection.event_ids}
            events_by_id.update((event.id, event) for event in self._parts.events.get(named - events_by_id.keys(), Scope(tenant)))
        with progress.naming_failures(), self._parts.database.transaction() as connection:
            absorbed = self._parts.incidents.absorb(connection, detections, events_by_id)
            for incident_id in absorbed.incidents_touched:
                incident = self._parts.incidents.load(connection, incident_id)
                if incident is not None:
                    self._parts.propose(connection, incident)
            self._parts.pseudonyms.save(connection)
            progress.add_dead_letters(connection, parsed.letters)
            progress.add_counts(connection, parsed.counts, parsed.at)
            filter_hits.add(connection, {where: (hits.count, hits.last_at) for where, hits in engine.take_hidden().items()})
            detection_alarms.note(connection, engine.take_alarms(), parsed.at)
            progress.write_states(connection, _ENGINE, engine.changed_state())
            progress.write_states(connection, _SOURCE, {name: source.export_state() for name, source in self._parts.sources.items()})
            self._parts.adopted(connection)
            progress.write_position(connection, position)
        return absorbed

    def run(self, stop: threading.Event) -> None:
        """Process until ``stop`` is set; for a thread of its own. While something fails it says so and tries again, with longer pauses."""
        pause = _FIRST_PAUSE
        while not stop.is_set():
            try:
                if not self.step():
                    self._parts.queue.wait_beyond(self.position, _IDLE)
                pause, self.trouble = _FIRST_PAUSE, None
            except Exception as error:  # noqa: BLE001  # the guard: the position has not moved, so trying again is always right
                ours, seconds = not isinstance(error, OperationError), pause.total_seconds()
                self.trouble = f"a defect of the watch: {error!r}" if ours else str(error)
                _log.error("stopped after record %d, trying again in %.1f s: %s", self.position, seconds, self.trouble, exc_info=ours)
                stop.wait(seconds)
                pause = min(pause * 2, _LONGEST_PAUSE)
