"""Real rules over real events of Windows, live and otherwise: the pipeline, a replay and a hunt in SQL find the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.detection.engine import Engine
from siem.detection.load import Ruleset
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.history.hunt import How, Stretch, hunt, plan
from siem.incidents.service import Incidents
from siem.pipeline import Parts, Pipeline
from siem.replay import replay
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store.database import Database
from siem.store.events import EventStore, Scope
from siem.store.migrations import migrate
from siem.store.queue import Queue
from tests.siem.history.night import Found, Night
from tests.siem.history.test_hunt import folded
from tests.siem.sigmahq import real_data, windows_lines, windows_rules

pytestmark = real_data
AT = datetime(2026, 3, 15, tzinfo=UTC)
KEY = bytes(32)
#: Every so many events of the forty thousand: enough for dozens of rules to fire, few enough for each test run.
EVERY = 8


@dataclass
class Lived:
    """What a watch with these rules kept of these lines."""

    log: Path
    ruleset: Ruleset
    events: EventStore
    alerts: Found
    event_count: int


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("windows")
    ruleset, log, lines = windows_rules(), folder / "events.ndjson", windows_lines()[::EVERY]
    log.write_bytes(b"\n".join(lines) + b"\n")
    migrate(url := f"sqlite:///{folder / 'watch.sqlite'}")
    database, events = Database(url, synchronous="normal"), EventStore(folder / "events.duckdb")
    queue = Queue(folder / "queue.sqlite", synchronous="normal")
    queue.put([RawRecord(str(log), str(number), AT, line) for number, line in enumerate(lines, 1)])
    source = SOURCES["windows"](SourceSettings(str(log), "windows", "replay"))
    parts = Parts(
        queue=queue,
        events=events,
        database=database,
        sources={str(log): source},
        enrichments=(),
        pseudonyms=Pseudonyms(KEY),
        make_engine=lambda: Engine(ruleset, sources=[str(log)]),
        incidents=Incidents(database, lambda: AT, ruleset.rules),
    )
    pipeline = Pipeline(parts, clock=lambda: AT, batch_count=700)
    while pipeline.step():
        pass
    night = Night(folder, ruleset, {}, queue, database, events, Pseudonyms(KEY))
    yield Lived(log, ruleset, events, night.alerts(), len(lines))
    night.close()


def test_live_and_replayed_give_equal_alerts(lived: Lived) -> None:
    assert len(lived.ruleset.singles) > 2_300 and lived.event_count == 40_000 // EVERY
    source = SOURCES["windows"](SourceSettings(str(lived.log), "windows", "replay"))
    done = replay([lived.log], source, Engine(lived.ruleset), (), Pseudonyms(KEY), AT)
    assert done.errors == [] and done.event_count == lived.event_count
    assert folded(done.detections, lived.ruleset) == lived.alerts
    assert len({rule_id for rule_id, _, _ in lived.alerts}) > 15


def test_a_hunt_in_sql_finds_what_the_engine_found_live(lived: Lived) -> None:
    """Every rule that fired, and every hundredth of the others, which must find nothing."""
    fired = sorted({rule_id for rule_id, _, _ in lived.alerts})
    quiet = sorted(lived.ruleset.alerting - set(fired))[::100]
    ways: dict[How, int] = {}
    for rule_id in (*fired, *quiet):
        wanted = plan(lived.ruleset, rule_id)
        ways[wanted.how] = ways.get(wanted.how, 0) + 1
        found = [detection for step in hunt(lived.events, wanted, Stretch(Scope())) for detection in step.detections]
        assert folded(found, lived.ruleset) == {one for one in lived.alerts if one[0] == rule_id}, lived.ruleset.rules[rule_id].path
    assert ways.get(How.SQL, 0) > 10 and len(quiet) > 20, ways
