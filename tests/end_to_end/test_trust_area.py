"""The trust area of Pro Santé Connect as a whole: a provider that stands for it, the authorization server of an interface, the interface.

Two real providers, a real nginx that does TLS client authentication in front of everything, and the module that interfaces use. Only
PSC itself is ours: its sandbox cannot be reached by a test.
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import unquote

import httpx
import jwt
import pytest
import yaml

from deploy.demo import scene
from deploy.demo.phone import Phone, wall
from deploy.demo.scene import Scene
from deploy.demo.stage import Server, run_command
from idp.resource_server import Interface, Needs, Presented, Refused, check
from tests.end_to_end.conftest import DOCTOR, PIN, free_port
from tests.end_to_end.tls_proxy import AUTHORITY, BELIEVING, NOW, Proxy, tls_proxy
from tests.idp.certificates import Issued

pytestmark = [pytest.mark.service("nginx")]

CONNECT: Final = "/auth/realms/esante-wallet/protocol/openid-connect"
CIBA: Final = "urn:openid:params:grant-type:ciba"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
DRUGS: Final = "https://medicaments.example/fhir"
HOSPITAL: Final = Issued("CN=lps,OU=10B0000005,O=Hopital exemple,C=FR", NOW, AUTHORITY)
NEIGHBOUR: Final = Issued("CN=lps,OU=10B0000099,O=Autre hopital,C=FR", NOW, AUTHORITY)
SERVER: Final = Issued("CN=serveur d autorisation,OU=10B0000001,O=Interface exemple,C=FR", NOW, AUTHORITY)

AT_PSC: Final = [
    {
        "client_id": "lps",
        "client_name": "Dossier de l’hôpital",
        "profile": "psc",
        "grant_types": [CIBA, "refresh_token"],
        "scope": "openid scope_all",
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_ou": "10B0000005",
    },
    {
        "client_id": "interface-medicaments",
        "client_name": "Interface médicaments",
        "profile": "psc",
        "grant_types": ["client_credentials"],
        "scope": "openid",
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_ou": "10B0000001",
    },
]
AT_THE_INTERFACE: Final = [
    {
        "client_id": "hopital",
        "client_name": "Dossier de l’hôpital",
        "grant_types": [EXCHANGE],
        "scope": "openid drugs:read",
        "resources": [DRUGS],
        "exchange_subject_issuers": ["psc"],
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_ou": "10B0000005",
        "tls_client_certificate_bound_access_tokens": True,
        "quirks": {"certificate_confirmation": "ans"},
    },
]


class _Interface(BaseHTTPRequestHandler):
    """An interface that needs a person, a scope and the certificate of the service; it learns them from the token alone."""

    served: Interface
    keys: jwt.PyJWKSet

    def do_GET(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        certificate = unquote(self.headers.get("X-Client-Cert", ""))
        shown = Presented(
            scheme=scheme,
            token=token,
            method="GET",
            url=f"{DRUGS}/Medication",
            certificate=ssl.PEM_cert_to_DER_cert(certificate) if certificate else None,
        )
        try:
            claims = check(shown, self.served, self.keys, needs=Needs(scope=frozenset({"drugs:read"})), now=datetime.now(UTC))
        except Refused as refusal:
            self._say(refusal.status, {"reason": str(refusal)})
        else:
            self._say(200, {"scope": claims["scope"], "acr": claims["acr"]})

    def _say(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Area:
    """The three places, by what their clients connect to."""

    proxy: Proxy
    psc_port: int
    server_port: int
    interface_port: int
    phone: Phone

    def post(self, port: int, path: str, issued: Issued | None, **form: str) -> httpx.Response:
        with self.proxy.connect(port, issued) as client:
            return client.post(f"{CONNECT}/{path}", data=form)

    def log_in(self) -> dict[str, Any]:
        """The service logs the doctor in at PSC, by the phone."""
        asked = self.post(
            self.psc_port, "ext/ciba/auth", HOSPITAL, client_id="lps", scope="openid scope_all", login_hint=DOCTOR, binding_message="42"
        ).json()
        assert self.phone.answer(self.phone.approvals(wall())[-1], "approve", wall()) == "approved"
        answer = self.post(self.psc_port, "token", HOSPITAL, client_id="lps", grant_type=CIBA, auth_req_id=asked["auth_req_id"])
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def exchange(self, subject_token: str, issued: Issued | None = HOSPITAL) -> httpx.Response:
        form = {"grant_type": EXCHANGE, "subject_token": subject_token, "subject_issuer": "psc", "scope": "drugs:read"}
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return self.post(self.server_port, "token", issued, client_id="hopital", subject_token_type=kind, **form)

    def read(self, token: str, issued: Issued | None = HOSPITAL) -> httpx.Response:
        with self.proxy.connect(self.interface_port, issued) as client:
            return client.get("/Medication", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Area]:
    folder = tmp_path_factory.mktemp("area")
    psc, server = (scene.prepare(tmp_path_factory.mktemp(name), idp_port=free_port(), watch_port=free_port()) for name in ("psc", "server"))
    ports = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        interface = ThreadingHTTPServer(("127.0.0.1", 0), _Interface)
        stack.callback(interface.server_close)
        upstreams = dict(zip(ports, (psc.idp_url, server.idp_url, f"http://127.0.0.1:{interface.server_port}"), strict=True))
        proxy = stack.enter_context(tls_proxy(folder, upstreams))
        _start(stack, psc, AT_PSC, {})
        _start(stack, server, AT_THE_INTERFACE, {"IDP_SUBJECT_ISSUERS_FILE": str(_issuers(folder, proxy, psc, ports[0]))})
        _Interface.served = Interface(issuer=server.issuer, audience=DRUGS)
        _Interface.keys = jwt.PyJWKSet.from_dict(httpx.get(f"{server.issuer}/protocol/openid-connect/certs").json())
        Thread(target=interface.serve_forever, daemon=True).start()
        stack.callback(interface.shutdown)
        yield Area(proxy, *ports, Phone(psc.idp_url, psc.activation_code(DOCTOR)[0], PIN, "Téléphone"))


def _start(stack: ExitStack, place: Scene, clients: list[dict[str, Any]], more: dict[str, str]) -> None:
    environment = {**place.idp_environment, **BELIEVING, "IDP_OUTBOUND_LOOPBACK": "true", **more}
    (place.folder / "more.yaml").write_text(yaml.safe_dump({"clients": clients}), encoding="utf-8")
    run_command(["idp.cli", "clients", "apply", str(place.folder / "more.yaml")], environment)
    provider = Server("idp", ["idp.cli", "serve"], environment, place.folder, f"{place.issuer}/.well-known/openid-configuration")
    provider.start()
    stack.callback(provider.stop)
    provider.wait_ready()


def _issuers(folder: Path, proxy: Proxy, psc: Scene, port: int) -> Path:
    pair = proxy.pair(SERVER)
    entry = {
        "name": "psc",
        "issuer": psc.issuer,
        "introspection_endpoint": f"https://127.0.0.1:{port}{CONNECT}/token/introspect",
        "client_id": "interface-medicaments",
        "client_certificate_file": str(pair),
        "client_key_file": str(pair),
        "authority_file": str(proxy.authority),
        "clients": ["lps"],
    }
    path = folder / "issuers.yaml"
    path.write_text(yaml.safe_dump({"subject_issuers": [entry]}), encoding="utf-8")
    return path


@pytest.mark.spec("PSC-8.1", "RFC8693-2.1", "RFC8705-2.1", "RFC8705-3", "RFC7662-2.1")
def test_a_login_at_pro_sante_connect_opens_an_interface_to_the_service_whose_certificate_it_is(area: Area) -> None:
    answer = area.exchange(area.log_in()["access_token"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["issued_token_type"], "refresh_token" in body) == ("urn:ietf:params:oauth:token-type:access_token", False)
    assert body["expires_in"] <= 60
    read = area.read(body["access_token"])
    assert (read.status_code, read.json()) == (200, {"scope": "drugs:read", "acr": "eidas2"})
    for thief in (NEIGHBOUR, None):
        assert area.read(body["access_token"], thief).status_code == 401


@pytest.mark.spec("PSC-8.1")
def test_what_ended_at_pro_sante_connect_is_worth_nothing_here_at_once(area: Area) -> None:
    tokens = area.log_in()
    assert area.exchange(tokens["access_token"]).status_code == 200
    assert area.post(area.psc_port, "revoke", HOSPITAL, client_id="lps", token=tokens["refresh_token"]).status_code == 200
    assert (area.exchange(tokens["access_token"]).status_code, area.exchange(tokens["access_token"]).json()["error"]) == (
        400,
        "invalid_request",
    )


@pytest.mark.spec("PSC-8.1", "RFC8705-2.1")
def test_another_structure_exchanges_nothing_under_the_name_of_this_one(area: Area) -> None:
    token = area.log_in()["access_token"]
    for issued in (NEIGHBOUR, None):
        answer = area.exchange(token, issued)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    # Nor is the token of Pro Santé Connect itself a key to the interface.
    assert area.read(token).status_code == 401
