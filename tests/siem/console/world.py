"""A whole watch in a folder, as the console sees it: real stores and services, people with roles, one night that has happened.

The identity provider and the desk are answered by small peers behind the same HTTP clients that the product uses.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.testclient import TestClient

from siem.access import Principal, Role
from siem.console import Provider, Services, mount, sessions, users
from siem.declarations.desk import Desk
from siem.declarations.desk_api import desk_routes
from siem.declarations.establishments import Establishment, Person
from siem.declarations.filing import FilingClient
from siem.declarations.forms import load_forms
from siem.declarations.model import Facts
from siem.declarations.receipt import ReceiptSigner
from siem.declarations.service import Dossiers
from siem.detection import Detection, Rule
from siem.detection.load import Ruleset, load_rules
from siem.detection.logsource import LogSource
from siem.enrichment.pseudonyms import identities
from siem.errors import DataError
from siem.event import Event, Fields, RawRecord
from siem.evidence import EvidenceStore
from siem.history.trials import Parts as TrialParts
from siem.history.trials import Trials
from siem.incidents.model import Incident
from siem.incidents.service import Incidents
from siem.response import action
from siem.response.actions import ACTIONS, build
from siem.response.identity_provider import IdentityProvider
from siem.response.load import load_playbooks
from siem.response.runs import Runs
from siem.sources.source import SourceSettings
from siem.store.database import Database, metadata
from siem.store.events import EventStore, StoredEvent
from siem.store.progress import BatchCounts, DeadLetter, DropReason, Outcome, add_counts, add_dead_letters
from siem.tuning.proposal import Tuning

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 22, 2, 14, tzinfo=UTC)
START = datetime(2026, 11, 22, 0, 40, tzinfo=UTC)
FINESS = "0B0000005"
OTHER_FINESS = "0B0000013"
DOCTOR = "P-4F7K2M9QXA"

ANALYST = Principal("899700000011", "Claire Martin-Essai", frozenset({Role.ANALYSTE}))
LEAD = Principal("899700000029", "Hugo Lefèvre-Essai", frozenset({Role.RESPONSABLE}))
DIRECTOR = Principal("899700000037", "Anne Dubois-Essai", frozenset({Role.DECLARANT}), frozenset({FINESS}))
STRANGER = Principal("899700000045", "Paul Petit-Essai", frozenset({Role.DECLARANT}), frozenset({OTHER_FINESS}))
AGENCY = Principal("899700000052", "Rose Garnier-Essai", frozenset({Role.ARS}), frozenset({FINESS}))
AUDITOR = Principal("899700000060", "Zoé Roux-Essai", frozenset({Role.AUDITEUR}))
PEOPLE = (ANALYST, LEAD, DIRECTOR, STRANGER, AGENCY, AUDITOR)


def _rule(rule_id: str, title: str, title_fr: str, summary: str, level: str, technique: str, subject: str = "user.id") -> Rule:
    return Rule(
        id=rule_id,
        title=title,
        description=f"{title}: what it looks for and why it matters in care.",
        author="Équipe Veilleur",
        licence="Detection Rule License 1.1",
        level=level,
        status="stable",
        techniques=(technique,),
        references=("https://attack.mitre.org/techniques/" + technique,),
        falsepositives=("Garde de nuit avec un afflux inhabituel de patients",),
        path=f"authentication/{rule_id}.yml",
        source_text=(
            f"title: {title}\nid: {rule_id}\nlogsource:\n  product: idp\n  service: idp\ndetection:\n"
            f"  selection:\n    event.action: device_approval.granted\n  condition: selection\nlevel: {level}\n"
        ),
        title_fr=title_fr,
        summary_fr=summary,
        summary_en=f"{title}, in English: {{{subject}}}, {{count}}.",
        subject=subject,
        repeat_seconds=3600,
        correlation=True,
    )


RULES = {
    rule.id: rule
    for rule in (
        _rule(
            "5f3b0000-0000-4000-8000-000000000001",
            "Approval fatigue ending in a yes",
            "Demandes d’approbation répétées, puis un oui",
            "{user.id} a refusé {count} fois une connexion sur son téléphone, puis l’a acceptée.",
            "high",
            "T1621",
        ),
        _rule(
            "5f3b0000-0000-4000-8000-000000000002",
            "Login from abroad",
            "Connexion depuis un pays inhabituel",
            "{user.id} s’est connecté depuis {source.geo.city_name} ({source.geo.country_iso_code}).",
            "high",
            "T1078",
        ),
        _rule(
            "5f3b0000-0000-4000-8000-000000000003",
            "Sweep of patient records",
            "Balayage de dossiers patients",
            "{user.id} a ouvert {count} dossiers de patients différents en une heure.",
            "high",
            "T1213",
        ),
        _rule(
            "5f3b0000-0000-4000-8000-000000000004",
            "Repeated break-glass",
            "Bris de glace répété",
            "{user.id} a forcé {count} fois l’accès à un dossier en 24 heures.",
            "medium",
            "T1548",
        ),
        _rule(
            "5f3b0000-0000-4000-8000-000000000005",
            "Export after break-glass",
            "Export après bris de glace",
            "{user.id} a exporté des dossiers peu après un bris de glace.",
            "high",
            "T1020",
        ),
        _rule(
            "5f3b0000-0000-4000-8000-000000000006",
            "Web scan",
            "Exploration d’adresses inexistantes",
            "{source.ip} a demandé {count} adresses qui n’existent pas.",
            "low",
            "T1595",
            "source.ip",
        ),
    )
}
_IDS = tuple(RULES)
BROKEN = DataError("rules/web/broken.yml", 12, "detection.condition", "unknown selection 'selecton'")
TUNABLE = f"""\
title: Repeated break-glass
id: {_IDS[3]}
author: Équipe Veilleur
level: medium
tags: [attack.t1548]
logsource: {{product: test}}
detection:
  selection: {{event.action: break_glass.started}}
  condition: selection
veilleur: {{titre: Bris de glace répété, resume: "{{user.id}} a forcé l’accès.", subject: user.id}}
"""


class World:
    """Everything under ``folder``; ``now`` is the watch's clock and is moved by the test."""

    def __init__(
        self, folder: Path, *, url: str = "http://testserver", issuer: str = "http://127.0.0.1:8800/auth/realms/esante-wallet"
    ) -> None:
        self.now = NOW
        self.folder = folder
        self.database = Database(f"sqlite:///{folder / 'watch.sqlite'}")
        metadata.create_all(self.database.engine)
        self.events = EventStore(None)
        self.incidents = Incidents(self.database, self.clock, RULES)
        self.forms = load_forms(ROOT / "playbooks" / "declarations")
        signer = ReceiptSigner.from_folder(folder / "keys")
        schema = ROOT / "playbooks/declarations/schema/dossier-declaration-ssi-sante-1.0.schema.json"
        self.desk = Desk(self.database, self.clock, signer, self.forms, schema=schema, issuer="https://guichet.example")
        self.dossiers = Dossiers(self.database, self.clock, self.forms, filing=self._filing(), establishments={FINESS: ESTABLISHMENT})
        library = load_playbooks(ROOT / "playbooks/response", ROOT / "playbooks/schema/response.schema.json", ACTIONS)
        assert not library.errors
        self.runs = Runs(self.database, self.clock, build(self._acting()), library.playbooks, self.incidents)
        users.apply(self.database, users_file(folder, PEOPLE))
        self.provider = Provider(issuer, "veilleur-console", "secret-of-the-console", url)
        self.services = Services(
            database=self.database,
            clock=self.clock,
            provider=self.provider,
            incidents=self.incidents,
            runs=self.runs,
            dossiers=self.dossiers,
            events=self.events,
            rules=RULES,
            ruleset=lambda: replace(self.load_rules(()), rules=self.services.rules, errors=(BROKEN,)),
            profiles=lambda: None,
            tuning=Tuning(self.database, self.events, self.load_rules, folder / "local-rules", self.clock),
            trials=Trials(TrialParts(events=self.events, rules=lambda: self.load_rules(()), clock=self.clock), budget_seconds=60),
            sources=SOURCES,
            backlog=lambda: 0,
            desk=self.desk,
            open_dossier=self._open_dossier,
            granting_contact="Hugo Lefèvre-Essai, poste 4012",
            indicators=folder / "indicators",
        )
        self.app = Starlette()
        mount(self.app, self.services)

    def clock(self) -> datetime:
        return self.now

    def load_rules(self, more: Sequence[Path]) -> Ruleset:
        """One of the rules as its file, so that it can be tuned; the night's events come from any source."""
        rules = self.folder / "rules"
        rules.mkdir(exist_ok=True)
        (rules / "fhir_break_glass.yml").write_text(TUNABLE, encoding="utf-8")
        own = self.folder / "local-rules"
        source = LogSource("test", "", "", {}, subject="user.id")
        return load_rules(rules, *([own] if own.is_dir() else []), *more, sources=[source])

    def client(self, person: Principal | None = None, **headers: str) -> TestClient:
        """A browser, logged in as ``person`` without the detour by the provider."""
        client = TestClient(self.app, follow_redirects=False, headers={"accept-language": "fr", "accept": "text/html", **headers})
        if person is not None:
            client.cookies.set("veilleur_console", self.session(person))
        return client

    def session(self, person: Principal) -> str:
        with self.database.transaction() as connection:
            return sessions.start(connection, person.subject, "id-token-of-the-session", self.now)

    def close(self) -> None:
        self.events.close()
        self.database.close()

    def play_the_night(self) -> Incident:
        """The attack of the demonstration, then a scan that has nothing to do with it; returns the attack's incident."""
        events = night()
        self.events.append([StoredEvent(number, event) for number, event in enumerate(events, 1)])
        by_id = {event.id: event for event in events}
        with self.database.transaction() as connection:
            absorbed = self.incidents.absorb(connection, detections(events), by_id)
            for identifier in absorbed.incidents_touched:
                incident = self.incidents.load(connection, identifier)
                assert incident is not None
                self.runs.propose(connection, incident)
            connection.execute(identities.insert(), [{"pseudonym": DOCTOR, "field": "user.id", "identifier": "899700123458"}])
            counts = BatchCounts()
            for name, received in (("idp", 1204), ("dossier-patient-nginx", 640), ("dossier-patient-acces", 512)):
                counts.add(name, Outcome.RECEIVED, count=received)
                counts.add(name, Outcome.STORED, count=received - 4)
                counts.add(name, Outcome.DUPLICATE, count=3)
                counts.add(name, Outcome.DROPPED, DropReason.UNREADABLE, 1)
            add_counts(connection, counts, self.now - timedelta(minutes=1))
            record = RawRecord("dossier-patient-nginx", "inode 3-12@48213", self.now, b"\x00 broken")
            add_dead_letters(
                connection, [DeadLetter(77, record, DropReason.UNREADABLE, "status", "a number expected, not 'abc'", self.now)]
            )
        while self.runs.advance():
            pass
        return self.incidents.incident(ANALYST, absorbed.incidents_touched[0])

    def _filing(self) -> FilingClient:
        desk = TestClient(Starlette(routes=desk_routes(self.desk, {"veille": hashlib.sha256(b"key").hexdigest()})))

        def answer(request: httpx.Request) -> httpx.Response:
            headers = {name: value for name, value in request.headers.items() if name in {"authorization", "content-type"}}
            got = desk.request(request.method, request.url.path, content=request.content, headers=headers)
            return httpx.Response(got.status_code, content=got.content, headers={"content-type": got.headers["content-type"]})

        return FilingClient("http://127.0.0.1:1", "key", pauses=(), transport=httpx.MockTransport(answer))

    def _acting(self) -> action.Services:
        return action.Services(
            database=self.database,
            evidence=EvidenceStore(self.folder / "evidence"),
            identity_provider=IdentityProvider(
                "http://127.0.0.1:2/admin/v1",
                "http://127.0.0.1:2/token",
                "veilleur-siem",
                "secret",
                transport=httpx.MockTransport(_administration),
            ),
            resolve=lambda pseudonym: "899700123458" if pseudonym == DOCTOR else None,
            collect=lambda tenant, ids: {identifier: RawRecord("idp", identifier, NOW, identifier.encode(), tenant) for identifier in ids},
            open_dossier=lambda incident, actor: self._open_dossier(incident, actor).id,
        )

    def _open_dossier(self, incident: Incident, actor: Principal):  # type: ignore[no-untyped-def]
        facts = Facts(
            alert_count=5,
            event_count=52,
            patient_count=44,
            record_count=312,
            account_count=1,
            break_glass_count=2,
            services=("Dossier patient",),
        )
        return self.dossiers.open_for_incident(None, incident, actor, facts)


def _administration(request: httpx.Request) -> httpx.Response:
    """The identity provider's administration interface, as far as the playbook needs it."""
    if request.url.path == "/token":
        return httpx.Response(200, json={"access_token": "t", "expires_in": 60, "token_type": "Bearer"})
    if request.url.path.endswith("sessions/search"):
        session = {
            "id": "7be0c1",
            "method": "device",
            "acr": "eidas2",
            "auth_time": "2026-11-22T00:52:00Z",
            "last_used_at": "2026-11-22T01:40:00Z",
            "source_ip": "203.0.113.40",
            "user_agent": "Mozilla/5.0",
            "clients": ["dossier-patient"],
        }
        return httpx.Response(200, json={"sessions": [session], "residual_seconds": 120})
    return httpx.Response(200, json={"session_count": 1, "grant_count": 2, "residual_seconds": 120})


def users_file(folder: Path, people: Sequence[Principal]) -> Path:
    file = folder / "users.yaml"
    entries = [
        {"national_id": person.subject, "name": person.name, "roles": sorted(person.roles), "finess": sorted(person.finess)}
        for person in people
    ]
    file.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return file


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, "the page has no form"
    return found[1]


ESTABLISHMENT = Establishment(
    finess=FINESS,
    raison_sociale="Centre hospitalier d’Essai-sur-Vilaine",
    type="CH",
    region_ars="53",
    adresse="1 rue de la Fiction, 35000 Essai-sur-Vilaine",
    statuts=["OSE"],
    declarant=Person(
        nom="Dubois-Essai",
        prenom="Anne",
        fonction="Directrice",
        qualite="directeur",
        courriel="direction@ch-essai.example",
        telephone="+33299000000",
    ),
    services={"Dossier patient": "dpi"},
)
SOURCES = (
    SourceSettings("idp", "idp", "Fournisseur d’identité", file=Path("audit.ndjson")),
    SourceSettings("dossier-patient-nginx", "nginx", "Dossier patient", finess=FINESS, file=Path("access.log")),
    SourceSettings("dossier-patient-acces", "fhir_audit_event", "Dossier patient", finess=FINESS, http=True),
    SourceSettings("messagerie-nginx", "nginx", "Messagerie sécurisée", finess=OTHER_FINESS, file=Path("messagerie.log")),
)


def _event(name: str, minutes: float, action_name: str, source: str = "idp", **fields: str | int | bool) -> Event:
    at = START + timedelta(minutes=minutes)
    common: Fields = {
        "event.action": action_name,
        "event.outcome": "success",
        "service.name": "Dossier patient",
        "health.structure.finess": FINESS,
    }
    given = {key.replace("__", "."): value for key, value in fields.items()}
    return Event(f"{int(at.timestamp() * 1000):013d}-{name}", at, source, "default", {**common, **given})


def night() -> list[Event]:
    """Ordinary logins of the evening, then the attack on one doctor, then a scan from elsewhere."""
    home = {"source__ip": "192.0.2.14", "source__geo__country_iso_code": "FR", "source__geo__city_name": "Rennes"}
    away = {"source__ip": "203.0.113.40", "source__geo__country_iso_code": "BR", "source__geo__city_name": "São Paulo"}
    people = ("P-AQ3RT5KLZ2", "P-B7M2XW9NDC", "P-C5HJ8PTQ4E", DOCTOR)
    session = {"health__session__id": "7be0c1"}
    evening = [
        _event(f"soir{n}", n * 4 - 600, "login.succeeded", user__id=people[n % 4], health__authentication__method="device", **home)
        for n in range(150)
    ]
    refused = [_event(f"non{n}", n * 2, "device_approval.denied", event__outcome="failure", user__id=DOCTOR, **away) for n in range(4)]
    granted = _event("oui", 9, "device_approval.granted", user__id=DOCTOR, **away)
    login = _event("entree", 9.2, "login.succeeded", user__id=DOCTOR, **session, **away)
    reads = [
        _event(
            f"lecture{n:02d}",
            14 + n / 2,
            "record.read",
            "dossier-patient-acces",
            user__id=DOCTOR,
            health__patient__pseudonym=f"PAT-{n:010d}",
            **session,
            **away,
        )
        for n in range(44)
    ]
    glass = [
        _event(
            f"bris{n}",
            38 + n * 3,
            "break_glass.started",
            "dossier-patient-acces",
            user__id=DOCTOR,
            health__break_glass=True,
            **session,
            **away,
        )
        for n in range(2)
    ]
    export = _event("export", 47, "record.exported", "dossier-patient-acces", user__id=DOCTOR, health__record__count=312, **session, **away)
    scan = [
        _event(
            f"scan{n:02d}",
            60 + n / 10,
            "http.request",
            "dossier-patient-nginx",
            event__outcome="failure",
            source__ip="198.51.100.23",
            url__path=f"/wp-admin/{n}.php",
        )
        for n in range(30)
    ]
    return [*evening, *refused, granted, login, *reads, *glass, export, *scan]


def detections(events: Sequence[Event]) -> list[Detection]:
    def named(part: str) -> list[Event]:
        return [event for event in events if event.id.partition("-")[2].startswith(part)]

    return [
        _detection(_IDS[0], [*named("non"), *named("oui")], ("event.action",), 4),
        _detection(_IDS[1], named("entree"), ("event.action", "source.geo.country_iso_code"), 1),
        _detection(_IDS[2], named("lecture"), ("event.action", "health.patient.pseudonym"), 44),
        _detection(_IDS[3], named("bris"), ("event.action", "health.break_glass"), 2),
        _detection(_IDS[4], [*named("bris"), *named("export")], ("event.action",), 3),
        _detection(_IDS[5], named("scan"), ("url.path", "http.response.status_code"), 30, "source.ip"),
    ]


def _detection(rule_id: str, events: Sequence[Event], fields: tuple[str, ...], count: int, subject: str = "user.id") -> Detection:
    last = events[-1]
    values: Mapping[str, str] = {**{name: str(value) for name, value in last.fields.items()}, "count": str(count)}
    ids = tuple(event.id for event in events)
    group = ((subject, str(last.fields[subject])),)
    return Detection(rule_id, "default", group, events[0].at, last.at, ids, fields, tuple(values.items()))
