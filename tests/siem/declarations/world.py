"""A small world for the tests of declarations: one night's incident, its people, a desk reached over HTTP."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.testclient import TestClient

from siem.access import Principal, Role
from siem.declarations.desk import Desk
from siem.declarations.desk_api import desk_routes
from siem.declarations.establishments import Establishment, Person
from siem.declarations.filing import FilingClient
from siem.declarations.forms import Forms, load_forms
from siem.declarations.model import Facts, Measure
from siem.declarations.receipt import ReceiptSigner
from siem.declarations.service import Dossiers
from siem.incidents.model import Incident, IncidentState, Severity
from siem.store.database import Database, metadata

ROOT = Path(__file__).resolve().parents[3]
FORMS_FOLDER = ROOT / "playbooks" / "declarations"
SCHEMA = FORMS_FOLDER / "schema" / "dossier-declaration-ssi-sante-1.0.schema.json"
FINESS = "0B0000005"
OTHER_FINESS = "0B0172805"
NIGHT = datetime(2026, 11, 22, 3, 14, tzinfo=UTC)
ISSUER = "https://guichet.example/guichet"
KEY = "a key of the desk"

ANALYST = Principal("analyste-1", "Léa Vasseur", frozenset({Role.ANALYSTE}))
LEAD = Principal("responsable-1", "Thomas Rivoire", frozenset({Role.RESPONSABLE}))
AUDITOR = Principal("auditeur-1", "Inès Modèle", frozenset({Role.AUDITEUR}))
DIRECTOR = Principal("directeur-1", "Claire Dumonteil", frozenset({Role.DECLARANT}), frozenset({FINESS}))
STRANGER = Principal("directeur-2", "Alix Modèle", frozenset({Role.DECLARANT}), frozenset({OTHER_FINESS}))

QUALIFIED = {
    "securite_soins": "inconnu",
    "donnees_sante": "oui",
    "fonctionnement_normal": "non",
    "organisation_systeme_sante": "non",
    "autres_structures": "non",
}

ESTABLISHMENT = Establishment(
    finess=FINESS,
    finess_ej="1B0000005",
    raison_sociale="Centre hospitalier d’Exemple",
    type="etablissement_sante_public",
    statut_public_prive="public",
    region_ars="53",
    adresse="1 rue de l’Exemple, 35000 Rennes",
    statuts=["ose", "entite_essentielle"],
    declarant=Person(
        nom="Dumonteil",
        prenom="Claire",
        fonction="Directrice",
        qualite="directeur",
        courriel="direction@ch-exemple.example",
        telephone="+33199000001",
    ),
    contact_dpo=Person(nom="Délégué à la protection des données", courriel="dpo@ch-exemple.example"),
    services={"dossier-patient": "dpi"},
)

FACTS = Facts(
    alert_count=5,
    event_count=64,
    patient_count=47,
    account_count=1,
    break_glass_count=2,
    export_count=1,
    services=("dossier-patient",),
    rules=("Approbations à répétition (de Veilleur, licence Apache-2.0)", "Balayage de dossiers (de Veilleur, licence Apache-2.0)"),
    measures=(Measure("Sessions révoquées", NIGHT - timedelta(minutes=20)),),
    indicators=(("ipv4-addr", "203.0.113.7"),),
    evidence_sha256=("ab" * 32,),
)


@cache
def forms() -> Forms:
    """The forms of the tree, read once: nothing changes them."""
    return load_forms(FORMS_FOLDER)


def incident(**changes: object) -> Incident:
    """The night's incident, qualified and taken note of."""
    night = Incident(
        id="incident-1",
        number="INC-2026-000001",
        tenant="default",
        title="Compte de P-ABCDEFGHIJ compromis, dossiers consultés en masse",
        severity=Severity.CRITICAL,
        state=IncidentState.CONTAINMENT,
        assignee=None,
        finess=FINESS,
        techniques=("T1621", "T1078", "T1213", "T1548", "T1020"),
        entities={"user": ("P-ABCDEFGHIJ",)},
        qualification=QUALIFIED,
        first_at=NIGHT - timedelta(hours=3),
        last_at=NIGHT - timedelta(hours=1),
        created_at=NIGHT - timedelta(hours=2),
        detected_at=NIGHT - timedelta(hours=2),
        aware_at=NIGHT - timedelta(hours=1),
        closed_at=None,
    )
    return replace(night, **changes)  # type: ignore[arg-type]


class ToDesk(httpx.BaseTransport):
    """Carries the client's requests to the desk's application; ``fate`` may lose the request or the answer."""

    def __init__(self, application: Starlette) -> None:
        self._client = TestClient(application)
        self.fate: Callable[[httpx.Request, int], httpx.Response | None] = lambda request, count: None
        self.received: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask ``fate`` first; otherwise the desk answers."""
        self.received.append(request)
        answer = self.fate(request, len(self.received))
        return answer if answer is not None else self.deliver(request)

    def deliver(self, request: httpx.Request) -> httpx.Response:
        """What the desk answers."""
        answer = self._client.request(request.method, request.url.raw_path.decode(), content=request.read(), headers=dict(request.headers))
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


@dataclass
class World:
    """Everything on one database in a folder."""

    folder: Path
    now: datetime = NIGHT
    forms: Forms = field(default_factory=forms)

    def __post_init__(self) -> None:
        self.database = Database(f"sqlite:///{self.folder / 'watch.sqlite'}")
        metadata.create_all(self.database.engine)
        signer = ReceiptSigner.from_folder(self.folder / "keys")
        self.desk = Desk(self.database, self.clock, signer, self.forms, schema=SCHEMA, issuer=ISSUER)
        self.application = Starlette(routes=desk_routes(self.desk, {"ch-exemple": hashlib.sha256(KEY.encode()).hexdigest()}))
        self.wire = ToDesk(self.application)
        self.waited: list[float] = []
        self.filing = FilingClient("http://127.0.0.1:9", KEY, transport=self.wire, wait=self.waited.append)
        self.dossiers = Dossiers(self.database, self.clock, self.forms, filing=self.filing, establishments={FINESS: ESTABLISHMENT})

    def clock(self) -> datetime:
        """The instant the test is at."""
        return self.now

    def opened(self) -> str:
        """The id of the night's dossier, opened by an analyst."""
        return self.dossiers.open_for_incident(None, incident(), ANALYST, FACTS).id

    def complete(self) -> str:
        """The id of a dossier that only waits to be validated."""
        dossier_id = self.opened()
        assert (
            self.dossiers.save_section(dossier_id, "cert_sante_incident.accompagnement", {"accompagnement.demande": "non"}, DIRECTOR) == []
        )
        return dossier_id

    def filed(self) -> str:
        """The id of a dossier the desk has received."""
        dossier_id = self.complete()
        self.dossiers.validate(dossier_id, DIRECTOR)
        self.dossiers.file(dossier_id, DIRECTOR)
        return dossier_id
