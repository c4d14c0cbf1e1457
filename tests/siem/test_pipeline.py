"""The whole way of a record: nothing is lost, nothing counts twice, wherever it is cut, killed or refused."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

import siem.incidents.store
from siem.access import WATCH
from siem.detection import Detection
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.enrichment.directory import Directory
from siem.enrichment.pseudonyms import Pseudonyms, identities
from siem.errors import DataError, OperationError
from siem.event import Event, RawRecord
from siem.incidents.filters import Absorbed, AlertFilter
from siem.incidents.service import Incidents
from siem.pipeline import Parts, Pipeline
from siem.sources import SOURCES
from siem.sources.source import Source, SourceSettings, Stateless
from siem.store import filter_hits, progress
from siem.store.database import Database, metadata
from siem.store.events import EventStore, Scope, Search, StoredEvent
from siem.store.progress import SourceCounts
from siem.store.queue import Queue
from tests.examples import examples
from vocabulary.audit import FIRST_HASH, AuditAction, AuditEvent, Outcome

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
TABLES = siem.incidents.store.metadata  # named so that the tables of alerts are known before they are created

REFUSALS = """
title: Three refusals
id: 11111111-2222-4333-8444-555555555501
status: test
level: medium
author: Veilleur
tags: [attack.t1621]
logsource: {product: veilleur, service: idp}
detection:
  selection: {event.action: device_approval.denied}
  condition: selection
name: refusal
veilleur: {titre: Refus, resume: "Refus de {user.id}", summary: "Refusal by {user.id}", subject: user.id, repeat: 1h}
---
title: Three refusals in ten minutes
id: 11111111-2222-4333-8444-555555555502
status: test
level: high
author: Veilleur
tags: [attack.t1621]
correlation:
  type: event_count
  rules: [refusal]
  group-by: [user.id]
  timespan: 10m
  condition: {gte: 3}
veilleur: {titre: Trois refus, resume: "{count} refus de {user.id}", summary: "{count} refusals", subject: user.id, repeat: 1h}
---
title: Some lines are left out
logsource: {product: veilleur}
filter:
  rules: refusal
  known: {event.sequence: [5, 8, 11]}
  condition: not known
"""


class Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Totals:
    """Everything that must be the same however the records were cut and how often the watch was killed."""

    counts: list[SourceCounts]
    events: list[tuple[str, str]]
    alerts: list[tuple[str, str, int, tuple[str, ...]]]
    letters: list[tuple[int, str]]
    identities: set[str]
    position: int
    chain: bytes | None
    hidden: list[filter_hits.Hidden]


class World:
    """A watch on files. Every ``pipeline()`` is a new process; ``kill_at`` are the points, counted over all of them, where one ends."""

    def __init__(self, folder: Path, ruleset: Ruleset, kill_at: Sequence[int] = ()) -> None:
        self.ruleset, self.kill_at, self.passed = ruleset, set(kill_at), 0
        self.queue = Queue(folder / "queue.sqlite")
        self.database = Database(f"sqlite:///{folder}/watch.sqlite")
        with self.database.transaction() as connection:
            TABLES.create_all(connection)
            metadata.create_all(connection)
        self.events = EventStore(None)
        self.extra_sources: dict[str, Source] = {}

    def point(self) -> None:
        self.passed += 1
        if self.passed in self.kill_at:
            raise Killed

    def pipeline(self, batch_count: int = 7, **changed: object) -> Pipeline:
        world = self

        class Store(EventStore):
            def __init__(self) -> None:
                pass

            def append(self, batch: Sequence[StoredEvent]) -> list[bool]:
                world.point()
                fresh = world.events.append(batch)
                world.point()
                return fresh

            def get(self, ids: object, scope: Scope) -> list[Event]:
                return world.events.get(ids, scope)  # type: ignore[arg-type]

            def take_back(self, sequence: int) -> None:
                world.events.take_back(sequence)

        class Detecting(Engine):
            def evaluate(self, events: Sequence[Event], arrived_at: datetime | None = None) -> list[Detection]:
                found = super().evaluate(events, arrived_at)
                world.point()
                return found

        class Absorbing(Incidents):
            def absorb(self, conn: Connection, detections: Sequence[Detection], events_by_id: Mapping[str, Event]) -> Absorbed:
                world.point()
                absorbed = super().absorb(conn, detections, events_by_id)
                world.point()
                return absorbed

        def on_commit(_absorbed: Absorbed) -> None:
            world.point()

        parts: dict[str, object] = {
            "queue": self.queue,
            "events": Store(),
            "database": self.database,
            "sources": {
                "idp": SOURCES["idp"](SourceSettings("idp", "idp", "IdP", http=True)),
                "web": SOURCES["nginx"](SourceSettings("web", "nginx", "Dossier patient", finess="0B0000005", http=True)),
                **self.extra_sources,
            },
            "enrichments": [Directory()],
            "pseudonyms": Pseudonyms(bytes(32)),
            "make_engine": lambda: Detecting(self.ruleset),
            "incidents": Absorbing(self.database, lambda: AT, self.ruleset.rules),
            "on_commit": on_commit,
            **changed,
        }
        return Pipeline(Parts(**parts), clock=lambda: AT, batch_count=batch_count)  # type: ignore[arg-type]

    def drain(self, batch_counts: Iterator[int]) -> None:
        """Run to the end of the queue, starting a new process whenever one is killed."""
        while True:
            pipeline = self.pipeline(next(batch_counts))
            try:
                while pipeline.step():
                    pass
            except Killed:
                continue
            return

    def totals(self) -> Totals:
        events = self.events.search(Search(Scope()), limit=10_000).events
        incidents = Incidents(self.database, lambda: AT, self.ruleset.rules)
        alerts = [incidents.alert(WATCH, alert.id) for alert in incidents.alerts(WATCH, AlertFilter(limit=1000)).items]
        with self.database.reading() as connection:
            return Totals(
                progress.read_counts(connection),
                sorted((event.id, str(event.fields.get("event.action"))) for event in events),
                sorted((alert.rule_id, alert.subject, alert.count, alert.event_ids) for alert in alerts),
                [(letter.sequence, str(letter.reason)) for letter in progress.list_dead_letters(connection, limit=1000)],
                {row.identifier for row in connection.execute(select(identities))},
                progress.read_position(connection),
                progress.read_states(connection, "source/").get("idp"),
                filter_hits.read(connection, None),
            )

    def close(self) -> None:
        self.queue.close()
        self.events.close()
        self.database.close()


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "refusals.yml").write_text(REFUSALS, "utf-8")
    loaded = load_rules(folder)
    assert not loaded.errors, [str(error) for error in loaded.errors]
    return loaded


def _records(plan: Sequence[str]) -> list[RawRecord]:
    """``i``: an audit line; ``w``: a web line; ``r``: a web line received again; ``b``: a broken line; ``u``: of no known source."""
    records: list[RawRecord] = []
    previous, sequence = FIRST_HASH, 0
    for number, what in enumerate(plan):
        at = AT + timedelta(seconds=number)
        user = f"89970000{number % 2:04d}"
        if what == "i":
            sequence += 1
            event = AuditEvent(AuditAction.DEVICE_APPROVAL_DENIED, Outcome.FAILURE, at, {"user.id": user})
            line, previous = event.to_json_line(sequence=sequence, previous_hash=previous, provider="https://idp.example")
            records.append(RawRecord("idp", f"1:{number}", AT, line.encode()))
        elif what == "b":
            records.append(RawRecord("idp" if number % 2 else "web", f"1:{number}", AT, b'{"half": '))
        elif what == "u":
            records.append(RawRecord("gone", f"1:{number}", AT, b"line"))
        elif what == "r" and any(record.source == "web" for record in records):
            records.append(next(record for record in reversed(records) if record.source == "web"))
        else:
            line = f'192.0.2.7 - {user} [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET /{number} HTTP/1.1" 200 1 "-" "-"'
            records.append(RawRecord("web", f"1:{number}", AT, line.encode()))
    return records


_PLANS = st.lists(st.sampled_from("iiiwwrbu"), min_size=1, max_size=40)
_ANY_FOLDER = settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _run(folder: Path, ruleset: Ruleset, records: Sequence[RawRecord], batch_counts: Sequence[int], kill_at: Sequence[int]) -> Totals:
    folder.mkdir()
    world = World(folder, ruleset, kill_at)
    world.queue.put(records)
    sizes = iter([*batch_counts, *([7] * 100)])
    world.drain(sizes)
    totals = world.totals()
    world.close()
    return totals


@_ANY_FOLDER
@given(plan=_PLANS)
def test_received_is_stored_and_duplicates_and_dropped(tmp_path_factory: pytest.TempPathFactory, ruleset: Ruleset, plan: list[str]) -> None:
    records = _records(plan)
    totals = _run(tmp_path_factory.mktemp("watch") / "w", ruleset, records, [7], [])
    for counts in totals.counts:
        assert counts.received == counts.stored + counts.duplicates + sum(counts.dropped.values()), counts.source
        assert counts.received == sum(record.source == counts.source for record in records)
    assert sum(counts.stored for counts in totals.counts) == len(
        {(record.source, record.position) for record in records}
        - {(r.source, r.position) for r in records if r.data in (b'{"half": ', b"line")}
    )
    assert len(totals.letters) == sum(record.data in (b'{"half": ', b"line") for record in records)
    assert totals.position == len(records)
    assert not any(identifier in str(totals.alerts) for identifier in totals.identities)
    assert sum(hidden.count for hidden in totals.hidden) == sum(plan.count("i") >= number for number in (5, 8, 11))


@_ANY_FOLDER
@given(plan=_PLANS, batch_counts=st.lists(st.integers(1, 9), max_size=20), kill_at=st.lists(st.integers(1, 120), max_size=12))
def test_cuts_and_kills_anywhere_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, ruleset: Ruleset, plan: list[str], batch_counts: list[int], kill_at: list[int]
) -> None:
    records = _records(plan)
    folder = tmp_path_factory.mktemp("watch")
    whole = _run(folder / "whole", ruleset, records, [1000], [])
    assert _run(folder / "cut", ruleset, records, batch_counts, kill_at) == whole


@pytest.fixture
def world(tmp_path: Path, ruleset: Ruleset) -> Iterator[World]:
    made = World(tmp_path, ruleset)
    yield made
    made.close()


def test_three_refusals_are_one_alert_about_a_pseudonym(world: World) -> None:
    world.queue.put(_records("iwiwiwi"))
    world.drain(iter([3, 3]))
    totals = world.totals()
    found = {rule_id[-1]: (subject, count) for rule_id, subject, count, _ in totals.alerts}
    assert found["2"][1] == 4
    assert found["2"][0].startswith("P-")
    assert totals.identities == {"899700000000", "899700000001"}


class _Strange(Stateless):
    """A source whose events the store refuses, or that fails, for some lines."""

    fields: Mapping[str, str] = {"source.port": "a port"}

    def parse(self, record: RawRecord) -> Sequence[Event]:
        if record.data == b"bug":
            raise ZeroDivisionError
        return [Event(f"{record.position}", AT, record.source, record.tenant, {"source.port": int(record.data)})]


def test_a_value_that_the_store_refuses_is_set_aside_alone(world: World) -> None:
    world.extra_sources["strange"] = _Strange()
    lines = [b"1", b"2", str(2**63).encode(), b"4", b"bug", b"6"]
    world.queue.put([RawRecord("strange", str(number), AT, line) for number, line in enumerate(lines)])
    world.drain(iter([10]))
    totals = world.totals()
    assert [(sequence, reason) for sequence, reason in totals.letters] == [(5, "defect"), (3, "defect")]
    assert [(counts.received, counts.stored, counts.dropped) for counts in totals.counts] == [(6, 4, {"defect": 2})]


def test_a_dead_letter_is_processed_once_its_source_is_there(world: World) -> None:
    world.queue.put(_records("uwu"))
    world.drain(iter([10]))
    with world.database.reading() as connection:
        letters = progress.list_dead_letters(connection)
    assert {str(letter.reason) for letter in letters} == {"unknown_source"}
    world.extra_sources["gone"] = SOURCES["nginx"](SourceSettings("gone", "nginx", "S", http=True))
    good = b'192.0.2.7 - - [22/Nov/2026:21:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"'
    mended = [
        letters[0],
        letters[1].__class__(
            **{**{name: getattr(letters[1], name) for name in letters[1].__slots__}, "record": RawRecord("gone", "1:0", AT, good)}
        ),
    ]
    assert progress.replay_dead_letters(world.queue, world.database, mended, AT) == 2
    world.drain(iter([10]))
    totals = world.totals()
    gone = next(counts for counts in totals.counts if counts.source == "gone")
    assert (gone.received, gone.stored, gone.dropped) == (2, 1, {"unreadable": 1})


class _Stop(threading.Event):
    """Stops without ever waiting."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def test_a_failing_store_stops_the_pipeline_which_goes_on_when_it_works_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.queue.put(_records("iwiwi"))
    stop = _Stop()
    troubles: list[str | None] = []

    class Full(EventStore):
        def __init__(self) -> None:
            self.refusals = 4

        def append(self, batch: Sequence[StoredEvent]) -> list[bool]:
            troubles.append(pipeline.trouble)
            self.refusals -= 1
            if self.refusals >= 0:
                raise OperationError("storing events", "events.duckdb (no space left; free space on this disk)", retry_helps=True)
            stop.set()
            return world.events.append(batch)

        def get(self, ids: object, scope: Scope) -> list[Event]:
            return world.events.get(ids, scope)  # type: ignore[arg-type]

    pipeline = world.pipeline(1000, events=Full())
    pipeline.run(stop)
    assert troubles[0] is None
    assert all("free space" in str(trouble) for trouble in troubles[1:])
    assert "free space" in caplog.text
    assert pipeline.position == 5
    assert pipeline.trouble is None
    totals = world.totals()
    assert [(counts.received, counts.stored) for counts in totals.counts] == [(3, 3), (2, 2)]
    assert len([alert for alert in totals.alerts if alert[0].endswith("2")]) == 1


def test_a_passing_defect_of_ours_loses_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.queue.put(_records("iiiw"))
    broken = [True, True]

    class Failing(Incidents):
        def absorb(self, conn: Connection, detections: Sequence[Detection], events_by_id: Mapping[str, Event]) -> Absorbed:
            if broken:
                broken.pop()
                raise ZeroDivisionError
            return super().absorb(conn, detections, events_by_id)

    world.pipeline(1000, incidents=Failing(world.database, lambda: AT, world.ruleset.rules)).step()
    assert "a defect met" in caplog.text
    totals = world.totals()
    assert (totals.position, totals.letters, len(totals.events)) == (4, [], 4)


def test_a_record_that_we_fail_on_is_set_aside_alone_and_can_be_replayed_once_mended(world: World) -> None:
    world.queue.put(_records("iiwiw"))
    poison = world.queue.read(0, 10)[1].record
    mended: list[bool] = []

    class Failing(Engine):
        def evaluate(self, events: Sequence[Event], arrived_at: datetime | None = None) -> list[Detection]:
            if not mended and any(event.source == poison.source and event.fields["event.sequence"] == 2 for event in events):
                raise OverflowError("date value out of range")
            return super().evaluate(events, arrived_at)

    world.pipeline(1000, make_engine=lambda: Failing(world.ruleset)).step()
    totals = world.totals()
    assert (totals.position, totals.letters) == (5, [(2, "defect")])
    assert len(totals.events) == 4, "its event must go with it, or it would count as a duplicate when it is replayed"
    with world.database.reading() as connection:
        letters = progress.list_dead_letters(connection)
    assert "OverflowError" in letters[0].problem
    mended.append(True)
    progress.replay_dead_letters(world.queue, world.database, letters, AT)
    world.drain(iter([10]))
    totals = world.totals()
    assert (len(totals.events), totals.letters) == (5, [])
    assert all(counts.received == counts.stored for counts in totals.counts)


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "I/O error"), OperationError("storing", "x", retry_helps=True)])
def test_no_record_is_blamed_for_the_machine(world: World, error: Exception) -> None:
    class Failing(Engine):
        def evaluate(self, events: Sequence[Event], arrived_at: datetime | None = None) -> list[Detection]:
            raise error

    world.queue.put(_records("iw"))
    pipeline = world.pipeline(1000, make_engine=lambda: Failing(world.ruleset))
    with pytest.raises(type(error)):
        pipeline.step()
    assert world.totals().letters == []
    assert pipeline.position == 0


def test_playbooks_are_proposed_in_the_transaction_of_the_incident(world: World) -> None:
    proposed: list[str] = []

    class Escalating(Incidents):
        def absorb(self, conn: Connection, detections: Sequence[Detection], events_by_id: Mapping[str, Event]) -> Absorbed:
            return Absorbed(incidents_touched=("known", "merged away"))

        def load(self, conn: Connection, incident_id: str) -> object:  # type: ignore[override]
            return incident_id if incident_id == "known" else None

    def propose(connection: Connection, incident: object) -> None:
        assert connection.in_transaction()
        proposed.append(str(incident))

    world.queue.put(_records("i"))
    heard: list[Absorbed] = []
    parts: dict[str, Callable[..., object] | object] = {
        "incidents": Escalating(world.database, lambda: AT, world.ruleset.rules),
        "propose": propose,
        "on_commit": heard.append,
    }
    world.pipeline(1000, **parts).step()
    assert proposed == ["known"]
    assert heard == [Absorbed(incidents_touched=("known", "merged away"))]


def test_a_record_of_no_use_is_named(world: World) -> None:
    world.queue.put(_records("b"))
    world.drain(iter([10]))
    with world.database.reading() as connection:
        [letter] = progress.list_dead_letters(connection)
    assert isinstance(DataError(letter.record.source, 0, letter.field, letter.problem), DataError)
    assert letter.problem.startswith("not JSON")
    assert letter.record.data == b'{"half": '
