"""The watch under load: its rules over parsed events, and the whole way of a record, on the disk.

Rates are per CPU-second of this process, which does nothing else meanwhile.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from bench import machine, traffic
from bench.clock import rate_of, resident_megabytes
from bench.report import Row
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.enrichment.geography import load_geography
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import Event, RawRecord
from siem.incidents.service import Incidents
from siem.pipeline import Parts, Pipeline
from siem.sources import SOURCES
from siem.sources.source import Source, SourceSettings
from siem.store.database import Database
from siem.store.events import EventStore
from siem.store.migrations import migrate
from siem.store.queue import Queue

ROOT: Final = Path(__file__).resolve().parents[1]
Item = TypeVar("Item")
_TYPES: Final[Mapping[str, str]] = {"idp": "idp", "nginx": "nginx", "fhir": "fhir_audit_event"}
_BATCH_COUNT: Final = 2_000
_RECEIVED_AT: Final = datetime(2026, 3, 14, 23, 0, tzinfo=UTC)


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Every measure of the watch; ``folder`` is empty and ours, ``seconds`` what each measure takes at least."""
    ruleset = load_rules(ROOT / "rules")
    yield from _detection(ruleset, seconds)
    yield from _pipeline(folder, ruleset, seconds)


def _records(count: int, *, json_only: bool = False) -> list[RawRecord]:
    lines = traffic.evening(count, json_only=json_only)
    return [RawRecord(source, str(position), _RECEIVED_AT, line) for position, (source, line) in enumerate(lines)]


def _sources() -> dict[str, Source]:
    return {name: SOURCES[kind](SourceSettings(name, kind, "Mesure", finess="0B0000005", http=True)) for name, kind in _TYPES.items()}


def _detection(ruleset: Ruleset, seconds: float) -> Iterator[Row]:
    """JSON lines to detections, the store left out; then evaluation alone, on events already parsed."""
    records = _records(20_000, json_only=True)
    floor = machine.json_floor([record.data for record in records], min(seconds, 2.0))
    size = sum(len(record.data) for record in records) // len(records)

    def read_and_evaluate() -> int:
        engine, sources = Engine(ruleset), _sources()
        for batch in _batches(records):
            engine.evaluate([event for record in batch for event in sources[record.source].parse(record)])
        return len(records)

    sources = _sources()
    events: list[Event] = [event for record in records for event in sources[record.source].parse(record)]

    def evaluate() -> int:
        engine = Engine(ruleset)
        for batch in _batches(events):
            engine.evaluate(batch)
        return len(events)

    of_rules = f"our {len(ruleset.rules)} rules, {size} B lines"
    name = f"detection, {of_rules}, JSON and reading included"
    yield Row(name=name, value=rate_of(read_and_evaluate, seconds=seconds), unit="events/CPU-s", limit=floor, limit_name="orjson alone")
    yield Row(name=f"detection, {of_rules}, events already read", value=rate_of(evaluate, seconds=seconds), unit="events/CPU-s")


def _pipeline(folder: Path, ruleset: Ruleset, seconds: float) -> Iterator[Row]:
    """Received durably, then read, enriched, stored, evaluated, committed: searchable at the end."""
    queue = Queue(folder / "queue.sqlite")
    store = EventStore(folder / "events.duckdb")
    url = f"sqlite:///{folder / 'watch.sqlite'}"
    migrate(url)
    database = Database(url)
    try:
        parts = Parts(
            queue=queue,
            events=store,
            database=database,
            sources=_sources(),
            enrichments=[load_geography(ROOT / "deploy" / "demo" / "geography.csv")],
            pseudonyms=Pseudonyms(os.urandom(32)),
            make_engine=lambda: Engine(ruleset),
            incidents=Incidents(database, lambda: _RECEIVED_AT, ruleset.rules),
        )
        pipeline = Pipeline(parts, clock=lambda: _RECEIVED_AT, batch_count=_BATCH_COUNT)
        records = _records(int(12_000 * max(seconds, 1.0)))
        begun = time.process_time()
        for batch in _batches(records):
            queue.put(batch)
        received = time.process_time() - begun
        while pipeline.step():
            pass
        spent = time.process_time() - begun
    finally:
        store.close()
        database.close()
        queue.close()
    count = len(records)
    yield Row(name="durable receipt", value=count / received, unit="records/CPU-s")
    yield Row(name="whole pipeline, durable, stored, searchable", value=count / spent, unit="events/CPU-s", budget=20_000)
    megabytes = resident_megabytes(os.getpid())
    yield Row(name="memory of this process after it", value=megabytes, unit="MB", budget=1_000, lower_is_better=True)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), _BATCH_COUNT):
        yield items[begin : begin + _BATCH_COUNT]
