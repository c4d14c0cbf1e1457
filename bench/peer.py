"""A peer for the provider's rows: ``oidc-provider`` on Node, with the same keys, clients and requests.

It keeps everything in memory and writes no audit log: what it saves by that is said beside the figures. ``make peer`` installs it,
as ``bench/oidc_provider/package-lock.json`` has it, into ``var/peer``; nothing of it is in the repository.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey

_ROOT: Final = Path(__file__).resolve().parents[1]
_SERVER: Final = Path(__file__).resolve().with_name("oidc_provider") / "server.mjs"
_PACKAGE: Final = _ROOT / "var" / "peer" / "node_modules" / "oidc-provider"
_REDIRECT_URI: Final = "https://mesure.example/retour"


class Absent(Exception):
    """There is no peer on this machine; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running peer. ``name`` tells package, version and Node; ``access_token`` is a person's."""

    name: str
    base_url: str
    pid: int
    access_token: str


@contextmanager
def running(port: int, secrets: Mapping[str, str], keys: Mapping[str, PrivateKey], log: Path) -> Iterator[Peer]:
    """Start it on that port of loopback for the clients of ``secrets``, signing with ``keys`` (by algorithm); raises :class:`Absent`."""
    node = shutil.which("node")
    if node is None:
        raise Absent("no peer: Node is absent")
    if not _PACKAGE.exists():
        raise Absent("no peer: make peer installs it")
    version = json.loads((_PACKAGE / "package.json").read_text("utf-8"))["version"]
    told = {
        "package": str(_PACKAGE),
        "port": port,
        "clients": [_client(client_id, secret) for client_id, secret in secrets.items()],
        "jwks": {"keys": [_private_jwk(alg, key) for alg, key in keys.items()]},
    }
    with log.open("wb") as errors:
        process = subprocess.Popen([node, str(_SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        process.stdin.write(json.dumps(told).encode())
        process.stdin.close()
        line = process.stdout.readline()
        if not line:
            raise Absent(f"no peer: it ended with {log.read_text('utf-8', errors='replace')[-300:]!r}")
        node_version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        name = f"oidc-provider {version}, Node {node_version}"
        yield Peer(name, f"http://127.0.0.1:{port}", process.pid, json.loads(line)["accessToken"])
    finally:
        process.terminate()
        process.wait(15)


def _client(client_id: str, secret: str) -> dict[str, Any]:
    """Every client may ask for itself; the one of logins needs the code flow to be one that tokens can be made for."""
    login = client_id == "bench-login"
    return {
        "client_id": client_id,
        "client_secret": secret,
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials", *(["authorization_code"] if login else [])],
        "response_types": ["code"] if login else [],
        "redirect_uris": [_REDIRECT_URI] if login else [],
    }


def _private_jwk(alg: str, key: PrivateKey) -> dict[str, Any]:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    imported = RSAKey.import_key(pem) if alg == "RS256" else ECKey.import_key(pem)
    return {**imported.as_dict(private=True), "alg": alg, "use": "sig", "kid": alg}
