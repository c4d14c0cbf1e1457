"""A watch with an incident and playbooks, and an identity provider of its own: a real HTTP server that counts what it really did."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from siem.access import Principal
from siem.event import RawRecord
from siem.evidence import EvidenceStore
from siem.incidents.filters import IncidentFilter
from siem.incidents.model import Incident
from siem.response.action import Action, Message, Services
from siem.response.actions import ACTIONS, build
from siem.response.identity_provider import IdentityProvider
from siem.response.load import load_playbooks
from siem.response.model import Run, StepRun
from siem.response.playbook import Playbook, parse
from siem.response.runs import Runs
from tests.siem.incidents.conftest import ANALYST, NOW, Watch, attack_events

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "playbooks" / "schema" / "response.schema.json"
PLAYBOOKS = load_playbooks(ROOT / "playbooks" / "response", SCHEMA, ACTIONS).playbooks
COMPROMISED = next(each for each in PLAYBOOKS.values() if each.path.endswith("compromission_compte.json"))
NATIONAL_IDS = {"P-AAAAAAAAAA": "899700000011"}


class Peer:
    """What the identity provider did, as itself sees it: effective revocations, every call, and how the next answers go wrong."""

    def __init__(self) -> None:
        self.revoked: list[dict[str, str]] = []
        self.calls: list[tuple[str, str | None]] = []
        self.tokens_issued = 0
        self.answers: dict[str, dict[str, Any]] = {}
        self.valid_token = ""
        self.failures: list[int] = []
        self.expires_in = 120
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        key = headers.get("Idempotency-Key")
        self.calls.append((path, key))
        if path == "/token":
            form = parse_qs(body.decode())
            if form["grant_type"] != ["client_credentials"] or not headers.get("Authorization", "").startswith("Basic "):
                return 400, {"error": "invalid_request"}
            self.tokens_issued += 1
            self.valid_token = f"token-{self.tokens_issued}"
            return 200, {"access_token": self.valid_token, "token_type": "Bearer", "expires_in": self.expires_in}
        if headers.get("Authorization") != f"Bearer {self.valid_token}":
            return 401, {"error": "invalid_token"}
        if self.failures:
            return self.failures.pop(0), {"error": "temporarily_unavailable", "detail": "secret detail"}
        asked = json.loads(body)
        if path == "/admin/v1/sessions/search":
            session = {
                "id": "s1",
                "method": "device",
                "acr": "eidas2",
                "auth_time": "2026-03-13T21:05:00Z",
                "last_used_at": "2026-03-13T21:40:00Z",
            }
            return 200, {
                "sessions": [session | {"source_ip": "203.0.113.7", "user_agent": "x", "clients": ["dossier"]}],
                "residual_seconds": 120,
            }
        if path == "/admin/v1/revocations" and key:
            if key not in self.answers:
                self.revoked.append(asked)
                self.answers[key] = {"session_count": 2, "grant_count": 3, "residual_seconds": 120}
            return 200, self.answers[key]
        return 404, {"error": "not_found"}

    def _handler(peer: "Peer") -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = peer.answer(self.path, self.headers, body)  # type: ignore[arg-type]
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


class Bench:
    """One watch with its runs; ``restart`` is another process over the same folder."""

    def __init__(self, folder: Path, peer: Peer, playbooks: Mapping[str, Playbook] = PLAYBOOKS) -> None:
        self.folder = folder
        self.peer = peer
        self.watch = Watch(folder)
        self.dossiers: dict[str, str] = {}
        self.sent: list[Message] = []
        self.playbooks = playbooks
        self.provider = IdentityProvider(f"{peer.url}/admin/v1", f"{peer.url}/token", "veilleur-siem", "secret")
        self.evidence = EvidenceStore(folder / "evidence")
        self.records = {event_id: RawRecord("idp", event_id, NOW, f"raw {event_id}".encode()) for event_id in attack_events()}
        self.actions: Mapping[str, Action] = build(self.services())
        self.runs = self.make_runs()

    def services(self) -> Services:
        return Services(
            database=self.watch.database,
            evidence=self.evidence,
            identity_provider=self.provider,
            resolve=NATIONAL_IDS.get,
            collect=self.collect,
            open_dossier=self.open_dossier,
            deliver=self.deliver,
        )

    def collect(self, tenant: str, event_ids: Sequence[str]) -> Mapping[str, RawRecord]:
        return {event_id: self.records[event_id] for event_id in event_ids if event_id in self.records}

    def open_dossier(self, incident: Incident, actor: Principal) -> str:
        return self.dossiers.setdefault(incident.id, f"d{len(self.dossiers)}")

    def deliver(self, message: Message) -> str:
        self.sent.append(message)
        return "courriel"

    def make_runs(self) -> Runs:
        return Runs(self.watch.database, lambda: self.watch.now, self.actions, self.playbooks, self.watch.incidents)

    def incident(self) -> Incident:
        return self.watch.incidents.incidents(ANALYST, IncidentFilter()).items[0]

    def propose(self) -> tuple[str, ...]:
        with self.watch.database.transaction() as conn:
            return self.runs.propose(conn, self.incident())

    def attacked(self) -> "Bench":
        self.watch.attack()
        return self

    def advance(self) -> None:
        while self.runs.advance():
            self.watch.now += timedelta(milliseconds=1)

    def close(self) -> None:
        self.provider.close()
        self.watch.database.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.stop()


@pytest.fixture
def make_bench(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**changed: Any) -> Bench:
        made.append(Bench(tmp_path_factory.mktemp("bench"), **({"peer": peer} | changed)))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench().attacked()


# ------------------------------------------------------------------------------------------------ playbooks by hand
UUIDS = "00000000-0000-4000-8000-{:012d}"
APPROVAL = "extension-definition--6a5f8a0e-3c1d-4d52-9a55-0c1f4b7f2e11"
AGENT = "security-category--" + UUIDS.format(900)


def named(kind: str, number: int) -> str:
    return f"{kind}--{UUIDS.format(number)}"


def action_step(action: str, **properties: Any) -> dict[str, Any]:
    approval = properties.pop("approval", None)
    step = {
        "type": "action",
        "name": f"Faire {action}",
        "commands": [{"type": "veilleur-action", "command": action}],
        "agent": AGENT,
        **properties,
    }
    if action in ("list_sessions", "revoke_sessions", "watch_account"):
        step.setdefault("in_args", ["__personnes__"])
    if approval:
        step["step_extensions"] = {APPROVAL: approval}
    return step


def source(workflow: dict[str, Any], number: int = 1, **properties: Any) -> dict[str, Any]:
    definition = {"type": "extension-definition", "name": "approbation", "created_by": named("identity", 1), "schema": "s", "version": "1"}
    return {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": named("playbook", number),
        "name": f"Procédure {number}",
        "created_by": named("identity", 1),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "workflow_start": named("start", 1),
        "workflow": {named("start", 1): {"type": "start", "on_completion": named("action", 1)}, named("end", 1): {"type": "end"}}
        | workflow,
        "playbook_variables": {"__personnes__": {"type": "string", "external": True}, "__gravite__": {"type": "string", "external": True}},
        "agent_definitions": {AGENT: {"type": "security-category", "name": "Veilleur"}},
        "extension_definitions": {APPROVAL: definition},
    } | properties


def playbook(workflow: dict[str, Any], number: int = 1, **properties: Any) -> Playbook:
    return parse(source(workflow, number, **properties), "hand.json")


ONE = {"approbation": "une", "roles": ["analyste", "responsable"]}


def step_of(run: Run, action: str) -> StepRun:
    return next(step for step in run.steps if step.action == action)


def with_playbook(make_bench: Callable[..., Bench], workflow: dict[str, Any], **properties: Any) -> tuple[Bench, str]:
    made = playbook(workflow, **properties)
    return make_bench(playbooks={made.id: made}).attacked(), made.id


def started(make_bench: Callable[..., Bench], workflow: dict[str, Any], **properties: Any) -> tuple[Bench, str]:
    bench, playbook_id = with_playbook(make_bench, workflow, **properties)
    run = bench.runs.start(bench.incident().id, playbook_id, ANALYST)
    bench.advance()
    return bench, run.id


def one_approved_step(approval: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {named("action", 1): action_step("revoke_sessions", approval=approval, on_completion=named("end", 1), **properties)}
