"""Detection with a large rule set of others, on real events of attacks: SigmaHQ's rules for Windows on 40,000 events.

Rates are per CPU-second of this process, reading of JSON included.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import orjson

from bench import machine, remembering, windows_events
from bench.clock import resident_megabytes
from bench.report import Reference, Row
from bench.rivals import rivals
from siem.detection.cache import Cache
from siem.detection.compiled import compiled_rules
from siem.detection.engine import Engine
from siem.detection.pipelines import product_pipelines
from siem.event import Event
from siem.garbage import settle_down

T = TypeVar("T")
_AT: Final = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
_BATCH_COUNT: Final = 2_000
#: So many passes until every kind of event has come often enough for its gates to be chosen for good, then those that are measured.
_UNTIL_SETTLED: Final = 5
_PASSES: Final = 7
_BUDGET: Final = 60_000


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Start, first pass, settled, events never seen and worst case, memory; then correlations and habits of rules of our own making."""
    if windows_events.are_here():
        yield from _windows(folder, seconds)
    else:
        print(f"not measured: the rules and events of others are not in {windows_events.DATA} (VEILLEUR_DATA)", file=sys.stderr)
    yield from remembering.rows(folder)


def _windows(folder: Path, seconds: float) -> Iterator[Row]:
    rules = windows_events.rules_in(folder)
    sources, cache = product_pipelines().of("windows"), Cache(folder / "cache")

    def start() -> Engine:
        engine = Engine(compiled_rules(rules, sources=sources, cache=cache))
        engine.keep_in(cache)
        return engine

    spent, engine = _timed(start)
    settle_down()  # as every process does that has loaded its rules
    count = len(engine.ruleset.singles)

    def ready(what: str, spent: float, budget: float) -> Row:
        name = f"{count} rules of Windows ready, {what}"
        return Row(name=name, value=spent * 3_000 / count, unit="s for 3,000", budget=budget, lower_is_better=True)

    def row(what: str, data: Sequence[bytes], *, passes: int = 1, others: tuple[Reference, ...] = (), budget: float | None = None) -> Row:
        rates = [len(data) / _timed(lambda: _evaluate(engine, data))[0] for _ in range(passes)]
        return Row(
            name=f"{count} rules, 1.4 kB events, {what}",
            value=statistics.median(rates),
            unit="events/CPU-s",
            budget=budget,
            limit=floor,
            limit_name="orjson alone",
            spread=(min(rates), max(rates)) if passes > 1 else None,
            others=others,
        )

    yield ready("nothing kept", spent, 5.0)
    lines = windows_events.events()
    floor = machine.json_floor(lines, min(seconds, 2.0))
    yield row("first pass", lines)
    others = rivals(folder / "rivals", rules, lines)
    for _ in range(_UNTIL_SETTLED):
        _evaluate(engine, lines)
    yield row("settled", lines, passes=_PASSES, others=others, budget=_BUDGET)
    yield row("never seen: identifiers and numbers anew", list(windows_events.anew(lines)))
    spent, engine = _timed(start)
    settle_down()
    yield ready("kept from before", spent, 1.0)
    yield row("first pass after a restart", lines)
    yield row("every long value unique", list(windows_events.unique(lines)))
    megabytes = resident_megabytes(os.getpid())
    yield Row(name="memory of the measure, rules and events included", value=megabytes, unit="MB", budget=1_000, lower_is_better=True)


def _evaluate(engine: Engine, lines: Sequence[bytes]) -> None:
    for first in range(0, len(lines), _BATCH_COUNT):
        batch = lines[first : first + _BATCH_COUNT]
        engine.evaluate(Event(f"e{place}", _AT, "windows", "default", orjson.loads(line)) for place, line in enumerate(batch, first))


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made
