"""Shared Signals between the two programs, each a real server: the watch has a stream, and a session that ends is an event of the watch."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.demo import scene
from deploy.demo.phone import Phone
from deploy.demo.scene import Scene
from deploy.demo.stage import Server, run_command
from tests.end_to_end.conftest import DOCTOR, PIN, approve, free_port

KEY = "a-key-of-the-source-of-signals-of-this-test"
REDIRECT = "http://127.0.0.1:8802/retour"
SCOPES = "sessions:read sessions:revoke accounts:suspend ssf.manage ssf.all_subjects"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Provider and watch, with one more source and one more scope than the demonstration has."""
    prepared = scene.prepare(tmp_path_factory.mktemp("signals"), idp_port=free_port(), watch_port=free_port())
    folder = prepared.folder
    sources = yaml.safe_load((folder / "sources.yaml").read_text("utf-8"))
    sources.append({"name": "signaux", "type": "caep", "service": "Fournisseur d’identité", "http": True})
    (folder / "sources.yaml").write_text(yaml.safe_dump(sources), encoding="utf-8")
    keys = json.loads((folder / "api-keys.json").read_text("utf-8"))
    (folder / "api-keys.json").write_text(json.dumps({**keys, "signaux": hashlib.sha256(KEY.encode()).hexdigest()}))
    clients = yaml.safe_load((folder / "clients.yaml").read_text("utf-8"))
    watch = next(client for client in clients["clients"] if client["client_id"] == "veilleur-siem")
    (folder / "watch.yaml").write_text(yaml.safe_dump({"clients": [{**watch, "scope": SCOPES}]}), encoding="utf-8")
    run_command(["idp.cli", "clients", "apply", str(folder / "watch.yaml")], prepared.idp_environment)
    environment = {**prepared.idp_environment, "IDP_OUTBOUND_LOOPBACK": "true"}
    discovery = f"{prepared.issuer}/.well-known/openid-configuration"
    prepared.idp = Server("idp", ["idp.cli", "serve"], environment, folder, discovery)
    prepared.idp.start()
    prepared.watch.start()
    try:
        prepared.idp.wait_ready()
        prepared.watch.wait_ready()
        yield prepared
    finally:
        prepared.stop()


def _token(both: Scene, scope: str) -> dict[str, str]:
    credentials = ("veilleur-siem", both.client_secrets["veilleur-siem"])
    form = {"grant_type": "client_credentials", "scope": scope}
    answer = httpx.post(f"{both.issuer}/protocol/openid-connect/token", data=form, auth=credentials)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _wait_for(both: Scene, count: int) -> None:
    """Until the watch has stored that many events of the source."""
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        stored = sum(value for name, value in both.metrics().items() if "signaux" in name and "stored" in name)
        if stored >= count:
            return
        threading.Event().wait(0.2)
    raise AssertionError(f"{both.metrics()}\n{both.watch.last_lines()}\n{both.idp.last_lines()}")


@pytest.mark.spec("SSF-7.2.1", "SSF-8.1.1", "SSF-8.1.4.2", "RFC8935-2", "CAEP-3.1")
def test_a_session_that_ends_at_the_provider_is_an_event_of_the_watch(both: Scene) -> None:
    key_file = both.folder / "signals.key"
    key_file.write_text(f"{KEY}\n", encoding="utf-8")
    subscribe = ["siem.cli", "signals", "subscribe", "signaux", "--key-file", str(key_file)]
    for _ in range(2):
        run_command(subscribe, both.watch._environment)
    _wait_for(both, 1)
    phone = Phone(both.idp_url, both.activation_code(DOCTOR)[0], PIN, "Téléphone")
    query = {
        "client_id": "messagerie", "response_type": "code", "redirect_uri": REDIRECT, "scope": "openid",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
    }  # fmt: skip
    approve(str(httpx.URL(f"{both.idp_url}/auth", params=query)), phone, REDIRECT)
    revocation = {"national_id": DOCTOR, "reason": "incident"}
    answer = httpx.post(
        f"{both.idp_url}/admin/v1/revocations",
        json=revocation,
        headers={**_token(both, "sessions:revoke"), "Idempotency-Key": "signals-1"},
    )
    assert answer.json()["session_count"] == 1
    # The verification, the phone that was enrolled, the session that was revoked.
    _wait_for(both, 3)


def test_no_other_door_of_the_watch_takes_what_nobody_signed(both: Scene, tmp_path: Path) -> None:
    headers = {"Authorization": f"ApiKey {KEY}", "Content-Type": "application/secevent+jwt"}
    for path in ("/ingest/v1/signaux", "/_bulk", "/signaux/_bulk"):
        assert httpx.post(f"{both.watch_url}{path}", content=b"x.y.z\n", headers=headers).status_code == 401, path
    refused = httpx.post(f"{both.watch_url}/ingest/v1/signaux/events", content=b"x.y.z", headers=headers)
    assert (refused.status_code, refused.json()["err"]) == (400, "invalid_request")
