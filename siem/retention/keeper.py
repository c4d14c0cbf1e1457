"""Removing what has been kept long enough: the oldest first, a small batch at a time, so that who sends and who reads never waits.

Three things stay whatever their age: what an open alert or incident rests on, what an unfinished dossier rests on, and what a person has
put on hold. Of alerts, all that are part of an incident stay (:mod:`.alerts`). A duration counts from when the event happened or from
when it was received, whichever is later: a device that thinks it is 1970 loses nothing by it.

The clock alone never empties the watch. The last instant believed is kept; a clock more than a week away from it, either way, is in doubt,
and nothing is removed until it is right again or a person says that it is. A batch that was removed and not yet counted when the watch
was killed is simply not there any more: the next sweep goes on where it stands.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from siem.access import Principal
from siem.errors import OperationError
from siem.incidents.model import NotFound, Refused
from siem.incidents.queries import incident_row
from siem.incidents.store import remember_name, write_change
from siem.retention import alerts, store
from siem.retention.store import Purpose, Sweep
from siem.store.database import Database
from siem.store.events import EventStore, Scope
from siem.store.progress import naming_failures
from siem.store.queue import Queue

_log = logging.getLogger(__name__)

#: How far the clock may be from the instant last believed.
MOST_APART: Final = timedelta(days=7)
#: Each has events and a history that go with it, and the pipeline waits for the transaction.
_ALERTS_AT_ONCE: Final = 200
_EVERY_SECONDS: Final = 3600.0
_BETWEEN_BATCHES_SECONDS: Final = 0.2
_WHILE_BUSY_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What retention works with. ``processed_up_to`` is how far the pipeline has come, ``busy`` that records wait for it."""

    database: Database
    events: EventStore
    queue: Queue
    clock: Callable[[], datetime]
    processed_up_to: Callable[[], int]
    busy: Callable[[], bool]


class Keeper:
    """Removes what is past its time, in a thread of its own. ``durations`` say for each purpose how long."""

    def __init__(self, parts: Parts, durations: Mapping[Purpose, timedelta], *, batch_count: int = 5_000) -> None:
        self._parts = parts
        self._durations = durations
        self._batch_count = batch_count

    def run(self, stop: threading.Event) -> None:
        """Sweep once an hour until ``stop`` is set; what fails is tried again then, since nothing is lost by it."""
        while not stop.is_set():
            try:
                self.sweep(stop)
            except OperationError as error:
                _log.error("what is past retention stays for now: %s", error)
            except Exception:  # noqa: BLE001  # the guard: a defect here must not end the thread
                _log.exception("a defect while removing what is past retention")
            stop.wait(_EVERY_SECONDS)

    def sweep(self, stop: threading.Event | None = None) -> dict[Purpose, int]:
        """Remove everything that is past its time; how much of each. Raises OperationError where a store fails."""
        stop = stop or threading.Event()
        now = self._believed()
        removed = {} if now is None else {purpose: self._sweep(purpose, now, stop) for purpose in self._durations}
        if any(removed.values()):
            self._parts.events.give_back()
        return removed

    def _believed(self) -> datetime | None:
        """The instant to reckon with; None while the clock is in doubt."""
        now = self._parts.clock()
        with naming_failures(), self._parts.database.transaction() as connection:
            known = store.read_clock(connection)
            reference = known[0] if known else self._parts.events.newest_at() or now
            if abs(now - reference) <= MOST_APART:
                store.write_clock(connection, now, None)
                return now
            store.write_clock(connection, reference, known[1] if known and known[1] else now)
        _log.error(
            "nothing is removed: the clock says %s, and it was %s when it was last believed; "
            "if the clock is right, run siem retention trust-clock",
            now.isoformat(),
            reference.isoformat(),
        )
        return None

    def _sweep(self, purpose: Purpose, now: datetime, stop: threading.Event) -> int:
        before = now - self._durations[purpose]
        sweep_id, total, more = None, 0, True
        while more and not stop.is_set():
            count, held_count, more = self._batch(purpose, before, now)
            if count:
                total += count
                with naming_failures(), self._parts.database.transaction() as connection:
                    if sweep_id is None:
                        sweep_id = store.begin_sweep(connection, purpose, before, held_count, now)
                    store.add_removed(connection, sweep_id, count)
            if not more:
                break
            stop.wait(_WHILE_BUSY_SECONDS if self._parts.busy() else _BETWEEN_BATCHES_SECONDS)
        if sweep_id is not None and not stop.is_set():
            with naming_failures(), self._parts.database.transaction() as connection:
                store.end_sweep(connection, sweep_id, self._parts.clock())
            _log.info("%d records of purpose %s, from before %s, were removed", total, purpose.value, before.isoformat())
        return total

    def _batch(self, purpose: Purpose, before: datetime, now: datetime) -> tuple[int, int, bool]:
        """One batch: how many went, how many stay because something rests on them, and whether there may be more."""
        database, most = self._parts.database, min(self._batch_count, _ALERTS_AT_ONCE)
        if purpose is not Purpose.ALERTS:
            with naming_failures(), database.reading() as connection:
                held = store.held_events(connection, before + (MOST_APART if purpose is Purpose.RAW else timedelta(0)))
            count = self._remove(purpose, before, now, held)
            return count, sum(map(len, held.values())), count >= self._batch_count
        with naming_failures(), database.reading() as connection:
            ids, held_count = alerts.due(connection, before, most), alerts.held_count(connection, before)
        if not ids:
            return 0, held_count, False
        with naming_failures(), database.transaction() as connection:
            return alerts.remove(connection, ids, before), held_count, len(ids) >= most

    def _remove(self, purpose: Purpose, before: datetime, now: datetime, held: Mapping[str, Set[str]]) -> int:
        """One batch of events or records; how many went."""
        events, queue = self._parts.events, self._parts.queue
        received = queue.received_before(before, now)
        if purpose is Purpose.RAW:
            kept = {number for tenant, ids in held.items() for number in events.sequences(ids, Scope(tenant)).values()}
            return queue.forget(before, min(received, self._parts.processed_up_to()), keep=kept, most=self._batch_count)
        ids = frozenset().union(*held.values())
        patients = purpose is Purpose.ACCESS
        return events.forget(before, about_patients=patients, received_up_to=received, keep=ids, most=self._batch_count)


class Holds:
    """Holds on incidents, and the word of a person that the clock is right. Everything is kept in the history, with who and why."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def place(self, incident: str, reason: str, actor: Principal) -> str:
        """Hold what the incident (id or number) rests on; its number. Raises NotFound, and Refused without a reason."""
        if not reason.strip():
            raise Refused("reason", "Un motif est obligatoire.")
        now = self._clock()
        with naming_failures(), self._database.transaction() as connection:
            row = incident_row(connection, actor, incident)
            store.place_hold(connection, row["tenant"], row["id"], reason.strip(), actor.subject, now)
            remember_name(connection, row["tenant"], actor.subject, actor.name)
            write_change(connection, ("incident", row["id"]), "hold", (None, "held"), actor.subject, now, reason.strip())
        return str(row["number"])

    def release(self, incident: str, reason: str, actor: Principal) -> str:
        """End the holds on it; its number. Raises NotFound where there is no such incident or no hold, and Refused without a reason."""
        if not reason.strip():
            raise Refused("reason", "Un motif est obligatoire.")
        now = self._clock()
        with naming_failures(), self._database.transaction() as connection:
            row = incident_row(connection, actor, incident)
            if not store.release_holds(connection, row["id"], now):
                raise NotFound("hold on incident", incident)
            remember_name(connection, row["tenant"], actor.subject, actor.name)
            write_change(connection, ("incident", row["id"]), "hold", ("held", None), actor.subject, now, reason.strip())
        return str(row["number"])

    def trust_clock(self, actor: Principal) -> datetime:
        """A person says that the clock is right as it is; the instant that is believed from now on."""
        now = self._clock()
        with naming_failures(), self._database.transaction() as connection:
            known = store.read_clock(connection)
            store.write_clock(connection, now, None)
            before = known[0].isoformat() if known else None
            remember_name(connection, actor.tenant, actor.subject, actor.name)
            write_change(connection, ("retention", "clock"), "believed_at", (before, now.isoformat()), actor.subject, now)
        return now

    def status(self, limit: int) -> tuple[list[Sweep], list[store.Hold], tuple[datetime, datetime | None] | None]:
        """The last sweeps, the holds, and the clock: when it was last believed, and since when it is in doubt."""
        with naming_failures(), self._database.reading() as connection:
            return store.recent_sweeps(connection, limit), store.current_holds(connection), store.read_clock(connection)
