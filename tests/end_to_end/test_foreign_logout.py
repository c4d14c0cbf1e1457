"""Services that we did not write hear of the end of a session: express-openid-connect in Node, mod_auth_openidc in Apache."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import yaml

from deploy.demo import scene
from deploy.demo.phone import Phone
from deploy.demo.scene import Scene
from deploy.demo.stage import Server, run_command
from tests.end_to_end.conftest import DOCTOR, PIN, approve, free_port

HERE = Path(__file__).parent / "express_openid_connect"
PATIENCE_SECONDS = 30

#: What an operator writes for a service behind Apache.
APACHE = """
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_openidc_module {modules}/mod_auth_openidc.so
DocumentRoot {folder}/pages
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret {secret}
OIDCRedirectURI http://127.0.0.1:{port}/retour
OIDCCryptoPassphrase a-passphrase-of-the-session-cookies
OIDCPKCEMethod S256
OIDCSSLValidateServer Off
OIDCCookieSameSite On
<Location />
  AuthType openid-connect
  Require valid-user
</Location>
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A real provider that may send to services of this machine."""
    prepared = scene.prepare(tmp_path_factory.mktemp("provider"), idp_port=free_port(), watch_port=free_port())
    environment = {**prepared.idp_environment, "IDP_OUTBOUND_LOOPBACK": "true"}
    discovery = f"{prepared.issuer}/.well-known/openid-configuration"
    prepared.idp = Server("idp", ["idp.cli", "serve"], environment, prepared.folder, discovery)
    prepared.idp.start()
    try:
        prepared.idp.wait_ready()
        yield prepared
    finally:
        prepared.stop()


@pytest.fixture(scope="module")
def doctor(place: Scene) -> Phone:
    return Phone(place.idp_url, place.activation_code(DOCTOR)[0], PIN, "Téléphone")


def _register(place: Scene, folder: Path, client_id: str, **members: Any) -> str:
    """Register a service; its secret."""
    entry = {"client_id": client_id, "client_name": client_id.title(), "scope": "openid", **members}
    (folder / "clients.yaml").write_text(yaml.safe_dump({"clients": [entry]}), encoding="utf-8")
    secrets = folder / "secrets.json"
    run_command(["idp.cli", "clients", "apply", str(folder / "clients.yaml"), "--secrets-out", str(secrets)], place.idp_environment)
    return str(yaml.safe_load(secrets.read_text("utf-8"))[client_id])


def _revoke(place: Scene) -> dict[str, Any]:
    """What the watch does when it contains an incident."""
    credentials = ("veilleur-siem", place.client_secrets["veilleur-siem"])
    form = {"grant_type": "client_credentials", "scope": "sessions:read sessions:revoke"}
    token = httpx.post(f"{place.issuer}/protocol/openid-connect/token", data=form, auth=credentials).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(time.monotonic_ns())}
    body = {"national_id": DOCTOR, "reason": "incident"}
    answer = httpx.post(f"{place.idp_url}/admin/v1/revocations", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    ended: dict[str, Any] = answer.json()
    return ended


def _until(is_so: Any) -> bool:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > give_up_at:
            return False
        Event().wait(0.1)
    return True


@pytest.mark.service("node", "npm")
@pytest.mark.spec("OIDCBCL-2.5", "OIDCBCL-2.6", "OIDCBCL-2.8")
def test_express_openid_connect_logs_the_person_out_when_the_watch_revokes_their_sessions(
    place: Scene, doctor: Phone, tmp_path: Path
) -> None:
    folder = tmp_path / "service"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder, check=True, timeout=240)
    port = free_port()
    service, redirect_uri = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/callback"
    address = f"{service}/backchannel-logout"
    secret = _register(place, tmp_path, "express", redirect_uris=[redirect_uri], backchannel_logout_uri=address)
    arguments = ["node", "service.mjs", place.issuer, "express", secret, str(port)]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True))
        stack.callback(process.terminate)
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        browser = stack.enter_context(httpx.Client(base_url=service))
        callback = approve(browser.get("/login").headers["location"], doctor, redirect_uri)
        assert browser.get(callback).status_code == 302
        assert browser.get("/").json()["sub"]
        assert _revoke(place)["session_count"] >= 1
        assert _until(lambda: browser.get("/").json()["sub"] is None), "express-openid-connect still knows the person"


@pytest.mark.service("apache2")
@pytest.mark.spec("OIDCBCL-2.5", "OIDCBCL-2.6", "OIDCBCL-2.8", "OIDCFCL-2")
def test_mod_auth_openidc_logs_the_person_out_when_the_watch_revokes_their_sessions(place: Scene, doctor: Phone, tmp_path: Path) -> None:
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}/retour"
    address = f"{redirect_uri}?logout=backchannel"
    secret = _register(place, tmp_path, "apache", redirect_uris=[redirect_uri], backchannel_logout_uri=address)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.html").write_text("<h1>Service</h1>")
    modules = "/usr/lib/apache2/modules"
    text = APACHE.format(folder=tmp_path, port=port, modules=modules, issuer=place.issuer, secret=secret)
    (tmp_path / "apache.conf").write_text(text, encoding="utf-8")
    program = shutil.which("apache2", path="/usr/sbin:/usr/bin") or "apache2"
    with ExitStack() as stack:
        process = subprocess.Popen([program, "-DFOREGROUND", "-f", str(tmp_path / "apache.conf")])
        stack.callback(process.wait, 15)
        stack.callback(process.terminate)
        browser = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        assert _until(lambda: _answers(browser)), (tmp_path / "error.log").read_text("utf-8")
        begun = browser.get("/index.html")
        assert begun.status_code == 302, begun.text
        callback = approve(begun.headers["location"], doctor, redirect_uri)
        assert browser.get(callback).status_code == 302, (tmp_path / "error.log").read_text("utf-8")[-3000:]
        assert browser.get("/index.html").status_code == 200
        assert _revoke(place)["session_count"] >= 1
        assert _until(lambda: browser.get("/index.html").status_code == 302), "mod_auth_openidc still knows the person"


def _answers(browser: httpx.Client) -> bool:
    try:
        browser.get("/")
    except httpx.ConnectError:
        return False
    return True
