"""Our provider in a temporary folder, with TLS in front of it, and what stands in for the professionals' phones."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import yaml

from deploy.demo.stage import Server, run_command
from idp.people.file import SAMPLES
from idp.testing.provider import DevProvider, LoginStopped, Outcome
from tests.end_to_end.conftest import free_port
from tests.end_to_end.tls_proxy import BELIEVING, tls_proxy

#: Both parts have it, so that a browser counts them as one site.
HOST: Final = "localhost"
#: Whom the suite logs in.
DOCTOR: Final = "899700000005"
#: Of clients, for the length of a run; of no value anywhere else.
SECRET: Final = "secret-of-a-conformance-run-of-no-value-anywhere"
_OUTCOMES: Final[Mapping[str, Outcome]] = {"allow": "approve", "deny": "deny"}
#: A running provider follows within ten.
_ROTATION_SECONDS: Final = 30
_UNLIMITED: Final = str(10**9)


class World:
    """The running provider."""

    def __init__(self, base_url: str, inside: str, environment: Mapping[str, str]) -> None:
        self.base_url, self._inside, self._environment = base_url, inside, environment
        self.issuer = f"{base_url}/auth/realms/esante-wallet"
        told = {
            "issuer": self.issuer,
            "base_url": base_url,
            "client_secret": SECRET,
            "clients": (),
            "people": (),
            "authority": None,
            "cards": {},
            "client_jwk": None,
        }
        self.phones = DevProvider({**told, "control_url": f"{inside}/control/v1"})

    def rotate_keys(self) -> None:
        """Publish new signing keys, as an operator does, and wait until the running provider shows them."""
        before = self._published()
        run_command(["idp.cli", "keys", "rotate"], self._environment)
        give_up_at = time.monotonic() + _ROTATION_SECONDS
        while self._published() == before:
            if time.monotonic() > give_up_at:
                raise AssertionError(f"no new key is published after {_ROTATION_SECONDS} s")
            time.sleep(0.5)

    def _published(self) -> set[str]:
        keys = httpx.get(f"{self._inside}/auth/realms/esante-wallet/protocol/openid-connect/certs", trust_env=False).json()["keys"]
        return {key["kid"] for key in keys}

    def initial_access_token(self) -> str:
        """A right to register as many clients as a plan needs."""
        grants = ("--grant-type", "authorization_code", "--grant-type", "refresh_token")
        options = ("--scope", "openid profile offline_access", "--profile", "psc", "--uses", "1000", *grants)
        return run_command(["idp.cli", "clients", "initial-token", "conformance", *options], self._environment).strip().splitlines()[-1]


@contextmanager
def provider(folder: Path, suite_authority: Path, clients: Sequence[Mapping[str, Any]]) -> Iterator[World]:
    """The provider with these clients; stopped at the end."""
    port, outside = free_port(), free_port()
    base_url, inside = f"https://{HOST}:{outside}", f"http://127.0.0.1:{port}"
    environment = {
        **BELIEVING,
        "IDP_ENVIRONMENT": "development",
        "IDP_STATE": str(folder / "state"),
        "IDP_PORT": str(port),
        "IDP_BASE_URL": base_url,
        "IDP_CONTROL_API": "true",
        "IDP_CLIENT_REGISTRATION": "true",
        "IDP_OUTBOUND_LOOPBACK": "true",
        "IDP_OUTBOUND_AUTHORITIES_FILE": str(suite_authority),
        "IDP_CLIENT_FAILURE_LIMIT_COUNT": _UNLIMITED,
        "IDP_ACCOUNT_ATTEMPT_LIMIT_COUNT": _UNLIMITED,
        "IDP_SOURCE_ATTEMPT_LIMIT_COUNT": _UNLIMITED,
    }
    (folder / "clients.yaml").write_text(yaml.safe_dump({"clients": list(clients)}, allow_unicode=True), "utf-8")
    (folder / "secrets.json").write_text(json.dumps({str(client["client_id"]): SECRET for client in clients}), "utf-8")
    files = {"--clients": folder / "clients.yaml", "--accounts": SAMPLES, "--secrets-out": folder / "secrets.json"}
    run_command(["idp.cli", "init", *(str(part) for pair in files.items() for part in pair)], environment)
    server = Server("idp", ["idp.cli", "serve"], environment, folder, f"{inside}/health/live")
    with tls_proxy(folder, {outside: inside}, host=HOST):
        server.start()
        try:
            server.wait_ready()
            world = World(base_url, inside, environment)
            try:
                yield world
            finally:
                world.phones.close()
        finally:
            server.stop()


@contextmanager
def approving(world: World) -> Iterator[str]:
    """An address that settles a backchannel login, as the suite's ``automated_ciba_approval_url`` wants it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            action = parse_qs(urlsplit(self.path).query)["action"][0]
            try:
                world.phones.answer(DOCTOR, _OUTCOMES[action])
                status = 200
            except LoginStopped:
                status = 409
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/?token={{auth_req_id}}&action={{action}}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
