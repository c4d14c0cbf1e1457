"""Everything a demonstration needs in one folder: configuration, keys and secrets, and the two servers.

Layout of ``folder``: ``idp/`` and ``siem/`` (states), ``logs/`` (access logs of the services, output of the
servers), ``secrets.json`` (client secrets, readable by the owner alone), ``*.yaml`` (configuration made here).
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from deploy.demo.night import FINESS
from deploy.demo.stage import Server, run_command
from deploy.demo.wire import Browser
from idp.people.file import SAMPLES

HERE = Path(__file__).resolve().parent
#: name of the source → type, and file name in ``logs/`` (None: shipped over HTTP)
SOURCES = {
    "idp": ("idp", None),
    "dossier-patient-acces": ("nginx", "dossier-patient.access.log"),
    "dossier-patient-audit": ("fhir_audit_event", None),
    "messagerie-acces": ("nginx", "messagerie.access.log"),
    "prescription-acces": ("nginx", "prescription.access.log"),
}
AUDIT_SOURCE = "dossier-patient-audit"
#: Secrets of the provider's clients, by client_id, readable by the owner alone.
SECRETS = "secrets.json"


@dataclass(slots=True)
class Scene:
    """A prepared folder. ``api_keys``: source (or ``guichet``, ``metrics``) to key; ``client_secrets``: client_id to secret."""

    folder: Path
    idp_url: str
    watch_url: str
    idp: Server
    watch: Server
    api_keys: dict[str, str]
    client_secrets: dict[str, str]
    idp_environment: dict[str, str]
    control: Browser = field(default_factory=lambda: Browser(user_agent="demo-control/1.0"))

    @property
    def issuer(self) -> str:
        """The provider's issuer identifier."""
        return f"{self.idp_url}/auth/realms/esante-wallet"

    def log(self, source: str) -> Path:
        """The file of a source that is read from a file."""
        if source == "idp":
            return self.folder / "idp" / "audit.ndjson"
        name = SOURCES[source][1]
        if name is None:
            raise KeyError(f"{source} has no file")
        return self.folder / "logs" / name

    def make_provider(self) -> None:
        """Make the provider's keys if there are none, and bring its services and people up to date."""
        files = {"--clients": self.folder / "clients.yaml", "--accounts": SAMPLES, "--secrets-out": self.folder / SECRETS}
        run_command(["idp.cli", "init", *(str(part) for pair in files.items() for part in pair)], self.idp_environment)

    def set_clock(self, at: datetime | None) -> None:
        """Move the provider's clock, or (None) let it follow the wall again.

        Between two moves it goes on at the pace of the wall: on a slow machine it may be past ``at`` already (409), which is as good.
        """
        document = {"follow": "wall"} if at is None else {"at": at.isoformat()}
        answer = self.control.send_json("PUT", f"{self.idp_url}/control/v1/clock", document)
        answer.expect(200) if at is None else answer.expect(200, 409)

    def activation_code(self, national_id: str) -> tuple[str, str]:
        """A one-time right to enrol a phone: the code, and the page that takes it."""
        answer = (
            self.control.send_json("POST", f"{self.idp_url}/control/v1/enrolments", {"national_id": national_id}).expect(200, 201).json()
        )
        return answer["activation_code"], answer["url"]

    def metrics(self) -> dict[str, float]:
        """The watch's counters, as Prometheus reads them: sample with labels → value."""
        text = self.control.get(f"{self.watch_url}/metrics", Authorization=f"ApiKey {self.api_keys['metrics']}").expect(200).text()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def stop(self) -> None:
        """End both servers."""
        self.watch.stop()
        self.idp.stop()


def prepare(
    folder: Path, *, idp_port: int, watch_port: int, clock_start: datetime | None = None, idp_settings: Mapping[str, str] | None = None
) -> Scene:
    """Everything the servers need to start: :func:`configure`, then the provider's own state."""
    scene = configure(folder, idp_port=idp_port, watch_port=watch_port, clock_start=clock_start, idp_settings=idp_settings)
    scene.make_provider()
    return scene


def configure(
    folder: Path, *, idp_port: int, watch_port: int, clock_start: datetime | None = None, idp_settings: Mapping[str, str] | None = None
) -> Scene:
    """Write the configuration, choose secrets if there are none, and say how to start the servers; the watch may start already.

    ``idp_settings``: variables of the provider besides those of the demonstration.
    """
    folder = folder.resolve()
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    idp_url, watch_url = f"http://127.0.0.1:{idp_port}", f"http://127.0.0.1:{watch_port}"
    idp_environment = _idp_environment(folder, idp_url, idp_port, clock_start) | dict(idp_settings or {})
    clients = (HERE / "clients.yaml").read_text(encoding="utf-8").replace("http://127.0.0.1:8900", watch_url)
    (folder / "clients.yaml").write_text(clients, encoding="utf-8")
    client_secrets = _secrets(folder / SECRETS, [client["client_id"] for client in yaml.safe_load(clients)["clients"]])
    api_keys = _secrets(folder / "api-keys.secret.json", [AUDIT_SOURCE, "guichet", "metrics"])
    watch_environment = _watch_environment(folder, idp_url, watch_url, watch_port, client_secrets, api_keys)
    return Scene(
        folder,
        idp_url,
        watch_url,
        Server(
            "idp",
            ["idp.cli", "serve"],
            idp_environment,
            folder / "logs",
            f"{idp_url}/auth/realms/esante-wallet/.well-known/openid-configuration",
        ),
        Server("watch", ["siem.cli", "serve"], watch_environment, folder / "logs", f"{watch_url}/health"),
        api_keys,
        client_secrets,
        idp_environment,
    )


def _idp_environment(folder: Path, idp_url: str, port: int, clock_start: datetime | None) -> dict[str, str]:
    environment = {
        "IDP_ENVIRONMENT": "development",
        "IDP_STATE": str(folder / "idp"),
        "IDP_HOST": "127.0.0.1",
        "IDP_PORT": str(port),
        "IDP_BASE_URL": idp_url,
        "IDP_ISSUER": f"{idp_url}/auth/realms/esante-wallet",
        "IDP_TRUSTED_PROXIES": "127.0.0.1/32",
        "IDP_CONTROL_API": "true",
        "IDP_GEOGRAPHY_FILE": str(HERE / "geography.csv"),
        # A played night waits for each of thousands of writes in turn: none is kept for a power cut.
        "IDP_STORE_SYNCHRONOUS": "normal",
    }
    if clock_start is not None:
        environment["IDP_CLOCK_START"] = clock_start.isoformat()
    return environment


def _watch_environment(
    folder: Path, idp_url: str, watch_url: str, port: int, client_secrets: dict[str, str], api_keys: dict[str, str]
) -> dict[str, str]:
    entries: list[dict[str, Any]] = []
    for name, (kind, file) in SOURCES.items():
        entry: dict[str, Any] = {
            "name": name,
            "type": kind,
            "finess": FINESS,
            "service": name.rsplit("-", 1)[0] if kind != "idp" else "idp",
        }
        if kind == "idp":
            entry["file"] = str(folder / "idp" / "audit.ndjson")
        elif file is None:
            entry["http"] = True
        else:
            entry["file"] = str(folder / "logs" / file)
        entries.append(entry)
    _write(folder / "sources.yaml", yaml.safe_dump(entries, sort_keys=False))
    _write(folder / "api-keys.json", json.dumps({name: hashlib.sha256(key.encode()).hexdigest() for name, key in api_keys.items()}))
    return {
        "SIEM_ENVIRONMENT": "development",
        "SIEM_STATE": str(folder / "siem"),
        "SIEM_HOST": "127.0.0.1",
        "SIEM_PORT": str(port),
        "SIEM_BASE_URL": watch_url,
        "SIEM_SOURCES_FILE": str(folder / "sources.yaml"),
        "SIEM_API_KEYS_FILE": str(folder / "api-keys.json"),
        "SIEM_USERS_FILE": str(HERE / "users.yaml"),
        "SIEM_ESTABLISHMENTS_FILE": str(HERE / "establishments.yaml"),
        "SIEM_GRANTING_CONTACT": "Thomas RIVOIRE, RSSI du CH d’Exemple",
        "SIEM_GEOGRAPHY_FILE": str(HERE / "geography.csv"),
        "SIEM_OIDC_ISSUER": f"{idp_url}/auth/realms/esante-wallet",
        "SIEM_OIDC_CLIENT_SECRET": client_secrets["veilleur-console"],
        "SIEM_IDP_ADMIN_URL": f"{idp_url}/admin/v1",
        "SIEM_IDP_CLIENT_SECRET": client_secrets["veilleur-siem"],
        "SIEM_DESK_API_KEY": api_keys["guichet"],
        "SIEM_TRUSTED_PROXIES": "127.0.0.1/32",
        "SIEM_STORE_SYNCHRONOUS": "normal",
    }


def _secrets(file: Path, names: Iterable[str]) -> dict[str, str]:
    """A secret for each name: those that the file holds, and new ones."""
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    chosen = {name: known.get(name) or secrets.token_urlsafe(32) for name in names}
    _write(file, json.dumps(chosen, indent=2))
    return chosen


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
