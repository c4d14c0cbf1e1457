"""A disk that is really full: the pipeline stops, says so, and goes on without loss once there is room."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import siem.incidents.store
from siem.detection.engine import Engine
from siem.detection.load import load_rules
from siem.enrichment.pseudonyms import Pseudonyms
from siem.errors import OperationError
from siem.event import RawRecord
from siem.incidents.service import Incidents
from siem.pipeline import Parts, Pipeline
from siem.sources import SOURCES
from siem.sources.source import SourceSettings
from siem.store import progress
from siem.store.database import Database
from siem.store.events import EventStore, Scope, Search
from siem.store.queue import Queue

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
COUNT = 10_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], object]]]:
    """A disk of 4 MiB, and a call that makes it large."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk may not be mounted here: {mounted.stderr.decode().strip()}")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _line(number: int) -> bytes:
    noise, time = os.urandom(90).hex(), f"21:{number // 60 % 60:02d}:{number % 60:02d}"
    return f'192.0.2.7 - u{noise} [22/Nov/2026:{time} +0000] "GET /{noise} HTTP/1.1" 200 1 "-" "-"'.encode()


@pytest.mark.parametrize("on_small_disk", ["events.duckdb", "watch.sqlite"])
def test_a_full_disk_stops_the_pipeline_and_loses_nothing(
    tmp_path: Path, small_disk: tuple[Path, Callable[[], object]], on_small_disk: str
) -> None:
    folder, enlarge = small_disk
    places = {name: (folder if name == on_small_disk else tmp_path) / name for name in ("events.duckdb", "watch.sqlite")}
    ruleset = load_rules(tmp_path)
    queue, events, database = (
        Queue(tmp_path / "queue.sqlite"),
        EventStore(places["events.duckdb"]),
        Database(f"sqlite:///{places['watch.sqlite']}"),
    )
    with database.transaction() as connection:
        siem.incidents.store.metadata.create_all(connection)
    pipeline = Pipeline(
        Parts(
            queue=queue,
            events=events,
            database=database,
            sources={"web": SOURCES["nginx"](SourceSettings("web", "nginx", "Dossier patient", http=True))},
            enrichments=[],
            pseudonyms=Pseudonyms(bytes(32)),
            make_engine=lambda: Engine(ruleset),
            incidents=Incidents(database, lambda: AT, ruleset.rules),
        ),
        clock=lambda: AT,
        batch_count=500,
    )
    queue.put([RawRecord("web", f"1:{number}", AT, _line(number)) for number in range(COUNT)])
    with pytest.raises(OperationError, match="free space.*nothing received is lost"):
        while pipeline.step():
            pass
    stopped_at = pipeline.position
    assert 0 < stopped_at < COUNT
    with pytest.raises(OperationError):
        pipeline.step()
    assert pipeline.position == stopped_at
    enlarge()
    while pipeline.step():
        pass
    with database.reading() as connection:
        [counts] = progress.read_counts(connection)
    assert (counts.received, counts.stored, counts.duplicates, counts.dropped) == (COUNT, COUNT, 0, {})
    assert events.count(Search(Scope())) == COUNT
    for store in (queue, events, database):
        store.close()
