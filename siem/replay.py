"""Past logs through the live parts: parse, enrich and detect, without storing anything.

The same parser and the same engine as the pipeline's, so that what fires here is what would have fired. Lines that cannot
be read are named and counted, as they would be in the dead letters.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.enrichment import Enrichment
from siem.errors import DataError
from siem.event import Event, RawRecord
from siem.sources.source import Source

_BATCH_COUNT = 2000


@dataclass(slots=True)
class Replayed:
    """What a replay found. ``line_count`` = lines turned into events + ``errors``."""

    line_count: int = 0
    event_count: int = 0
    detections: list[Detection] = field(default_factory=list)
    errors: list[DataError] = field(default_factory=list)


def replay(files: Sequence[Path], source: Source, engine: Engine, enrichments: Iterable[Enrichment], now: datetime) -> Replayed:
    """Read the files in the order given, one record a line. ``now`` is the reception time that records get."""
    done = Replayed()
    parts = tuple(enrichments)
    batch: list[Event] = []
    for path in files:
        for record in _records(path, now):
            done.line_count += 1
            try:
                events = source.parse(record)
            except DataError as error:
                done.errors.append(DataError(str(path), int(record.position), error.field, error.problem))
                continue
            for event in events:
                for enrichment in parts:
                    enrichment.enrich(event.fields)
            batch.extend(events)
            if len(batch) >= _BATCH_COUNT:
                _evaluate(engine, batch, done)
                batch = []
    _evaluate(engine, batch, done)
    done.detections.extend(engine.flush())
    return done


def _records(path: Path, now: datetime) -> Iterator[RawRecord]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield RawRecord(str(path), str(number), now, line.rstrip(b"\r\n"))
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error


def _evaluate(engine: Engine, batch: Sequence[Event], done: Replayed) -> None:
    done.event_count += len(batch)
    done.detections.extend(engine.evaluate(batch))
