"""Who plays: professionals with phones, patients, the services they use, and the people of the console.

Everybody is invented: RPPS of the 997… range, patients with a place of birth that does not exist (99999) and
the test OID.
"""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from deploy.demo.night import Person, Stage
from deploy.demo.phone import Phone
from deploy.demo.scene import AUDIT_SOURCE, HERE, Scene
from deploy.demo.services import AccessLog, RelyingParty, Shipper
from idp.people.file import SAMPLES

SEED = 20261122
PIN = "2580"
REDIRECT = "/retour"
PATIENT_COUNT, STRANGER_COUNT = 60, 120
CAST_COUNT = 12


@dataclass(slots=True)
class Cast:
    """The stage, and the phones of the console's people by role."""

    stage: Stage
    seed: int
    phones: dict[str, Phone]
    logs: list[AccessLog]

    def close(self) -> None:
        """The services write no more."""
        for log in self.logs:
            log.close()


def console_people() -> list[tuple[str, str, str]]:
    """(first role, name, national identifier) of the people granted a role in the watch."""
    users = yaml.safe_load((HERE / "users.yaml").read_text(encoding="utf-8"))
    return [(user["roles"][0], user["name"], user["national_id"]) for user in users]


def cast(scene: Scene, begin: datetime, seed: int = SEED) -> Cast:
    """Enrol the phones, register the services' logs, and put everyone in place."""
    rng = random.Random(seed)
    patients = [_matricule(rng) for _ in range(PATIENT_COUNT + STRANGER_COUNT)]
    people = [_person(scene, rng, national_id, index, patients[:PATIENT_COUNT]) for index, national_id in enumerate(_professionals())]
    services = [
        _service(scene, client)
        for client in _registered(scene)
        if "authorization_code" in client["grant_types"] and client["client_id"] != "veilleur-console"
    ]
    by_id = {service.client_id: service for service in services}
    stage = Stage(
        scene.idp_url,
        scene.set_clock,
        by_id["dossier-patient"],
        by_id["messagerie"],
        by_id["prescription"],
        Shipper(scene.watch_url, AUDIT_SOURCE, scene.api_keys[AUDIT_SOURCE]),
        people,
        people[0],
        tuple(patients[PATIENT_COUNT:]),
    )
    phones = {
        role: Phone(scene.idp_url, scene.activation_code(national_id)[0], PIN, f"Téléphone de {name}")
        for role, name, national_id in console_people()
    }
    return Cast(stage, seed, phones, [service.log for service in services])


def _professionals() -> list[str]:
    document: dict[str, Any] = yaml.safe_load(SAMPLES.read_text(encoding="utf-8"))
    console = {national_id for _, _, national_id in console_people()}
    found = [p["national_id"] for p in document["people"] if p.get("state", "active") == "active" and p["national_id"] not in console]
    return [national_id for national_id in found if national_id.startswith("8")][:CAST_COUNT]


def _person(scene: Scene, rng: random.Random, national_id: str, index: int, patients: list[str]) -> Person:
    from deploy.demo.night import AGENTS

    phone = Phone(scene.idp_url, scene.activation_code(national_id)[0], PIN, "Téléphone")
    networks = ("192.0.2.", "192.0.2.", "198.51.100.")
    return Person(national_id, phone, f"{networks[index % 3]}{10 + index}", AGENTS[index % len(AGENTS)], tuple(rng.sample(patients, 14)))


def _registered(scene: Scene) -> list[dict[str, Any]]:
    document = yaml.safe_load((scene.folder / "clients.yaml").read_text(encoding="utf-8"))
    clients: list[dict[str, Any]] = document["clients"]
    return clients


def _service(scene: Scene, client: dict[str, Any]) -> RelyingParty:
    client_id = client["client_id"]
    scope = client["scope"] if isinstance(client["scope"], str) else " ".join(client["scope"])
    wanted = " ".join(value for value in scope.split() if value in ("openid", "scope_all", "identity"))
    return RelyingParty(
        client_id,
        scene.client_secrets[client_id],
        client["redirect_uris"][0],
        wanted,
        scene.issuer,
        AccessLog(scene.log(f"{client_id}-acces")),
        post=client.get("token_endpoint_auth_method") == "client_secret_post",
    )


def _matricule(rng: random.Random) -> str:
    """A fictitious INS: 13 digits and their key (97 minus the remainder by 97)."""
    number = f"{rng.randint(1, 2)}{rng.randint(20, 99)}{rng.randint(1, 12):02d}99999{rng.randint(1, 999):03d}"
    return f"{number}{97 - int(number) % 97:02d}"
