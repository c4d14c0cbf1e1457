"""Past logs through the live parts: parse, enrich and detect, without storing anything.

The same parser and the same engine as the pipeline's, so that what fires here is what would have fired. Lines that cannot
be read are named and counted, as they would be in the dead letters.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Final

from siem.detection import Detection
from siem.detection.engine import Engine
from siem.enrichment import Enrichment
from siem.errors import DataError
from siem.event import Event, RawRecord
from siem.sources.source import Source

#: Correlations are settled after so many events.
_BATCH_COUNT: Final = 2000


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
    events = _events(files, source, tuple(enrichments), now, done)
    # Each event is evaluated as soon as it is read, while the processor still has it at hand.
    while (first := next(events, None)) is not None:
        done.detections.extend(engine.evaluate(chain((first,), islice(events, _BATCH_COUNT - 1))))
    done.detections.extend(engine.flush())
    return done


def _events(files: Sequence[Path], source: Source, enrichments: Sequence[Enrichment], now: datetime, done: Replayed) -> Iterator[Event]:
    """The events of the files, counted in ``done``."""
    for path in files:
        for record in _records(path, now):
            done.line_count += 1
            try:
                events = source.parse(record)
            except DataError as error:
                done.errors.append(DataError(str(path), int(record.position), error.field, error.problem))
                continue
            for event in events:
                for enrichment in enrichments:
                    enrichment.enrich(event.fields)
                done.event_count += 1
                yield event


def _records(path: Path, now: datetime) -> Iterator[RawRecord]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield RawRecord(str(path), str(number), now, line.rstrip(b"\r\n"))
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
