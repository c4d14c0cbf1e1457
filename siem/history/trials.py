"""Backtests that people ask for in the console: each runs by itself, may be left and found again, and ends within a budget.

One runs at a time, in a thread that steps back while records wait. The last one of each rule is kept until the watch ends: it can be asked
for again at any time, and changes nothing.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from siem.detection.indicators import Book
from siem.detection.load import Ruleset
from siem.errors import DataError, OperationError
from siem.history.backtest import Backtest, backtest
from siem.history.hunt import How, Step, Stretch, plan
from siem.store.events import EventStore, Scope, Search

_log = logging.getLogger(__name__)
_IDLE_SECONDS: Final = 1.0
_STEP_BACK_SECONDS: Final = 0.2
#: Backtests kept, and waiting at once, over all rules and tenants.
_MOST_KEPT: Final = 100
_MOST_WAITING: Final = 20


class State(StrEnum):
    """Where a backtest stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    STOPPED = "stopped"  # by a person; the figures end where it was
    SPENT = "spent"  # the budget was used up; the same
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trial:
    """One backtest of one rule: who asked for it, over what, how far it is (``looked_count`` of ``total_count`` events), and its figures.

    ``result`` is None until it has ended, and where it failed (``problem`` says why). ``cpu_seconds`` is processor time.
    """

    rule_id: str
    tenant: str
    asked_by: str
    asked_at: datetime
    from_at: datetime
    to_at: datetime
    state: State = State.WAITING
    how: How | None = None
    total_count: int = 0
    looked_count: int = 0
    cpu_seconds: float = 0.0
    result: Backtest | None = None
    problem: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it goes on no more."""
        return self.state not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What backtests work with. ``rules`` gives those in force, ``book`` the sets of indicators of a thread of its own."""

    events: EventStore
    rules: Callable[[], Ruleset]
    clock: Callable[[], datetime]
    book: Callable[[], Book | None] = lambda: None
    busy: Callable[[], bool] = lambda: False


class TooMany(Exception):
    """As many backtests wait as may."""


class Trials:
    """The backtests of a watch. Any thread may ask; one thread runs them."""

    def __init__(self, parts: Parts, *, budget_seconds: float) -> None:
        self._parts = parts
        self.budget_seconds = budget_seconds
        self._lock = threading.Lock()
        self._come = threading.Event()
        self._kept: dict[tuple[str, str], Trial] = {}
        self._stopped: set[tuple[str, str]] = set()

    def ask(self, tenant: str, rule_id: str, span: timedelta, actor: str) -> Trial:
        """Put a backtest of a rule in line. One that waits or runs already is returned as it is. Raises TooMany."""
        key, now = (tenant, rule_id), self._parts.clock()
        with self._lock:
            known = self._kept.pop(key, None)
            if known is not None and not known.is_over:
                self._kept[key] = known
                return known
            if sum(not one.is_over for one in self._kept.values()) >= _MOST_WAITING:
                raise TooMany
            made = self._kept[key] = Trial(rule_id, tenant, actor, now, now - span, now)
            for old in [each for each, one in self._kept.items() if one.is_over][: max(0, len(self._kept) - _MOST_KEPT)]:
                del self._kept[old]
        self._come.set()
        return made

    def of(self, tenant: str, rule_id: str) -> Trial | None:
        """The last backtest of a rule, as it stands."""
        return self._kept.get((tenant, rule_id))

    def stop(self, tenant: str, rule_id: str) -> None:
        """End a backtest where it is."""
        with self._lock:
            known = self._kept.get((tenant, rule_id))
            if known is not None and known.state is State.WAITING:
                self._kept[tenant, rule_id] = replace(known, state=State.STOPPED)
            elif known is not None and not known.is_over:
                self._stopped.add((tenant, rule_id))

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; for a thread of its own."""
        while not stop.is_set():
            if not self.step(stop):
                self._come.wait(_IDLE_SECONDS)
                self._come.clear()

    def step(self, stop: threading.Event | None = None) -> bool:
        """Take the backtest that has waited longest to its end; whether there was one."""
        with self._lock:
            waiting = next((one for one in self._kept.values() if one.state is State.WAITING), None)
            if waiting is None:
                return False
            self._keep(replace(waiting, state=State.RUNNING))
        try:
            ended = self._taken(waiting, stop or threading.Event())
        except (DataError, OperationError) as error:
            ended = replace(waiting, state=State.FAILED, problem=str(error))
        except Exception as error:  # noqa: BLE001  # the guard: one backtest that we trip over must not stop the others
            _log.exception("a defect in a backtest of %s", waiting.rule_id)
            ended = replace(waiting, state=State.FAILED, problem=f"a defect of the watch: {error!r}"[:500])
        with self._lock:
            self._stopped.discard((ended.tenant, ended.rule_id))
            self._keep(ended)
        return True

    def _keep(self, trial: Trial) -> None:
        self._kept[trial.tenant, trial.rule_id] = trial

    def _taken(self, trial: Trial, stop: threading.Event) -> Trial:
        parts, begun = self._parts, time.thread_time()
        ruleset, scope = parts.rules(), Scope(trial.tenant)
        if trial.rule_id not in ruleset.rules:
            raise DataError("rules", 0, trial.rule_id, "the rule is no longer in force")
        wanted = plan(ruleset, trial.rule_id, parts.book())
        total = parts.events.count(Search(scope, from_at=trial.from_at, to_at=trial.to_at))
        now = replace(trial, state=State.RUNNING, how=wanted.how, total_count=total)
        key = trial.tenant, trial.rule_id
        ending = State.COMPLETE

        def seen(step: Step) -> None:
            nonlocal now
            now = replace(now, looked_count=now.looked_count + step.looked_count, cpu_seconds=time.thread_time() - begun)
            with self._lock:
                self._keep(now)
            while parts.busy() and not (stop.is_set() or key in self._stopped):
                stop.wait(_STEP_BACK_SECONDS)

        def stopped() -> bool:
            nonlocal ending
            if stop.is_set() or key in self._stopped:
                ending = State.STOPPED
            elif time.thread_time() - begun >= self.budget_seconds:
                ending = State.SPENT
            return ending is not State.COMPLETE

        result = backtest(parts.events, wanted, Stretch(scope, trial.from_at, trial.to_at), on_step=seen, stopped=stopped)
        return replace(now, state=ending, result=result, cpu_seconds=time.thread_time() - begun)
