"""What a baseline learned of the events already stored becomes what it remembers live.

A rule about habits that is new or says something else knows nobody. While it looks back, it learns; what it then remembers is kept in the
transaction that ends the look, with up to when it has seen everything. The pipeline adopts it before its next batch: what was stored since
is added, and the place of what the live engine has gathered meanwhile is taken. That is committed with the batch, and what was kept
goes in the same transaction: killed anywhere, it is adopted again or is there already.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
from sqlalchemy import Connection

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.history.hunt import plan
from siem.store.database import Database
from siem.store.events import EventStore, Scope, Search
from siem.store.progress import naming_failures, read_states, write_states
from siem.store.scan import scan

_log = logging.getLogger(__name__)
_LEARNED: Final = "learned/"
_ABOUT: Final = "about"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one rule learned in one tenant, of everything that happened before ``until``; the names of its ``state`` are the engine's."""

    rule_id: str
    tenant: str
    until: datetime
    state: Mapping[str, bytes]


def keep(connection: Connection, run_id: int, lesson: Lesson) -> None:
    """Keep what was learned until the pipeline has adopted it, under the look back that it comes of."""
    about = orjson.dumps([lesson.rule_id, lesson.tenant, lesson.until.isoformat()])
    write_states(connection, f"{_LEARNED}{run_id}/", {**lesson.state, _ABOUT: about})


class Learning:
    """Hands on what was learned to the engine of the pipeline. Any thread may call :meth:`come`, the others are the pipeline's.

    ``lateness`` is how late an event may come and still be in its place, as in the engine.
    """

    def __init__(self, events: EventStore, database: Database, clock: Callable[[], datetime], lateness: timedelta) -> None:
        self._events = events
        self._database = database
        self.clock = clock
        self.lateness = lateness
        self._come = threading.Event()
        self._engine: Engine | None = None
        self._adopted: tuple[str, ...] = ()

    def come(self) -> None:
        """Something was learned and kept."""
        self._come.set()

    def adopt(self, engine: Engine) -> list[Detection]:
        """Give an engine what was learned since the last call; what it finds in what was stored meanwhile, which nobody has told yet."""
        if engine is not self._engine:
            self._engine = engine
            self._come.set()  # what was adopted by the one before, and not committed, is still kept
        if not self._come.is_set():
            return []
        self._come.clear()
        with naming_failures(), self._database.reading() as connection:
            kept = read_states(connection, _LEARNED)
        self._adopted = tuple(kept)
        return [detection for lesson in _lessons(kept) for detection in self._taught(engine, lesson)]

    def _taught(self, engine: Engine, lesson: Lesson) -> list[Detection]:
        ruleset = engine.ruleset
        if lesson.rule_id not in {one.rule.id for one in ruleset.baselines}:
            return []
        wanted = plan(ruleset, lesson.rule_id)
        learner = Engine(wanted.ruleset, lateness=self.lateness, clock=self.clock)
        if learner.restore(lesson.state):
            _log.info("rule %s says something else than when it learned; it learns anew", wanted.rule.title)
            return []
        found: list[Detection] = []
        since = self._events.widened(Search(Scope(lesson.tenant), wanted.bounds.most, from_at=lesson.until - self.lateness))
        for batch in scan(self._events, since, wanted.fields):
            found.extend(learner.evaluate(batch))
        engine.adopt(lesson.rule_id, lesson.tenant, learner.learned)
        _log.info("rule %s knows what was usual before %s", wanted.rule.title, lesson.until.isoformat())
        return found if lesson.rule_id in ruleset.alerting else []

    def commit(self, connection: Connection) -> None:
        """What was adopted is part of what the batch writes: let go of it with the batch."""
        if self._adopted:
            write_states(connection, _LEARNED, dict.fromkeys(self._adopted))
            self._adopted = ()


def _lessons(kept: Mapping[str, bytes]) -> list[Lesson]:
    by_run: dict[str, dict[str, bytes]] = {}
    for name, data in kept.items():
        run, _, rest = name.partition("/")
        by_run.setdefault(run, {})[rest] = data
    lessons: list[Lesson] = []
    for _, state in sorted(by_run.items(), key=lambda item: int(item[0])):
        rule_id, tenant, until = orjson.loads(state.pop(_ABOUT))
        lessons.append(Lesson(rule_id, tenant, datetime.fromisoformat(until), state))
    return lessons
