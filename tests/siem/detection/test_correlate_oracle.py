"""Correlations against another implementation: the rules as SQL by pySigma, run by SQLite.

Known differences, settled on purpose: SQLite's chains (``temporal_ordered``) want later instants where we take equal ones as in order,
and return only the first chain; it groups without case, where we keep identifiers apart. pySigma refuses a range of two comparisons,
which the specification allows.
"""

import json
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from siem.detection.engine import Engine
from siem.event import Event
from tests.siem.detection.test_correlate import CASES, SINGLES, correlation, gathered, made, ruleset

backend = pytest.importorskip("sigma.backends.sqlite", reason="the package pysigma-backend-sqlite is not installed")
OURS_ALONE = ("event_count without group", "a range")
COLUMNS = ("event.action", "user.id", "source.ip", "health.record.count")


def by_sql(text: str, events: Sequence[Event]) -> dict[tuple[str, ...], set[str]]:
    from sigma.collection import SigmaCollection

    query = backend.sqliteBackend().convert(SigmaCollection.from_yaml(text))[-1]
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE logs (timestamp TEXT, " + ", ".join(f'"{name}"' for name in COLUMNS) + ")")
    for event in events:
        values = [event.fields[name] for name in COLUMNS]
        database.execute("INSERT INTO logs VALUES (?, ?, ?, ?, ?)", [event.at.strftime("%Y-%m-%d %H:%M:%S"), *values])
    cursor = database.execute(query)
    names = [column[0] for column in cursor.description]
    found: dict[tuple[str, ...], set[str]] = {}
    for row in cursor:
        alert = dict(zip(names, row, strict=True))
        group = tuple(str(value).upper() for value in json.loads(alert["group_keys"]).values())
        ids = {events[int(one.split(":")[-1]) - 1].id for one in json.loads(alert["event_ids"])}
        found.setdefault(group, set()).update(ids)
    return found


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("temporal_ordered") and case not in OURS_ALONE])
def test_finds_what_sqlite_finds(case: str, tmp_path: Path) -> None:
    text = correlation(CASES[case])
    loaded = ruleset(tmp_path, text)
    rng = random.Random(case)
    for _ in range(12):
        rows = [
            (
                rng.randint(0, 300),
                rng.choice(["a", "b", "c", "ab", "z"]),
                rng.choice(["P-1", "P-2"]),
                f"192.0.2.{rng.randint(1, 4)}",
                rng.randint(0, 9),
            )
            for _ in range(24)
        ]
        events = made(rows)
        engine = Engine(loaded)
        assert gathered([*engine.evaluate(events), *engine.flush()], once=False) == by_sql("---".join([SINGLES, text]), events)
