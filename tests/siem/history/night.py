"""A played evening: ordinary lines of three sources and attacks among them, through the whole pipeline into stores on the disk."""

import atexit
import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import select

from deploy.demo.services import audit_event
from siem.detection.engine import Engine
from siem.detection.load import Ruleset, load_rules
from siem.enrichment.geography import load_geography
from siem.enrichment.pseudonyms import Pseudonyms
from siem.event import RawRecord
from siem.incidents.service import Incidents
from siem.incidents.store import alert_events, alerts
from siem.indicators.sets import Sets
from siem.pipeline import Parts, Pipeline
from siem.settings import ROOT
from siem.sources import SOURCES
from siem.sources.source import Source, SourceSettings
from siem.store.database import Database
from siem.store.events import EventStore
from siem.store.migrations import migrate
from siem.store.queue import Queue
from vocabulary.audit import FIRST_HASH, AuditAction, AuditEvent, Outcome
from vocabulary.identifiers import luhn_key

BEGIN: Final = datetime(2026, 3, 14, 18, 0, tzinfo=UTC)
PLAYED_AT: Final = datetime(2026, 3, 15, 6, 0, tzinfo=UTC)
TYPES: Final = {"idp": "idp", "nginx": "nginx", "fhir": "fhir_audit_event"}
#: A rule's findings: (rule, group) to sets of events, one for each alert.
Found = set[tuple[str, tuple[tuple[str, str], ...], frozenset[str]]]


def person(number: int) -> str:
    """A professional who does not exist."""
    order = f"9970001{number:03d}"
    return f"8{order}{luhn_key(order)}"


def lines(seed: int = 7) -> Iterator[tuple[str, datetime, bytes]]:
    """(source, instant, line) in the order of their times: everyday traffic, sweeps, break-glass and export, refused approvals, scans."""
    chance = random.Random(seed)
    rows: list[tuple[datetime, str, bytes | tuple[AuditAction, Outcome, str, str]]] = []

    def at(minutes: float) -> datetime:
        return BEGIN + timedelta(seconds=round(minutes * 60, 3))

    def fhir(minutes: float, who: int, patient: int, what: str = "read", finess: str = "0B0000005", **more: object) -> None:
        more.setdefault("session_id", f"session-{who}")
        document = audit_event(at(minutes), person(who), f"192.0.2.{who}", f"TEST-PATIENT-{patient:04d}", what, finess=finess, **more)  # type: ignore[arg-type]
        rows.append((at(minutes), "fhir", json.dumps(document, ensure_ascii=False).encode()))

    def web(minutes: float, address: str, request: str, status: int, agent: str = "Mozilla/5.0") -> None:
        stamp = f"{at(minutes):%d/Mar/%Y:%H:%M:%S} +0000"
        rows.append((at(minutes), "nginx", f'{address} - - [{stamp}] "{request} HTTP/1.1" {status} 512 "-" "{agent}"'.encode()))

    for _ in range(500):
        minute = chance.uniform(0, 600)
        fhir(minute, chance.randrange(1, 40), chance.randrange(300))
        web(minute, f"198.51.100.{chance.randrange(9)}", f"GET /dossiers/{chance.randrange(99)}", chance.choice([200, 200, 404]))
        rows.append((at(minute), "idp", (AuditAction.LOGIN_SUCCEEDED, Outcome.SUCCESS, person(chance.randrange(1, 40)), "192.0.2.1")))
    for who, begin in ((50, 30.0), (51, 300.0), (50, 420.0)):
        for patient in range(60):
            fhir(begin + patient * 0.5, who, patient)
    fhir(100, 52, 1, "break-glass", purpose="ETREAT")
    fhir(110, 52, 1, "export", count=700)
    fhir(460, 50, 3, "export", count=5)  # within hours of the sweep, on the same day
    fhir(100, 53, 1, finess="0B0000005")
    fhir(104, 53, 2, finess="0B0000013")
    for begin in (200, 210, 400):
        for number in range(4):
            rows.append((at(begin + number), "idp", (AuditAction.DEVICE_APPROVAL_DENIED, Outcome.FAILURE, person(60), "203.0.113.9")))
        rows.append((at(begin + 5), "idp", (AuditAction.DEVICE_APPROVAL_GRANTED, Outcome.SUCCESS, person(60), "203.0.113.9")))
    for number in range(80):
        web(250 + number * 0.02, "203.0.113.77", f"GET /admin/{number}.php", 404, "sqlmap/1.7" if number == 3 else "Mozilla/5.0")
    web(255, "203.0.113.77", "GET /x?id=1%27%20OR%20%271%27=%271", 200)
    web(256, "203.0.113.77", "GET /../../etc/passwd", 400)
    yield from _written(rows)


def _written(rows: list[tuple[datetime, str, bytes | tuple[AuditAction, Outcome, str, str]]]) -> Iterator[tuple[str, datetime, bytes]]:
    sequence, previous = 1, FIRST_HASH
    for moment, source, what in sorted(rows, key=lambda row: row[0]):
        if isinstance(what, bytes):
            yield source, moment, what
            continue
        action, outcome, who, address = what
        event = AuditEvent(action, outcome, moment, {"user.id": who, "source.ip": address, "health.session.id": f"session-{who}"})
        line, previous = event.to_json_line(sequence=sequence, previous_hash=previous, provider="idp")
        sequence += 1
        yield source, moment, line.encode()


@cache
def _first_played() -> "Night":
    folder = Path(tempfile.mkdtemp(prefix="veilleur-night-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    night = Night.begin(folder)
    night.play()
    night.close()
    return night


@dataclass
class Night:
    """Stores of a watch, before or after a night was played into it. ``files`` hold its lines, one of each source."""

    folder: Path
    ruleset: Ruleset
    files: dict[str, Path]
    queue: Queue
    database: Database
    events: EventStore
    pseudonyms: Pseudonyms

    @classmethod
    def begin(cls, folder: Path, ruleset: Ruleset | None = None) -> "Night":
        url = f"sqlite:///{folder / 'watch.sqlite'}"
        migrate(url)
        return cls(
            folder,
            load_rules(ROOT / "rules") if ruleset is None else ruleset,
            {name: folder / f"{name}.log" for name in TYPES},
            Queue(folder / "queue.sqlite", synchronous="normal"),
            Database(url, synchronous="normal"),
            EventStore(folder / "events.duckdb"),
            Pseudonyms(os.urandom(32)),
        )

    @classmethod
    def played(cls, folder: Path) -> "Night":
        """The ordinary evening with the product's rules, played once in a process and copied; records keep the names of the first files."""
        first = _first_played()
        shutil.copytree(first.folder, folder, dirs_exist_ok=True)
        return replace(
            first,
            folder=folder,
            queue=Queue(folder / "queue.sqlite", synchronous="normal"),
            database=Database(f"sqlite:///{folder / 'watch.sqlite'}", synchronous="normal"),
            events=EventStore(folder / "events.duckdb"),
        )

    def sources(self) -> dict[str, Source]:
        """Records are named by the file they stand in, as a replay names them: the same line is the same event."""
        return {
            str(self.files[name]): SOURCES[kind](SourceSettings(str(self.files[name]), kind, "Dossier patient"))
            for name, kind in TYPES.items()
        }

    def incidents(self) -> Incidents:
        return Incidents(self.database, lambda: PLAYED_AT, self.ruleset.rules)

    def enrichments(self) -> list[object]:
        return [load_geography(ROOT / "deploy" / "demo" / "geography.csv")]

    def pipeline(self) -> Pipeline:
        parts = Parts(
            queue=self.queue,
            events=self.events,
            database=self.database,
            sources=self.sources(),
            enrichments=self.enrichments(),  # type: ignore[arg-type]
            pseudonyms=self.pseudonyms,
            make_engine=self.engine,
            incidents=self.incidents(),
        )
        return Pipeline(parts, clock=lambda: PLAYED_AT, batch_count=173)

    def engine(self) -> Engine:
        made = Engine(self.ruleset, sources=list(self.sources()))
        made.indicators.book = Sets(self.folder / "indicators")
        return made

    def play(self, seed: int = 7) -> None:
        numbers = dict.fromkeys(TYPES, 0)
        records: list[RawRecord] = []
        texts: dict[str, list[bytes]] = {name: [] for name in TYPES}
        for name, _, line in lines(seed):
            numbers[name] += 1
            texts[name].append(line)
            records.append(RawRecord(str(self.files[name]), str(numbers[name]), PLAYED_AT, line))
        for name, path in self.files.items():
            path.write_bytes(b"\n".join(texts[name]) + b"\n")
        self.queue.put(records)
        pipeline = self.pipeline()
        while pipeline.step():
            pass

    def alerts(self, *rule_ids: str) -> Found:
        """What the alerts say: rule, group, events."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(alerts.c.rule_id, alerts.c.group_values, alert_events.c.event_id, alerts.c.id)
                .join(alert_events, alert_events.c.alert_id == alerts.c.id)
                .where(alerts.c.merged_into.is_(None))
            ).all()
        by_alert: dict[tuple[str, str, str], set[str]] = {}
        for row in rows:
            if not rule_ids or row.rule_id in rule_ids:
                by_alert.setdefault((row.id, row.rule_id, row.group_values), set()).add(row.event_id)
        return {
            (rule_id, tuple((name, value) for name, value in json.loads(group)), frozenset(ids))
            for (_, rule_id, group), ids in by_alert.items()
        }

    def close(self) -> None:
        self.events.close()
        self.queue.close()
        self.database.close()
