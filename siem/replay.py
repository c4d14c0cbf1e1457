"""Past logs through the live parts: parse, enrich, replace identifiers and detect, without storing anything.

The same reading (:func:`siem.batch.read_one`) and the same engine as the pipeline's, so that what fires here is what would have fired,
about the same pseudonyms where the key is the watch's. Lines that cannot be read are named and counted, as in the dead letters.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Final

from siem.batch import read_one
from siem.detection import Detection
from siem.detection.engine import Engine
from siem.enrichment import Enrichment
from siem.enrichment.pseudonyms import Pseudonyms
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


def replay(
    files: Sequence[Path], source: Source, engine: Engine, enrichments: Iterable[Enrichment], pseudonyms: Pseudonyms, now: datetime
) -> Replayed:
    """Read the files in the order given, one record a line. ``now`` is the reception time that records get."""
    done = Replayed()
    parts = tuple(enrichments)
    events = _events(files, lambda record: read_one(record, source, parts, pseudonyms), now, done)
    # Each event is evaluated as soon as it is read, while the processor still has it at hand.
    while (first := next(events, None)) is not None:
        done.detections.extend(engine.evaluate(chain((first,), islice(events, _BATCH_COUNT - 1))))
    done.detections.extend(engine.flush())
    return done


def _events(files: Sequence[Path], read: Callable[[RawRecord], Sequence[Event]], now: datetime, done: Replayed) -> Iterator[Event]:
    """The events of the files, counted in ``done``."""
    for path in files:
        for record in _records(path, now):
            done.line_count += 1
            try:
                events = read(record)
            except DataError as error:
                done.errors.append(DataError(str(path), int(record.position), error.field, error.problem))
                continue
            except Exception as error:  # noqa: BLE001  # the guard, as the pipeline's: one line that our parser trips over stops no other
                done.errors.append(DataError(str(path), int(record.position), "", f"our parser failed on it: {error!r}"[:500]))
                continue
            done.event_count += len(events)
            yield from events


def _records(path: Path, now: datetime) -> Iterator[RawRecord]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield RawRecord(str(path), str(number), now, line.rstrip(b"\r\n"))
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
