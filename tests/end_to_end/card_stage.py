"""The provider behind a real nginx, by the very file that is shipped for logins by card, and browsers with a card in the reader."""

import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml

from deploy.demo import scene
from deploy.demo.scene import Scene
from deploy.demo.stage import Server, run_command
from tests.end_to_end.conftest import free_port
from tests.end_to_end.tls_proxy import PROXY_ADDRESS
from tests.idp.cards import Authority, Issued, pem_of
from tests.idp.certificates import Issued as ServerCertificate

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "cards.conf"
NOW = datetime.now(UTC).replace(microsecond=0)
ROOT = Authority("CN=Racine d'essai,O=Exemple,C=FR", NOW)
ISSUER = Authority("CN=Cartes d'essai,O=Exemple,C=FR", NOW, ROOT)
#: Two hosts, whose cookies are their own: addresses, as no names can be had in a test.
PAGES, CARDS = "127.0.0.1", "127.0.0.3"
CLIENT_ID = "dossier-carte"

_AROUND = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; large_client_header_buffers 4 32k; proxy_bind {proxy};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {shipped}
  server {{
    listen {pages}:{service_port} ssl; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    default_type text/html; location / {{ return 200 "<title>Service</title>"; }}
  }}
}}
"""


@dataclass
class Stage:
    """Where it answers; ``shared_port`` has both names on one address, told apart by the name that a client asks for.

    ``service_port``: a service that browsers come back to.
    """

    folder: Path
    scene: Scene
    port: int
    shared_port: int
    service_port: int

    @property
    def url(self) -> str:
        return f"https://{PAGES}:{self.port}"

    @property
    def card_url(self) -> str:
        return f"https://{CARDS}:{self.port}"

    @property
    def redirect_uri(self) -> str:
        return f"https://{PAGES}:{self.service_port}/retour"

    def files(self, card: Issued) -> tuple[Path, Path]:
        """Certificate and key of a card, as a client of TLS takes them."""
        stem = self.folder / f"{card.certificate.serial_number:x}"
        certificate, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
        certificate.write_bytes(card.pem)
        key.write_bytes(card.key_pem)
        return certificate, key

    def context(self, card: Issued | None = None) -> ssl.SSLContext:
        """Of a client of TLS that believes the test's server."""
        made = ssl.create_default_context(cafile=self.folder / "server.pem")
        made.check_hostname = False
        if card is not None:
            made.load_cert_chain(*self.files(card))
        return made

    def browser(self, card: Issued | None = None) -> httpx.Client:
        """Cookies, and a card in the reader, which is shown where one is asked for."""
        return httpx.Client(verify=self.context(card), base_url=self.url, headers={"Accept-Language": "fr"}, timeout=20)

    def revoke(self, *cards: Issued) -> None:
        """A new list takes the place of the one before."""
        fresh = self.folder / "lists.new"
        fresh.write_bytes(pem_of(ISSUER.revokes(*cards)))
        fresh.replace(self.folder / "lists.pem")

    def audit(self, action: str) -> list[dict[str, object]]:
        """The events of one action."""
        lines = self.scene.log("idp").read_text("utf-8").splitlines()
        return [event for event in map(yaml.safe_load, lines) if event["event.action"] == action]


@contextmanager
def card_stage(folder: Path) -> Iterator[Stage]:
    """Provider and nginx, until the end of the block."""
    prepared = scene.prepare(folder / "provider", idp_port=free_port(), watch_port=free_port())
    stage = Stage(folder, prepared, free_port(), free_port(), free_port())
    _write_files(stage)
    environment = {
        **prepared.idp_environment,
        "IDP_BASE_URL": stage.url,
        "IDP_ISSUER": f"{stage.url}/auth/realms/esante-wallet",
        "IDP_TRUSTED_PROXIES": f"{PROXY_ADDRESS}/32",
        "IDP_CLIENT_CERTIFICATE_HEADER": "X-Client-Cert",
        "IDP_CLIENT_CERTIFICATE_VERIFY_HEADER": "X-Client-Verify",
        "IDP_CARD_BASE_URL": stage.card_url,
        "IDP_CARD_AUTHORITIES_FILE": str(folder / "card-authorities.pem"),
        "IDP_CARD_REVOCATIONS_FILE": str(folder / "lists.pem"),
    }
    run_command(["idp.cli", "clients", "apply", str(folder / "clients.yaml")], environment)
    provider = Server("idp", ["idp.cli", "serve"], environment, folder, f"{prepared.idp_url}/health/live")
    provider.start()
    nginx = _start_nginx(folder)
    try:
        provider.wait_ready()
        yield stage
    finally:
        nginx.terminate()
        nginx.wait(15)
        provider.stop()


def _write_files(stage: Stage) -> None:
    folder = stage.folder
    server = ServerCertificate("CN=serveur", NOW, host=PAGES, with_rsa=True)
    (folder / "server.pem").write_bytes(server.pem)
    (folder / "server.key").write_bytes(server.key_pem)
    (folder / "card-authorities.pem").write_bytes(ROOT.pem + ISSUER.pem)
    (folder / "lists.pem").write_bytes(pem_of(ISSUER.revokes()))
    entry = {
        "client_id": CLIENT_ID,
        "client_name": "Dossier patient",
        "profile": "baseline",
        "structure_name": "Centre hospitalier d’Exemple",
        "structure_finess": "0B0000005",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "scope": "openid identity",
        "redirect_uris": [stage.redirect_uri],
    }
    (folder / "clients.yaml").write_text(yaml.safe_dump({"clients": [entry]}), encoding="utf-8")
    around = {"folder": folder, "proxy": PROXY_ADDRESS, "pages": PAGES, "service_port": stage.service_port}
    (folder / "nginx.conf").write_text(_AROUND.format(**around, shipped=_shipped(stage)), encoding="utf-8")


def _shipped(stage: Stage) -> str:
    """The file as an operator has changed it: addresses, paths, and nothing else."""
    text = SHIPPED.read_text("utf-8")
    for address in (PAGES, CARDS):
        text = text.replace("listen 443 ssl;", f"listen {address}:{stage.port} ssl; listen {PAGES}:{stage.shared_port} ssl;", 1)
    text = text.replace("http://127.0.0.1:8800", stage.scene.idp_url).replace("/etc/veilleur/tls/", f"{stage.folder}/")
    text = text.replace("/etc/veilleur/", f"{stage.folder}/")
    assert not re.search(r"/etc/|listen 443|:8800", text)
    return text


def _start_nginx(folder: Path) -> "subprocess.Popen[bytes]":
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or "nginx"
    return subprocess.Popen([program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")])
