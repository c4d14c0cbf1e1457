"""New and changed rules look back: what they would have found before they were in force becomes alerts, within a budget.

The watch remembers what each rule said, and up to where each set of indicators was compared. A rule that is new, or says something
else, is run over the last days, one after the other, in a thread that steps back while records wait. What it finds goes the way of any
detection: the same alert as if it had been live, none twice. Each step is committed with how far it came, so a kill repeats a step and
loses nothing. A correlation looks once more when the windows that were open as it came into force have closed: the live engine did not
see their begin. What has come to a set of indicators is looked for in the same way, by the rules that take it; what the set had before
is not looked for again. What a baseline has learned by the end of its look is what it knows live from then on (:mod:`.learning`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import Connection

from siem.detection.indicators import CompiledIndicators
from siem.detection.load import Ruleset
from siem.errors import DataError, OperationError
from siem.history import store
from siem.history.fingerprint import fingerprints
from siem.history.hunt import Plan, Step, Stretch, hunt, plan
from siem.history.learning import Learning, Lesson, keep
from siem.history.store import Reason, Run, SetState, State
from siem.incidents.model import Incident
from siem.incidents.service import Incidents
from siem.indicators.sets import Sets, Since
from siem.store.database import Database
from siem.store.events import EventStore, Scope
from siem.store.progress import naming_failures
from siem.store.scan import tenants

_log = logging.getLogger(__name__)
_IDLE_SECONDS: Final = 5.0
_STEP_BACK_SECONDS: Final = 0.2
_AFTER_FAILURE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How far back rules look (zero: never), processor time for one rule and for all of them since the start, alerts of one rule.

    Processor time is that of the thread that looks, which waits for nothing while DuckDB works: the second thread of DuckDB, where
    there is one, may take up to as much again beside it.
    """

    look_back: timedelta
    rule_cpu_seconds: float
    total_cpu_seconds: float
    alert_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What looking back works with. ``rules`` gives those in force now, ``sets`` the sets of indicators, for this thread alone.

    ``busy`` says that records wait for the pipeline; ``propose`` offers playbooks for an incident; ``learned`` hears that a baseline has
    learned.
    """

    events: EventStore
    database: Database
    incidents: Incidents
    rules: Callable[[], Ruleset]
    clock: Callable[[], datetime]
    lateness: timedelta
    busy: Callable[[], bool] = lambda: False
    propose: Callable[[Connection, Incident], object] = lambda _connection, _incident: None
    sets: Sets | None = None
    learned: Callable[[], None] = lambda: None


class Shared(Protocol):
    """What the pipeline and looking back both work with."""

    @property
    def events(self) -> EventStore:
        """Where events are stored."""
        ...

    @property
    def database(self) -> Database:
        """The watch's database."""
        ...

    @property
    def incidents(self) -> Incidents:
        """Alerts and incidents."""
        ...

    @property
    def propose(self) -> Callable[[Connection, Incident], object]:
        """Offers playbooks for an incident."""
        ...


def parts_of(shared: Shared, rules: Callable[[], Ruleset], learning: Learning, busy: Callable[[], bool], sets: Sets | None = None) -> Parts:
    """The parts of the pipeline, for looking back beside it; ``learning`` hands on what baselines learn."""
    return Parts(
        events=shared.events,
        database=shared.database,
        incidents=shared.incidents,
        rules=rules,
        clock=learning.clock,
        lateness=learning.lateness,
        busy=busy,
        propose=shared.propose,
        sets=sets,
        learned=learning.come,
    )


class LookingBack:
    """Runs the rules that are due. One thread at a time."""

    def __init__(self, parts: Parts, budget: Budget) -> None:
        self._parts = parts
        self._budget = budget
        self._spent_seconds = 0.0
        self._ruleset = parts.rules()

    def take_note(self) -> int:
        """Compare the rules in force with those remembered, and plan a run for each that is new or says something else; how many.

        The first time of all, nothing is known of what was in force: rules are remembered, none looks back.
        """
        parts, now = self._parts, self._parts.clock()
        self._ruleset = parts.rules()
        said = fingerprints(self._ruleset)
        known_tenants = tenants(parts.events)
        with naming_failures(), parts.database.reading() as connection:
            known, known_sets = store.read_in_force(connection), store.read_sets(connection)
        changed = {rule_id: text for rule_id, text in said.items() if known.get(rule_id) != text}
        held = self._held_sets()
        with naming_failures(), parts.database.transaction() as connection:
            store.write_in_force(connection, changed, known.keys() - said.keys(), now)
            grown = {name: state for name, state in held.items() if known_sets.get(name) != state}
            store.write_sets(connection, grown, known_sets.keys() - held.keys(), now)
            for run in store.waiting_runs(connection):
                gone = run.set_name and (run.set_name not in held or held[run.set_name].lineage != run.set_lineage)
                if said.get(run.rule_id) != run.fingerprint or gone:
                    store.save_run(connection, replace(run, state=State.OBSOLETE, ended_at=now))
            if not known or not self._budget.look_back:
                return 0
            wanted = [self._new_run(rule_id, Reason.CHANGED if rule_id in known else Reason.NEW, now) for rule_id in changed]
            wanted = [run for run in wanted if held or run.rule_id not in self._listing]
            wanted += self._runs_of_sets(grown, known_sets, changed.keys(), now)
            planned = [replace(run, tenant=tenant) for run in wanted for tenant in known_tenants]
            for run in planned:
                store.add_run(connection, run)
        return len(planned)

    @property
    def _habits(self) -> Set[str]:
        return {one.rule.id for one in self._ruleset.baselines}

    @property
    def _listing(self) -> dict[str, CompiledIndicators]:
        return {one.rule.id: one for one in self._ruleset.indicators}

    def _held_sets(self) -> dict[str, SetState]:
        sets = self._parts.sets
        if sets is None:
            return {}
        sets.refresh()
        return {one.about.name: SetState(one.about.lineage, one.about.revision) for one in sets.books}

    def _runs_of_sets(
        self, grown: Mapping[str, SetState], known: Mapping[str, SetState], changed: Set[str], now: datetime
    ) -> Iterator[Run]:
        """A run for each set that has grown and each rule that takes something of what came; a changed rule looks for everything anyway."""
        for name, state in grown.items():
            before = known.get(name)
            after = before.revision if before is not None and before.lineage == state.lineage else 0
            book = self._parts.sets.book(name) if self._parts.sets is not None else None
            came = [] if book is None else [one for one in book.everything() if after < one.revision <= state.revision]
            for rule_id, listing in self._listing.items():
                kinds = {kind for _, kind in listing.wanted.fields}
                if rule_id not in changed and any(one.kind in kinds and listing.wanted.takes(one) for one in came):
                    run = self._new_run(rule_id, Reason.SET, now)
                    yield replace(run, set_name=name, set_lineage=state.lineage, set_after=after, set_up_to=state.revision)

    def _new_run(self, rule_id: str, reason: Reason, now: datetime) -> Run:
        wanted = plan(self._ruleset, rule_id)
        return Run(
            id=0,
            tenant="",
            rule_id=rule_id,
            rule_title=wanted.rule.title,
            rule_author=wanted.rule.author,
            rule_licence=wanted.rule.licence,
            fingerprint=fingerprints(wanted.ruleset)[rule_id],
            reason=reason,
            from_at=now - self._budget.look_back,
            to_at=now + wanted.open_for,
            reached_at=None,
            # What a baseline learns ends where no late event is waited for any more.
            due_at=now + self._parts.lateness if rule_id in self._habits else now,
            state=State.WAITING,
            problem="",
            looked_count=0,
            candidate_count=0,
            detection_count=0,
            alert_count=0,
            lost_count=0,
            cpu_seconds=0.0,
            created_at=now,
            ended_at=None,
        )

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; for a thread of its own. Renewed rules are taken note of, what fails is tried again."""
        noted: tuple[Ruleset, int] | None = None
        while not stop.is_set():
            try:
                if noted is None or noted[0] is not self._parts.rules() or noted[1] != self._generation():
                    self.take_note()
                    noted = self._ruleset, self._generation()
                worked = self.step(stop)
            except OperationError as error:
                _log.error("looking back cannot go on, trying again: %s", error)
                stop.wait(_AFTER_FAILURE_SECONDS)
                continue
            except Exception:  # noqa: BLE001  # the guard: the run that we trip over is marked as failed, the others go on
                _log.exception("a defect while looking back")
                stop.wait(_AFTER_FAILURE_SECONDS)
                continue
            if not worked:
                stop.wait(_IDLE_SECONDS)

    def _generation(self) -> int:
        """Which sets of indicators there are."""
        if self._parts.sets is None:
            return 0
        self._parts.sets.refresh()
        return self._parts.sets.generation

    def _plan(self, run: Run) -> Plan:
        sets = self._parts.sets
        book = Since(sets, run.set_name, run.set_after, run.set_up_to) if sets is not None and run.set_name else sets
        return plan(self._ruleset, run.rule_id, book)

    def step(self, stop: threading.Event | None = None) -> bool:
        """Take the run that is due first as far as it goes: to its end, to its budget, or until ``stop``. Whether there was one."""
        now = self._parts.clock()
        with naming_failures(), self._parts.database.reading() as connection:
            due = [run for run in store.waiting_runs(connection) if run.due_at <= now]
        if not due:
            return False
        look = _Look(self._parts, self._budget, self._plan(due[0]), due[0], self._budget.total_cpu_seconds - self._spent_seconds)
        look.is_quiet = due[0].rule_id not in self._ruleset.alerting
        look.learns = due[0].rule_id in self._habits
        try:
            look.take(stop or threading.Event())
        except (DataError, OperationError):
            raise
        except Exception as error:
            look.end(State.FAILED, f"a defect of the watch: {error!r}"[:500])
            raise
        finally:
            self._spent_seconds += look.seconds
        return True


class _Look:
    """One run, from where it stands."""

    def __init__(self, parts: Parts, budget: Budget, wanted: Plan, run: Run, left_seconds: float) -> None:
        self._parts = parts
        self._budget = budget
        self._wanted = wanted
        self._run = run
        self._left_seconds = left_seconds
        self._begun = time.thread_time()
        self._before_seconds = run.cpu_seconds
        #: Whether the rule only feeds others, and whether it is about habits; what it then knows.
        self.is_quiet = False
        self.learns = False
        self._learned: Mapping[str, bytes] = {}

    @property
    def seconds(self) -> float:
        """Processor time of this thread on this run, since it was taken up."""
        return time.thread_time() - self._begun

    def take(self, stop: threading.Event) -> None:
        """Go on until the end of what there is, the end of a budget, or ``stop``."""
        until = self._until()
        spent = self._spent()
        if spent:
            self.end(State.STOPPED, spent)
            return
        for step in self._steps(until):
            self._keep(step)
            spent = self._spent()
            if spent:
                self.end(State.STOPPED, spent)
                return
            while self._parts.busy() and not stop.is_set():
                stop.wait(_STEP_BACK_SECONDS)
            if stop.is_set():
                return
        if until >= self._run.to_at:
            self.end(State.COMPLETE, "")
        else:
            # The windows that were open when the rule came into force are looked at once they have closed.
            self._save(replace(self._run, reached_at=until, due_at=self._run.to_at + self._parts.lateness))

    def _until(self) -> datetime:
        """How far events may be taken as complete: for a window, late ones are waited for as the pipeline does."""
        now = self._parts.clock()
        return min(self._run.to_at, now - self._parts.lateness if self._wanted.margin else now)

    def _steps(self, until: datetime) -> Iterator[Step]:
        stretch = Stretch(Scope(self._run.tenant), self._run.reached_at or self._run.from_at, until)
        if not self.learns:
            return hunt(self._parts.events, self._wanted, stretch)
        return hunt(self._parts.events, self._wanted, stretch, lateness=self._parts.lateness)

    def _spent(self) -> str:
        if self._left_seconds <= self.seconds:
            return "the processor time for all rules of this start is spent"
        if self._before_seconds + self.seconds >= self._budget.rule_cpu_seconds:
            return "the processor time for one rule is spent"
        if self._run.alert_count >= self._budget.alert_count:
            return "the rule has raised as many alerts as one may"
        return ""

    def _keep(self, step: Step) -> None:
        """Commit what a step found together with how far it came."""
        run = self._run
        if step.learned:
            self._learned = step.learned
        if self.is_quiet:
            step = replace(step, detections=())
        after = replace(
            run,
            reached_at=max(step.reached_at, run.reached_at or run.from_at),
            looked_count=run.looked_count + step.looked_count,
            candidate_count=run.candidate_count + step.candidate_count,
            detection_count=run.detection_count + len(step.detections),
            lost_count=run.lost_count + step.lost_count,
            cpu_seconds=self._before_seconds + self.seconds,
        )
        if not step.detections:
            if step.looked_count:
                self._save(after)
            else:
                self._run = after
            return
        ids = {event_id for detection in step.detections for event_id in detection.event_ids}
        events = {event.id: event for event in self._parts.events.get(ids, Scope(run.tenant))}
        incidents = self._parts.incidents
        with naming_failures(), self._parts.database.transaction() as connection:
            absorbed = incidents.absorb(connection, step.detections, events)
            incidents.mark_found_in_history(connection, absorbed.new_alerts, run.id)
            for incident_id in absorbed.incidents_touched:
                incident = incidents.load(connection, incident_id)
                if incident is not None:
                    self._parts.propose(connection, incident)
            after = replace(after, alert_count=run.alert_count + len(absorbed.new_alerts))
            store.save_run(connection, after)
        self._run = after

    def end(self, state: State, problem: str) -> None:
        """Say how it ended."""
        level = logging.INFO if state is State.COMPLETE else logging.WARNING
        _log.log(level, "rule %s over history: %s %s", self._run.rule_title, state, problem)
        seconds = self._before_seconds + self.seconds
        run = replace(self._run, state=state, problem=problem, ended_at=self._parts.clock(), cpu_seconds=seconds)
        if state is not State.COMPLETE or not self._learned:
            self._save(run)
            return
        lesson = Lesson(run.rule_id, run.tenant, run.to_at, self._learned)
        with naming_failures(), self._parts.database.transaction() as connection:
            store.save_run(connection, run)
            keep(connection, run.id, lesson)
        self._run = run
        self._parts.learned()

    def _save(self, run: Run) -> None:
        with naming_failures(), self._parts.database.transaction() as connection:
            store.save_run(connection, run)
        self._run = run
