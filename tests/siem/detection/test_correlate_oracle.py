"""Correlations against another implementation: the rules as SQL by pySigma, run by SQLite.

Where the two differ, disagreements.py says who is right and why: SQLite's chains (``temporal_ordered``) want later instants where equal
ones are in order for us, and return one chain of all those that there are; group values are compared without case there; pySigma refuses a
range of two comparisons, several fields to count and «1 of» over rules, and takes a rule listed twice for listed once.
"""

import json
import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from siem.detection.engine import Engine
from siem.event import Event
from tests.siem.detection.test_correlate import CASES, SINGLES, documents_of, gathered, made, ruleset

backend = pytest.importorskip("sigma.backends.sqlite", reason="the package pysigma-backend-sqlite is not installed")
COLUMNS = ("event.action", "user.id", "health.actor.id", "source.ip", "health.record.count")
#: What pySigma does not read, and what it says.
OURS_ALONE = {
    "a range": "exactly one condition item",
    "value_count of two fields": "unhashable type",
    "extended: 1 of": "Failed to parse",
}
#: What it reads otherwise.
TWICE = "temporal_ordered, one rule twice"
#: What is an order somewhere: every chain here, the first one there.
CHAINS = [case for case in CASES if any("temporal_ordered" in body for body in CASES[case]) and case != TWICE]
Found = dict[tuple[str, ...], set[str]]


def by_sql(text: str, events: Sequence[Event]) -> Found:
    from sigma.collection import SigmaCollection

    query = backend.sqliteBackend().convert(SigmaCollection.from_yaml(text))[-1]
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE logs (timestamp TEXT, " + ", ".join(f'"{name}"' for name in COLUMNS) + ")")
    for event in events:
        values = [event.fields[name] for name in COLUMNS]
        database.execute("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)", [event.at.strftime("%Y-%m-%d %H:%M:%S"), *values])
    cursor = database.execute(query)
    names = [column[0] for column in cursor.description]
    found: Found = {}
    for row in cursor:
        alert = dict(zip(names, row, strict=True))
        group = tuple(str(value).upper() for value in json.loads(alert["group_keys"]).values())
        ids = {events[int(one.split(":")[-1]) - 1].id for one in json.loads(alert["event_ids"])}
        found.setdefault(group, set()).update(ids)
    return found


def by_engine(folder: Path, case: str, events: Sequence[Event]) -> Found:
    engine = Engine(ruleset(folder, *documents_of(case)))
    return gathered([*engine.evaluate(events), *engine.flush()], once=False)


def stories(case: str, count: int, *, distinct: bool = False) -> list[list[Event]]:
    rng = random.Random(case)
    return [
        made(
            [
                (
                    second,
                    rng.choice(["a", "b", "c", "a" if distinct else "ab", "z"]),
                    rng.choice(["P-1", "P-2"]),
                    f"192.0.2.{rng.randint(1, 4)}",
                    rng.randint(0, 9),
                )
                for second in (rng.sample(range(300), 24) if distinct else (rng.randint(0, 200) for _ in range(24)))
            ]
        )
        for _ in range(count)
    ]


def whole(case: str) -> str:
    return "---".join([SINGLES, *documents_of(case)])


@pytest.mark.parametrize("case", [case for case in CASES if case not in (*CHAINS, *OURS_ALONE, TWICE)])
def test_finds_what_sqlite_finds(case: str, tmp_path: Path) -> None:
    for events in stories(case, 12):
        assert by_engine(tmp_path, case, events) == by_sql(whole(case), events)


@pytest.mark.parametrize("case", CHAINS)
@pytest.mark.disagreement("chains of an order")
def test_an_order_is_found_where_sqlite_finds_one_with_every_chain_it_has(case: str, tmp_path: Path) -> None:
    found_count = 0
    for events in stories(case, 12, distinct=True):
        ours, theirs = by_engine(tmp_path, case, events), by_sql(whole(case), events)
        assert ours.keys() == theirs.keys()
        assert all(ours[group] >= ids for group, ids in theirs.items())
        found_count += len(ours)
    assert found_count > 3


@pytest.mark.parametrize("case", OURS_ALONE)
@pytest.mark.disagreement("a range", "several fields to count", "1 of over rules")
def test_what_pysigma_does_not_read_is_what_is_written_down(case: str) -> None:
    with pytest.raises(Exception, match=OURS_ALONE[case]):
        by_sql(whole(case), stories(case, 1)[0])
