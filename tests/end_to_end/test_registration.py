"""A relying party that we did not write registers itself at a provider that its operator opened, and logs somebody in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo import scene
from deploy.demo.phone import Phone
from deploy.demo.scene import Scene
from deploy.demo.stage import Server, run_command
from tests.end_to_end.conftest import DOCTOR, PIN, approve, free_port
from tests.end_to_end.test_foreign_clients import _install, _talking


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Scene]:
    prepared = scene.prepare(tmp_path / "provider", idp_port=free_port(), watch_port=free_port())
    environment = {**prepared.idp_environment, "IDP_CLIENT_REGISTRATION": "true"}
    ready = f"{prepared.issuer}/.well-known/openid-configuration"
    server = Server("idp", ["idp.cli", "serve"], environment, tmp_path / "logs", ready)
    server.start()
    try:
        server.wait_ready()
        yield prepared
    finally:
        server.stop()


@pytest.mark.service("node", "npm")
@pytest.mark.spec("RFC7591-3.1", "RFC7591-3.2.1", "OIDCR-3")
def test_openid_client_registers_itself_once_and_logs_in(opened: Scene, tmp_path: Path) -> None:
    phone = Phone(opened.idp_url, opened.activation_code(DOCTOR)[0], PIN, "Téléphone")
    arguments = ["idp.cli", "clients", "initial-token", "éditeur", "--scope", "openid identity"]
    token = run_command(arguments, opened.idp_environment).strip()
    folder, redirect_uri = _install(tmp_path), "http://127.0.0.1:8815/retour"
    with _talking(["node", "register.mjs", opened.issuer, token, redirect_uri, "openid identity"], folder) as (hear, say):
        say({"callback": approve(hear()["authorize"], phone, redirect_uri)})
        said = hear()
    assert said["registered"]["client_id"].startswith("dcr-")
    assert said["claims"]["aud"] == said["registered"]["client_id"]
    assert said["again"] == 401, "the initial access token counts once"
