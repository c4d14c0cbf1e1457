"""What rules cost that remember: correlations, and habits, over events that all match and of which none is out of the ordinary."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.report import Row
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.event import Event, Fields

_AT: Final = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
_BATCH_COUNT: Final = 2_000
_COUNT: Final = 100_000
_DISTINCT: Final = 1_800
_GROUPS: Final = 50
_MORE: Final = 200

_SEEN: Final = """
title: Seen
id: 00000000-0000-4000-8000-000000000001
name: seen
logsource: {category: webserver}
detection: {selection: {source.ip|exists: true}, condition: selection}
---
title: Never
id: 00000000-0000-4000-8000-000000000002
name: never
logsource: {category: webserver}
detection: {selection: {source.ip: never}, condition: selection}
---
title: Together
id: 00000000-0000-4000-8000-000000000003
"""
_CORRELATIONS: Final = {
    "event_count": "rules: [seen], condition: {gte: 1000000}",
    "value_count": "rules: [seen], condition: {field: url.path, gte: 1000000}",
    "temporal": "rules: [seen, never]",
}
#: Conditions that look at more than the last match, over one group that is full.
_OVER_A_GROUP: Final = {
    "temporal_ordered of two": "type: temporal_ordered, rules: [seen, never]",
    "temporal seen and not never": "type: temporal, rules: [seen, never], condition: seen and not never",
}
_HABITS: Final = {
    "first_seen": "field: url.path, lookback: 90d, learning: 14d",
    "own_median": "field: url.path, per: day, lookback: 30d, minimum: 5, factor: 10, floor: 1000000",
    "peer_group": "field: url.path, peers: event.dataset, per: day, minimum: 8, percentile: 95, factor: 3, floor: 1000000",
}


def rows(folder: Path) -> Iterator[Row]:
    """Correlations, habits, and what one more event costs a group that is full. ``folder`` is ours to write in."""
    for kind, said in _CORRELATIONS.items():
        together = f"correlation: {{type: {kind}, group-by: [source.ip], timespan: 10m, {said}}}"
        yield _kept(f"correlation {kind}, {_GROUPS} groups, state written", _ruleset(folder / kind, together))
    for kind, said in _HABITS.items():
        together = f"level: low\nveilleur: {{baseline: {{type: {kind}, rules: [seen], group-by: [source.ip], {said}}}}}"
        yield _kept(f"habit {kind}, {_GROUPS} people, state written", _ruleset(folder / kind, together))
    for kind, said in _OVER_A_GROUP.items():
        together = f"correlation: {{group-by: [source.ip], timespan: 1d, {said}}}"
        yield _at_the_limit(f"correlation {kind}, one event more in a group of {_COUNT:,}", _ruleset(folder / kind, together))


def _kept(name: str, ruleset: Ruleset) -> Row:
    engine, events = Engine(ruleset), [_event(number, number % _GROUPS) for number in range(_COUNT)]

    def evaluate() -> None:
        for first in range(0, len(events), _BATCH_COUNT):
            engine.evaluate(events[first : first + _BATCH_COUNT])
            engine.changed_state()

    return Row(name=name, value=len(events) / _spent(evaluate), unit="events/CPU-s")


def _at_the_limit(name: str, ruleset: Ruleset) -> Row:
    engine, events = Engine(ruleset), [_event(number, 1) for number in range(_COUNT + _MORE)]
    engine.evaluate(events[:_COUNT])

    def one_by_one() -> None:
        for event in events[_COUNT:]:
            engine.evaluate([event])

    return Row(name=name, value=_spent(one_by_one) / _MORE * 1000, unit="CPU-ms", lower_is_better=True)


def _event(number: int, group: int) -> Event:
    fields: Fields = {"event.dataset": "nginx.access", "source.ip": f"192.0.2.{group}", "url.path": f"/{number % _DISTINCT}"}
    return Event(f"c{number}", _AT + timedelta(milliseconds=20 * number), "web", "default", fields)


def _spent(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _ruleset(folder: Path, together: str) -> Ruleset:
    folder.mkdir()
    (folder / "rules.yml").write_text(f"{_SEEN}{together}\n", "utf-8")
    ruleset = load_rules(folder)
    if ruleset.errors:
        raise RuntimeError(f"the bench's own rules are wrong: {ruleset.errors[0]}")
    return ruleset
