"""A real nginx does TLS client authentication in front of the real provider, with an authority made for the test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.demo import scene
from deploy.demo.stage import Server, run_command
from tests.end_to_end.conftest import DOCTOR, free_port
from tests.end_to_end.tls_proxy import AUTHORITY, BELIEVING, NOW, tls_proxy
from tests.idp.certificates import Issued

STRANGE_AUTHORITY = Issued("CN=Autre autorite", NOW, is_authority=True)
#: It took the name of the real one.
FALSE_AUTHORITY = Issued("CN=Autorite de test", NOW, is_authority=True)
DN = "CN=service,OU=0B0000005,O=Exemple,C=FR"


@dataclass
class Place:
    """The provider behind nginx; ``connect`` makes a client with a certificate, or without one."""

    issuer: str
    nginx_url: str
    connect: Callable[[Issued | None], httpx.Client]
    own: Issued
    self_signed: Issued


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    prepared = scene.prepare(tmp_path_factory.mktemp("provider"), idp_port=free_port(), watch_port=free_port())
    own, self_signed = Issued(DN, NOW, AUTHORITY), Issued("CN=service", NOW)
    environment = {**prepared.idp_environment, **BELIEVING, "IDP_MTLS_BASE_URL": f"https://127.0.0.1:{port}"}
    _register(folder, environment, self_signed)
    discovery = f"{prepared.issuer}/.well-known/openid-configuration"
    provider = Server("idp", ["idp.cli", "serve"], environment, folder, discovery)
    with ExitStack() as stack:
        proxy = stack.enter_context(tls_proxy(folder, {port: prepared.idp_url}))
        provider.start()
        stack.callback(provider.stop)
        provider.wait_ready()

        def connect(issued: Issued | None) -> httpx.Client:
            return stack.enter_context(proxy.connect(port, issued))

        yield Place(prepared.issuer, f"https://127.0.0.1:{port}", connect, own, self_signed)


def _register(folder: Path, environment: dict[str, str], self_signed: Issued) -> None:
    usual = {"grant_types": ["client_credentials"], "scope": "sessions:read", "tls_client_certificate_bound_access_tokens": True}
    registered = [
        {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": DN},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [self_signed.jwk()]}},
        {
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": DN,
            "quirks": {"certificate_confirmation": "ans"},
        },
    ]
    names = ("by-authority", "by-registration", "by-authority-ans")
    entries = [{"client_id": name, "client_name": name, **usual, **each} for name, each in zip(names, registered, strict=True)]
    (folder / "clients.yaml").write_text(yaml.safe_dump({"clients": entries}), encoding="utf-8")
    run_command(["idp.cli", "clients", "apply", str(folder / "clients.yaml")], environment)


def _ask(place: Place, issued: Issued | None, client_id: str, headers: dict[str, str] | None = None) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": client_id}
    return place.connect(issued).post("/auth/realms/esante-wallet/protocol/openid-connect/token", data=form, headers=headers or {})


def _search(place: Place, issued: Issued | None, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return place.connect(issued).post("/admin/v1/sessions/search", json={"national_id": DOCTOR}, headers=headers)


@pytest.mark.service("nginx")
@pytest.mark.spec("RFC8705-2.1", "RFC8705-2.2", "RFC8705-3")
@pytest.mark.parametrize(
    ("client_id", "length"), [("by-authority", 43), ("by-registration", 43), ("by-authority-ans", 88)], ids=lambda value: str(value)
)
def test_a_certificate_gets_a_token_that_only_its_holder_can_use(place: Place, client_id: str, length: int) -> None:
    issued = place.self_signed if client_id == "by-registration" else place.own
    answer = _ask(place, issued, client_id)
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert _search(place, issued, token).status_code == 200
    for thief in (Issued(DN, NOW, AUTHORITY), None):
        assert _search(place, thief, token).json()["error"] == "invalid_token"
    document = place.connect(issued).post(
        "/auth/realms/esante-wallet/protocol/openid-connect/token/introspect", data={"client_id": client_id, "token": token}
    )
    assert document.json()["active"] is True
    assert len(document.json()["cnf"]["x5t#S256"]) == length


@pytest.mark.service("nginx")
@pytest.mark.spec("RFC8705-2.1", "RFC8705-2.2")
def test_a_certificate_of_another_authority_name_or_nobody_is_refused(place: Place) -> None:
    refused: list[Any] = [
        _ask(place, Issued(DN, NOW, STRANGE_AUTHORITY), "by-authority"),
        _ask(place, Issued(DN, NOW), "by-authority"),
        _ask(place, Issued("CN=other", NOW, AUTHORITY), "by-authority"),
        _ask(place, place.own, "by-registration"),
        _ask(place, None, "by-authority"),
        _ask(place, None, "by-registration"),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in refused] == [(401, "invalid_client")] * len(refused)
    assert _ask(place, Issued(DN, NOW, FALSE_AUTHORITY), "by-authority").status_code == 400, "nginx lets a false signature through"


@pytest.mark.service("nginx")
@pytest.mark.spec("RFC8705-6.5", "RFC9700-4.13")
def test_headers_written_by_anybody_else_give_no_identity(place: Place) -> None:
    spoofed = {"X-Client-Cert": place.own.escaped, "X-Client-Verify": "SUCCESS"}
    through = _ask(place, None, "by-authority", spoofed)
    form = {"grant_type": "client_credentials", "client_id": "by-authority"}
    around = httpx.post(f"{place.issuer}/protocol/openid-connect/token", data=form, headers=spoofed)
    assert [(each.status_code, each.json()["error"]) for each in (through, around)] == [(401, "invalid_client")] * 2


@pytest.mark.service("nginx")
@pytest.mark.spec("RFC8705-5", "RFC8705-3.3")
def test_discovery_says_where_certificates_are_taken(place: Place) -> None:
    metadata = place.connect(None).get("/auth/realms/esante-wallet/.well-known/openid-configuration").json()
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(metadata["token_endpoint_auth_methods_supported"])
    assert metadata["tls_client_certificate_bound_access_tokens"] is True
    aliases = metadata["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == f"{place.nginx_url}/auth/realms/esante-wallet/protocol/openid-connect/token"
    assert all(url.startswith(f"{place.nginx_url}/") for url in aliases.values())
