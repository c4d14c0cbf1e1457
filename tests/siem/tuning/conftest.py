"""A watch in a folder with two rules, fed through the engine; people have judged what it raised."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from siem.access import Principal, Role
from siem.detection.engine import Engine
from siem.detection.folders import OWN
from siem.detection.load import Ruleset, load_rules
from siem.event import Event, Fields
from siem.incidents.filters import AlertFilter
from siem.incidents.model import Alert, Verdict
from siem.incidents.service import Incidents
from siem.store.database import Database
from siem.store.events import EventStore, StoredEvent
from siem.tuning.proposal import Signature, Tuning
from tests.siem.incidents.conftest import empty_database

AT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
NOW = AT + timedelta(hours=8)
LEAD = Principal("899700000029", "Hugo Lefèvre-Essai", frozenset({Role.RESPONSABLE}))
ANALYST = Principal("899700000011", "Claire Martin-Essai", frozenset({Role.ANALYSTE}))
SIGNED = Signature("Claire Martin-Essai", "La sauvegarde du dossier patient", date(2027, 1, 31))
EXPORT, FAILURES = "11111111-2222-4333-8444-555555555511", "11111111-2222-4333-8444-555555555512"
RULES = f"""\
title: Export
id: {EXPORT}
level: high
logsource: {{product: fhir, service: audit_event}}
detection:
  selection: {{event.action: record.exported}}
  condition: selection
veilleur: {{titre: Export, resume: "Export de {{user.id}}", subject: user.id, repeat: 1s}}
---
title: Failed login
id: 11111111-2222-4333-8444-555555555513
name: failed_login
logsource: {{product: veilleur, service: idp}}
detection:
  selection: {{event.action: login.failed}}
  condition: selection
---
title: Three failures
id: {FAILURES}
correlation: {{type: event_count, rules: [failed_login], group-by: [source.ip], timespan: 10m, condition: {{gte: 3}}}}
veilleur: {{titre: Trois échecs, resume: "{{count}} échecs", subject: source.ip, repeat: 1m}}
"""


class Watch:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self.own = folder / OWN
        (folder / "rules").mkdir()
        (folder / "rules" / "web_rules.yml").write_text(RULES, encoding="utf-8")
        self.rules = folder / "rules"
        shutil.copyfile(empty_database(), folder / "watch.sqlite")
        self.database = Database(f"sqlite:///{folder / 'watch.sqlite'}")
        self.events = EventStore(None)
        self.written = 0
        self.incidents = Incidents(self.database, lambda: NOW, self.load(()).rules)
        self.tuning = Tuning(self.database, self.events, self.load, self.own, lambda: NOW, self._written)
        self._count = 0

    def load(self, more: Sequence[Path]) -> Ruleset:
        return load_rules(self.rules, *([self.own] if self.own.is_dir() else []), *more)

    def _written(self) -> None:
        self.written += 1

    def see(self, *all_fields: Fields, apart: timedelta = timedelta(minutes=20)) -> None:
        """Events, ``apart``, through the rules as they are now."""
        events = []
        for fields in all_fields:
            self._count += 1
            events.append(Event(f"{self._count:06d}", AT + self._count * apart, "test", "default", dict(fields)))
        self.events.append([StoredEvent(int(event.id), event) for event in events])
        found = Engine(self.load(())).evaluate(events)
        with self.database.transaction() as connection:
            self.incidents.absorb(connection, found, {event.id: event for event in events})

    def write(self, rule_id: str) -> Path:
        """Write what is proposed, as the lead."""
        return self.tuning.write(rule_id, self.tuning.propose(rule_id, LEAD).fingerprint, SIGNED, LEAD)

    def alerts(self, rule_id: str) -> list[Alert]:
        return list(self.incidents.alerts(LEAD, AlertFilter(rule_id=rule_id, order="oldest", limit=1000)).items)

    def judge(self, verdicts: Sequence[Verdict | None], rule_id: str = EXPORT) -> None:
        """Close the rule's alerts, oldest first."""
        for alert, verdict in zip(self.alerts(rule_id), verdicts, strict=True):
            if verdict is not None:
                self.incidents.close([alert.id], verdict, "vu", LEAD)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    made = Watch(tmp_path)
    yield made
    made.events.close()
    made.database.close()


@pytest.fixture
def make_watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Watch]]:
    made: list[Watch] = []

    def make() -> Watch:
        made.append(Watch(tmp_path_factory.mktemp("watch")))
        return made[-1]

    yield make
    for one in made:
        one.events.close()
        one.database.close()


def export(user: str, **fields: str) -> Fields:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return {"event.dataset": "fhir.audit_event", "event.action": "record.exported", "user.id": user, **named}


def failure(address: str, user: str) -> Fields:
    return {"event.dataset": "idp.audit", "event.action": "login.failed", "source.ip": address, "user.id": user}
