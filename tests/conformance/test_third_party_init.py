"""``oidcc-3rdparty-init-login-certification-test-plan``: the address where others can have a login begun is kept, told and sound."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.registering import Registrar, registering


@pytest.fixture
def registrar(tmp_path: Path) -> Iterator[Registrar]:
    with registering(tmp_path) as started:
        yield started


@pytest.mark.spec("OIDCC-4", "OIDCR-2")
def test_oidcc_3rd_party_init_login(registrar: Registrar) -> None:
    """initiate_login_uri is registered and told back."""
    body = registrar.registered(initiate_login_uri="https://service.example/debut")
    assert body["initiate_login_uri"] == "https://service.example/debut"
    read = registrar.send("GET", body["registration_client_uri"], body["registration_access_token"])
    assert read.json()["initiate_login_uri"] == "https://service.example/debut"


@pytest.mark.spec("OIDCC-4", "OIDCR-2")
@pytest.mark.parametrize("host", ["service.example", "localhost:8443", "127.0.0.1"])
def test_oidcc_3rd_party_init_login_nohttps(registrar: Registrar, host: str) -> None:
    """An initiate_login_uri without TLS is refused on registration, on this machine too."""
    registrar.grant()
    answer = registrar.register(initiate_login_uri=f"http://{host}/debut")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert "initiate_login_uri" in answer.json()["error_description"]
