"""A running provider takes up what other processes change: clients by `idp apply`, keys by `idp keys rotate`. All are real processes."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_SECONDS = 20
CLIENTS = """
clients:
- client_id: agenda
  client_name: Agenda
  redirect_uris: ["https://agenda.example/{path}"]
  grant_types: [authorization_code, client_credentials]
  scope: openid
"""


class Running:
    """`idp serve` on a free port, and commands beside it."""

    def __init__(self, folder: Path) -> None:
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.folder = folder
        self.base = f"http://127.0.0.1:{port}"
        self.connect = f"{self.base}/auth/realms/esante-wallet/protocol/openid-connect"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        self.environment = {
            **kept,
            "IDP_ENVIRONMENT": "development",
            "IDP_STATE": str(folder / "state"),
            "IDP_PORT": str(port),
            "IDP_BASE_URL": self.base,
        }
        self.command("init")
        self.server = subprocess.Popen([sys.executable, "-m", "idp.cli", "serve"], env=self.environment)

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "idp.cli", *arguments], env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def apply(self, path: str) -> None:
        file = self.folder / "clients.yaml"
        file.write_text(CLIENTS.format(path=path), "utf-8")
        self.command("apply", str(file), "--secrets-out", str(self.folder / "secrets.json"))

    def asks_login(self, path: str) -> bool:
        query = {
            "client_id": "agenda",
            "response_type": "code",
            "redirect_uri": f"https://agenda.example/{path}",
            "scope": "openid",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        return httpx.get(f"{self.base}/auth", params=query).status_code == 303

    def kids(self) -> set[str]:
        return {key["kid"] for key in httpx.get(f"{self.connect}/certs").json()["keys"]}


def _until(holds: Callable[[], Any]) -> None:
    """Returns as soon as it holds; what is measured is that it comes without a restart, not how fast this machine is."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "the running provider did not take it up"
        time.sleep(0.05)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/health/live").status_code < 500
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    started = Running(tmp_path_factory.mktemp("idp"))
    try:
        _until(lambda: _answers(started.base))
        yield started
    finally:
        started.server.terminate()
        started.server.wait(20)


def test_a_client_that_another_process_writes_counts_from_the_next_request(running: Running) -> None:
    assert not running.asks_login("retour")
    running.apply("retour")
    assert running.asks_login("retour"), "nothing is kept in memory beyond its row"
    running.apply("autre")
    assert running.asks_login("autre")
    assert not running.asks_login("retour")


def test_keys_that_another_process_rotates_are_published_and_sign_without_a_restart(running: Running) -> None:
    before = running.kids()
    made = running.command("keys", "rotate", "--lead-hours", "0")
    new = {line.split()[1] for line in made.splitlines()}
    assert len(new) == 2
    _until(lambda: new <= running.kids())
    assert before <= running.kids(), "the old ones stay published while their signatures count"
    assert running.server.poll() is None
