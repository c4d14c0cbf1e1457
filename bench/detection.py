"""Detection with a large rule set of others, on real events of attacks: SigmaHQ's rules for Windows on 40,000 events.

The data is no part of the product: its folder is named by ``VEILLEUR_DATA``, and without it there is nothing to measure. Rates are per
CPU-second of this process, reading of JSON included.
"""

import gzip
import os
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import orjson

from bench import machine
from bench.clock import resident_megabytes
from bench.report import Row
from siem.detection.cache import Cache
from siem.detection.compiled import compiled_rules
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.detection.pipelines import product_pipelines
from siem.event import Event, Fields
from siem.garbage import settle_down

T = TypeVar("T")
DATA: Final = Path(os.environ.get("VEILLEUR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_RULES, _EVENTS = "sigmahq-rules.tar.gz", "windows-events-otrf-40k.ndjson.gz"
_AT: Final = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
_BATCH_COUNT: Final = 2_000
_PASSES: Final = 3
_BUDGET: Final = 60_000
#: Fields that each event of the worst case has to itself, so that nothing remembered helps.
_UNIQUE: Final = ("CommandLine", "ParentCommandLine", "TargetObject", "Details", "TargetFilename", "ImageLoaded", "Image", "QueryName")
_CORRELATED_COUNT: Final = 100_000
_DISTINCT: Final = 1_800


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Start, first pass, settled and worst case, memory; then correlations of a rule of our own making."""
    if (DATA / _RULES).is_file() and (DATA / _EVENTS).is_file():
        yield from _windows(folder, seconds)
    else:
        print(f"not measured: the rules and events of others are not in {DATA} (VEILLEUR_DATA)", file=sys.stderr)
    yield from _correlations(folder)


def _windows(folder: Path, seconds: float) -> Iterator[Row]:
    with tarfile.open(DATA / _RULES) as archive:
        archive.extractall(folder / "sigma", filter="data")
    rules = folder / "sigma" / "rules" / "windows"
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

    def row(what: str, data: Sequence[bytes], *, budget: float | None = None) -> Row:
        spent, _ = _timed(lambda: _evaluate(engine, data))
        name, rate = f"{count} rules, 1.4 kB events, {what}", len(data) / spent
        return Row(name=name, value=rate, unit="events/CPU-s", budget=budget, limit=floor, limit_name="orjson alone")

    yield ready("nothing kept", spent, 5.0)
    lines = gzip.decompress((DATA / _EVENTS).read_bytes()).splitlines()
    floor = machine.json_floor(lines, min(seconds, 2.0))
    yield row("first pass", lines)
    settled = [row("settled", lines, budget=_BUDGET) for _ in range(_PASSES)]
    yield max(settled, key=lambda one: one.value)
    spent, engine = _timed(start)
    settle_down()
    yield ready("kept from before", spent, 1.0)
    yield row("first pass after a restart", lines)
    yield row("every long value unique", [_unique(line, number) for number, line in enumerate(lines)])
    megabytes = resident_megabytes(os.getpid())
    yield Row(name="memory of the measure, rules and events included", value=megabytes, unit="MB", budget=1_000, lower_is_better=True)


def _evaluate(engine: Engine, lines: Sequence[bytes]) -> None:
    for first in range(0, len(lines), _BATCH_COUNT):
        batch = lines[first : first + _BATCH_COUNT]
        engine.evaluate(Event(f"e{place}", _AT, "windows", "default", orjson.loads(line)) for place, line in enumerate(batch, first))


def _unique(line: bytes, number: int) -> bytes:
    fields = orjson.loads(line)
    for name in _UNIQUE:
        if isinstance(fields.get(name), str):
            fields[name] += f" {number:x}"
    return orjson.dumps(fields)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


_CORRELATIONS: Final = {
    "event_count": "{gte: 1000000}",
    "value_count": "{field: url.path, gte: 1000000}",
    "temporal": "",
}


def _correlations(folder: Path) -> Iterator[Row]:
    """Every event matches, and no window ever holds enough: what is measured is keeping them."""
    for kind, condition in _CORRELATIONS.items():
        ruleset = _correlated(folder / kind, kind, condition)
        engine = Engine(ruleset)
        events = [
            Event(
                f"c{number}",
                _AT + timedelta(milliseconds=20 * number),
                "web",
                "default",
                {"event.dataset": "nginx.access", "source.ip": f"192.0.2.{number % 50}", "url.path": f"/{number % _DISTINCT}"},
            )
            for number in range(_CORRELATED_COUNT)
        ]

        def evaluate(engine: Engine = engine, events: Sequence[Event] = events) -> None:
            for first in range(0, len(events), _BATCH_COUNT):
                engine.evaluate(events[first : first + _BATCH_COUNT])
                engine.changed_state()

        spent, _ = _timed(evaluate)
        yield Row(name=f"correlation {kind}, 50 groups, state written", value=len(events) / spent, unit="events/CPU-s")
    yield from _at_the_limit(folder)


#: Conditions that look at more than the last match, over one group that is full.
_OVER_A_GROUP: Final = {"temporal_ordered": "", "temporal": "seen and not never"}


def _at_the_limit(folder: Path) -> Iterator[Row]:
    """What one more event costs every rule, where one group holds all that may be kept."""
    for kind, condition in _OVER_A_GROUP.items():
        engine = Engine(_correlated(folder / f"full {kind}", kind, condition, "1d"))
        fields: Fields = {"event.dataset": "nginx.access", "source.ip": "192.0.2.1"}
        events = [Event(f"f{n}", _AT + timedelta(milliseconds=20 * n), "web", "default", fields) for n in range(_CORRELATED_COUNT + 200)]
        engine.evaluate(events[:_CORRELATED_COUNT])

        def one_by_one(engine: Engine = engine, events: Sequence[Event] = events[_CORRELATED_COUNT:]) -> None:
            for event in events:
                engine.evaluate([event])

        spent, _ = _timed(one_by_one)
        name = f"correlation {kind} {condition or 'of two'}, one event more in a group of {_CORRELATED_COUNT:,}"
        yield Row(name=name, value=spent / 200 * 1000, unit="CPU-ms", lower_is_better=True)


def _correlated(folder: Path, kind: str, condition: str, timespan: str = "10m") -> Ruleset:
    folder.mkdir()
    rules = "[seen, never]" if kind.startswith("temporal") else "[seen]"
    (folder / "rules.yml").write_text(
        f"""
title: Seen
id: 00000000-0000-4000-8000-000000000001
name: seen
logsource: {{category: webserver}}
detection: {{selection: {{source.ip|exists: true}}, condition: selection}}
---
title: Never
id: 00000000-0000-4000-8000-000000000002
name: never
logsource: {{category: webserver}}
detection: {{selection: {{source.ip: never}}, condition: selection}}
---
title: Together
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: {kind}
  rules: {rules}
  group-by: [source.ip]
  timespan: {timespan}
  {"condition: " + condition if condition else ""}
""",
        "utf-8",
    )
    ruleset = load_rules(folder)
    if ruleset.errors:
        raise RuntimeError(f"the bench's own rules are wrong: {ruleset.errors[0]}")
    return ruleset
