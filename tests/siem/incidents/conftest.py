"""A watch in a temporary folder, with rules like those of an attack, and detections made by hand."""

import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from siem.access import Principal, Role
from siem.detection import Detection, Rule
from siem.event import Event
from siem.incidents.filters import AlertFilter, IncidentFilter
from siem.incidents.model import CRITERIA, Incident
from siem.incidents.service import Incidents
from siem.store.database import Database
from siem.store.migrations import migrate

NOW = datetime(2026, 3, 14, 8, 0, tzinfo=UTC)
NIGHT = datetime(2026, 3, 13, 21, 0, tzinfo=UTC)
FINESS = "0B0000005"


def make_rule(
    rule_id: str, level: str = "high", technique: str = "T1078", repeat: int = 3600, subject: str = "user.id", **changed: str
) -> Rule:
    return Rule(
        id=rule_id,
        title=f"Rule {rule_id}",
        description="",
        author="Veilleur",
        licence="Apache-2.0",
        level=level,
        status="stable",
        techniques=(technique,),
        references=(),
        falsepositives=(),
        path=f"rules/{rule_id}.yml",
        source_text="",
        title_fr=changed.get("title_fr", f"Règle {rule_id}"),
        summary_fr=changed.get("summary_fr", "{user.id} : {count} événements"),
        subject=subject,
        repeat_seconds=repeat,
        correlation=False,
    )


RULES = {
    rule.id: rule
    for rule in (
        make_rule("fatigue", technique="T1621"),
        make_rule("abroad", technique="T1078"),
        make_rule("sweep", technique="T1213"),
        make_rule("glass", "medium", "T1548"),
        make_rule("export", technique="T1020"),
        make_rule("scan", "low", "T1595", subject="source.ip"),
        make_rule("note", "informational", "T1087"),
        make_rule("worst", "critical", "T1528"),
    )
}


def make_event(event_id: str, minutes: float, user: str | None = "P-AAAAAAAAAA", ip: str = "203.0.113.7", **fields: str | int) -> Event:
    common = {"event.action": "record.read", "source.ip": ip, "service.name": "dossier-patient", "health.structure.finess": FINESS}
    mine: dict[str, str | int] = {**common, **{name.replace("__", "."): value for name, value in fields.items()}}
    if user:
        mine["user.id"] = user
    return Event(event_id, NIGHT + timedelta(minutes=minutes), "test", "default", {k: v for k, v in mine.items() if v != ""})


def detect(rule_id: str, *events: Event, count: int | None = None) -> Detection:
    ordered = sorted(events, key=lambda event: (event.at, event.id))
    subject = RULES[rule_id].subject if rule_id in RULES else "user.id"
    values = {"user.id": str(ordered[-1].fields.get("user.id", ""))} | ({"count": str(count)} if count is not None else {})
    return Detection(
        rule_id=rule_id,
        tenant=ordered[0].tenant,
        group=((subject, str(ordered[-1].fields[subject])),),
        first_at=ordered[0].at,
        last_at=ordered[-1].at,
        event_ids=tuple(event.id for event in ordered),
        matched_fields=("event.action",),
        values=tuple(values.items()),
    )


@functools.cache
def empty_database() -> Path:
    """A file with every table, made once and copied."""
    path = Path(tempfile.mkdtemp(prefix="veilleur-test-")) / "empty.sqlite"
    migrate(f"sqlite:///{path}")
    return path


class Watch:
    """Incidents over a database, fed by hand; the clock is set by the test."""

    def __init__(self, folder: Path, **policy: object) -> None:
        self.now = NOW
        shutil.copyfile(empty_database(), folder / "watch.sqlite")
        self.database = Database(f"sqlite:///{folder / 'watch.sqlite'}")
        event.listen(self.database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.incidents = Incidents(self.database, lambda: self.now, dict(RULES), **policy)  # type: ignore[arg-type]

    def feed(self, *detections: tuple[Detection, tuple[Event, ...]] | Detection, events: tuple[Event, ...] = ()):  # type: ignore[no-untyped-def]
        with self.database.transaction() as conn:
            return self.incidents.absorb(
                conn, [each for each in detections if isinstance(each, Detection)], {event.id: event for event in events}
            )

    def attack(self, user: str = "P-AAAAAAAAAA"):  # type: ignore[no-untyped-def]
        events = attack_events(user)
        return self.feed(*attack_detections(events), events=tuple(events.values()))


def attack_events(user: str = "P-AAAAAAAAAA") -> dict[str, Event]:
    refused = [make_event(f"{user}-no{n}", n, user, event__action="device_approval.denied") for n in range(3)]
    granted = make_event(f"{user}-yes", 4, user, event__action="device_approval.granted")
    login = make_event(
        f"{user}-in", 5, user, event__action="login.succeeded", source__geo__country_iso_code="BR", source__geo__city_name="São Paulo"
    )
    reads = [make_event(f"{user}-read{n:02d}", 10 + n / 4, user) for n in range(40)]
    glass = [make_event(f"{user}-glass{n}", 25 + n, user, event__action="break_glass.started") for n in range(2)]
    export = make_event(f"{user}-export", 35, user, event__action="record.exported", health__record__count=312)
    return {event.id: event for event in (*refused, granted, login, *reads, *glass, export)}


def attack_detections(events: dict[str, Event]) -> list[Detection]:
    def named(part: str) -> list[Event]:
        return [event for event in events.values() if f"-{part}" in event.id]

    return [
        detect("fatigue", *named("no"), *named("yes")),
        detect("abroad", *named("in")),
        detect("sweep", *named("read"), count=40),
        detect("glass", *named("glass"), count=2),
        detect("export", *named("glass"), *named("export")),
    ]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    yield watch
    watch.database.close()


@pytest.fixture
def make_watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Watch]]:
    made: list[Watch] = []

    def make(**policy: object) -> Watch:
        made.append(Watch(tmp_path_factory.mktemp("watch"), **policy))
        return made[-1]

    yield make
    for watch in made:
        watch.database.close()


ANALYST = Principal("899700000001", "Claire Martin-Essai", frozenset({Role.ANALYSTE}))
LEAD = Principal("899700000002", "Hugo Lefèvre-Essai", frozenset({Role.RESPONSABLE}))
DIRECTOR = Principal("899700000003", "Anne Dubois-Essai", frozenset({Role.DECLARANT}), frozenset({FINESS}))
STRANGER = Principal("899700000004", "Paul Petit-Essai", frozenset({Role.DECLARANT}), frozenset({"0B0000013"}))
ELSEWHERE = Principal("899700000005", "Zoé Roux-Essai", frozenset({Role.ANALYSTE, Role.RESPONSABLE}), tenant="other")


def only(watch: Watch) -> Incident:
    page = watch.incidents.incidents(ANALYST, IncidentFilter())
    assert page.total == 1
    return page.items[0]


ANSWERS = dict.fromkeys(CRITERIA, "non") | {"donnees_sante": "oui"}


PEOPLE = ("P-AAAAAAAAAA", "P-BBBBBBBBBB", "P-CCCCCCCCCC")


def pair(user: str) -> tuple[list[Detection], tuple[Event, ...]]:
    a, b = make_event(f"{user}1", 0, user, ip=""), make_event(f"{user}2", 5, user, ip="")
    return [detect("fatigue", a), detect("abroad", b)], (a, b)


def picture(watch: Watch) -> tuple[object, object]:
    """What the alerts and incidents say, without the names they were given on the way."""
    alerts = watch.incidents.alerts(ANALYST, AlertFilter(limit=1000)).items
    shown = {alert.id: watch.incidents.alert(ANALYST, alert.id) for alert in alerts}
    told = {
        (a.rule_id, a.group, a.first_at, a.last_at, a.event_ids, a.count, a.summary, tuple(sorted(a.entities.items())), a.finess)
        for a in shown.values()
    }
    incidents = watch.incidents.incidents(ANALYST, IncidentFilter(limit=1000)).items
    gathered = {
        (
            i.title,
            i.severity,
            i.techniques,
            i.risk,
            i.first_at,
            i.last_at,
            i.finess,
            frozenset((shown[a.id].rule_id, a.group, a.first_at) for a in watch.incidents.alerts_of(ANALYST, i.id)),
        )
        for i in incidents
    }
    return told, gathered
