"""The watch under load: its rules over parsed events, and the whole way of a record, on the disk.

Rates are per CPU-second of this process, which does nothing else meanwhile.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import func, select

from bench import machine, traffic, windows_events
from bench.clock import rate_of, resident_megabytes
from bench.report import Row
from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import product_pipelines
from siem.enrichment.geography import load_geography
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import Event, Fields, RawRecord
from siem.incidents.service import Incidents
from siem.incidents.store import alerts
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
#: Alerts that are measured: so many turns of so many.
_TURNS: Final = 8
_AT_ONCE: Final = 50
_RECEIVED_AT: Final = datetime(2026, 3, 14, 23, 0, tzinfo=UTC)


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Every measure of the watch; ``folder`` is empty and ours, ``seconds`` what each measure takes at least."""
    ruleset = load_rules(ROOT / "rules")
    yield from _detection(ruleset, seconds)
    ours = _records(int(12_000 * max(seconds, 1.0)))
    (folder / "nothing").mkdir()
    _, bare, _ = _measured(folder / "bare", load_rules(folder / "nothing"), ours, _TYPES)
    yield from _pipeline(folder / "ours", ruleset, ours, _TYPES, budget=20_000, limit=bare)
    yield from _alerts(folder / "alerts", ruleset)
    yield from _pipeline_of_others(folder / "others", seconds)


def _records(count: int, *, json_only: bool = False) -> list[RawRecord]:
    lines = traffic.evening(count, json_only=json_only)
    return [RawRecord(source, str(position), _RECEIVED_AT, line) for position, (source, line) in enumerate(lines)]


def _sources(types: Mapping[str, str] = _TYPES) -> dict[str, Source]:
    return {name: SOURCES[kind](SourceSettings(name, kind, "Mesure", finess="0B0000005", http=True)) for name, kind in types.items()}


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


def _pipeline(
    folder: Path,
    ruleset: Ruleset,
    records: Sequence[RawRecord],
    types: Mapping[str, str],
    *,
    what: str = "",
    budget: float | None = None,
    limit: float | None = None,
) -> Iterator[Row]:
    """Received durably, then read, enriched, stored, evaluated, committed: searchable at the end. ``limit``: the rate with no rule."""
    received, rate, found = _measured(folder, ruleset, records, types)
    yield Row(name=f"durable receipt{what}", value=received, unit="records/CPU-s")
    whole = f"whole pipeline, durable, stored, searchable{what}, {found} alerts"
    yield Row(name=whole, value=rate, unit="events/CPU-s", budget=budget, limit=limit, limit_name="the same with no rule")
    megabytes = resident_megabytes(os.getpid())
    yield Row(name=f"memory of this process after it{what}", value=megabytes, unit="MB", budget=1_000, lower_is_better=True)


def _measured(folder: Path, ruleset: Ruleset, records: Sequence[RawRecord], types: Mapping[str, str]) -> tuple[float, float, int]:
    """Records received, and records through the whole pipeline, per CPU-second; how many alerts there are at the end."""
    folder.mkdir()
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
            sources=_sources(types),
            enrichments=[load_geography(ROOT / "deploy" / "demo" / "geography.csv")],
            pseudonyms=Pseudonyms(os.urandom(32)),
            make_engine=lambda: Engine(ruleset),
            incidents=Incidents(database, lambda: _RECEIVED_AT, ruleset.rules),
        )
        pipeline = Pipeline(parts, clock=lambda: _RECEIVED_AT, batch_count=_BATCH_COUNT)
        begun = time.process_time()
        for batch in _batches(records):
            queue.put(batch)
        received = time.process_time() - begun
        while pipeline.step():
            pass
        spent = time.process_time() - begun
        with database.reading() as connection:
            found = connection.scalar(select(func.count()).select_from(alerts)) or 0
    finally:
        store.close()
        database.close()
        queue.close()
    return len(records) / received, len(records) / spent, found


def _pipeline_of_others(folder: Path, seconds: float) -> Iterator[Row]:
    """The same with the large rule set of others and real events of Windows, where they are there."""
    if not windows_events.are_here():
        print(f"not measured: the rules and events of others are not in {windows_events.DATA} (VEILLEUR_DATA)", file=sys.stderr)
        return
    folder.mkdir()
    ruleset = load_rules(windows_events.rules_in(folder), sources=product_pipelines().of("windows"))
    lines = windows_events.events()[: int(4_000 * max(seconds, 1.0))]
    records = [RawRecord("windows", str(position), _RECEIVED_AT, line) for position, line in enumerate(lines)]
    what = f", {len(ruleset.singles)} rules of others on Windows"
    yield from _pipeline(folder / "watch", ruleset, records, {"windows": "windows"}, what=what)


def _alerts(folder: Path, ruleset: Ruleset) -> Iterator[Row]:
    """What an alert costs in the transaction of its batch: fifty people at a time, each with thirty records of others."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'watch.sqlite'}"
    migrate(url)
    database = Database(url)
    rule = next(one.rule for one in ruleset.correlations if one.rule.subject == "user.id")
    try:
        incidents = Incidents(database, lambda: _RECEIVED_AT, ruleset.rules)
        spent = 0.0
        for turn in range(_TURNS):
            found = [_sweep(rule.id, turn * _AT_ONCE + number) for number in range(_AT_ONCE)]
            events = {event.id: event for _, of_one in found for event in of_one}
            begun = time.process_time()
            with database.transaction() as connection:
                incidents.absorb(connection, [detection for detection, _ in found], events)
            spent += time.process_time() - begun
    finally:
        database.close()
    yield Row(name="one more alert, about 30 records", value=spent / (_TURNS * _AT_ONCE) * 1000, unit="CPU-ms", lower_is_better=True)


def _sweep(rule_id: str, number: int) -> tuple[Detection, list[Event]]:
    person, at = f"P-{number:010d}", _RECEIVED_AT + timedelta(seconds=number)
    fields: Fields = {"event.action": "record.read", "user.id": person, "health.session.id": f"session-{person}", "source.ip": "192.0.2.1"}
    events = [
        Event(
            f"{number:012x}{place:020x}",
            at,
            "fhir",
            "default",
            {**fields, "health.patient.pseudonym": f"PAT-{(number * 7 + place) % 5_000}"},
        )
        for place in range(30)
    ]
    ids = tuple(event.id for event in events)
    values = (("user.id", person), ("count", str(len(ids))))
    return Detection(rule_id, "default", (("user.id", person),), at, at, ids, ("user.id",), values), events


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), _BATCH_COUNT):
        yield items[begin : begin + _BATCH_COUNT]
