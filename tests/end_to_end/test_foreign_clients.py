"""Relying parties that we did not write log in with no code of ours on their side."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.demo.phone import Phone, wall
from deploy.demo.scene import Scene
from deploy.demo.stage import run_command
from deploy.demo.wire import Browser
from tests.end_to_end.conftest import DOCTOR, approve

HERE = Path(__file__).parent / "openid_client"


@pytest.mark.parametrize("client_id", ["dossier-patient", "messagerie"])
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.3", "OIDCC-5.3.2", "RFC7636-4.6", "RFC9207-2")
def test_a_stock_authlib_client_logs_in(provider: Scene, phone: Phone, clients: dict[str, dict[str, object]], client_id: str) -> None:
    redirect_uri = str(clients[client_id]["redirect_uris"][0])  # type: ignore[index]
    with OAuth2Client(
        client_id,
        provider.client_secrets[client_id],
        scope=str(clients[client_id]["scope"]),
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
    ) as client:
        metadata = client.request("GET", f"{provider.issuer}/.well-known/openid-configuration", withhold_token=True).json()
        verifier = "v" * 64
        url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6_WzA2Mj")
        callback = approve(url, phone, redirect_uri)
        token = client.fetch_token(metadata["token_endpoint"], authorization_response=callback, code_verifier=verifier, state=state)
        keys = KeySet.import_key_set(client.request("GET", metadata["jwks_uri"], withhold_token=True).json())
        claims = jwt.decode(token["id_token"], keys, algorithms=["RS256", "ES256"]).claims
        userinfo = client.get(metadata["userinfo_endpoint"]).json()
    assert claims["iss"] == provider.issuer
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert userinfo["sub"] == claims["sub"]
    assert userinfo["SubjectNameID" if client_id == "dossier-patient" else "preferred_username"] == DOCTOR


def _install(tmp_path: Path) -> Path:
    folder = tmp_path / "rp"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder, check=True, timeout=240)
    return folder


@contextmanager
def _talking(arguments: list[str], folder: Path) -> Iterator[tuple[Callable[[], Any], Callable[[object], None]]]:
    """A relying party that speaks JSON lines: what hears it, and what tells it something."""
    with subprocess.Popen(arguments, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        hears, says = process.stdin, process.stdout
        assert hears is not None
        assert says is not None

        def say(value: object) -> None:
            hears.write(json.dumps(value) + "\n")
            hears.flush()

        yield lambda: json.loads(says.readline()), say


@pytest.mark.service("node", "npm")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC6749-6", "RFC7662-2.1", "RFC7009-2.1", "RFC9207-2.4")
def test_openid_client_logs_in_refreshes_introspects_and_revokes(
    provider: Scene, phone: Phone, clients: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    folder = _install(tmp_path)
    redirect_uri = str(clients["messagerie"]["redirect_uris"][0])  # type: ignore[index]
    arguments = ["node", "login.mjs", provider.issuer, "messagerie", provider.client_secrets["messagerie"], redirect_uri, "openid identity"]
    with _talking(arguments, folder) as (hear, say):
        say({"callback": approve(hear()["authorize"], phone, redirect_uri)})
        said = hear()
    assert said["claims"]["iss"] == provider.issuer
    assert said["userinfo"]["sub"] == said["claims"]["sub"]
    assert said["active"] is True
    assert said["after"] is False, "a revoked login's access token is still active"
    assert said["refused"] == "invalid_grant"
    assert said["logout"].startswith(provider.issuer)


@pytest.mark.service("node", "npm")
@pytest.mark.spec("RFC9101-5", "RFC9126-2", "JARM-2.4", "FAPI2SP-5.3.2.1", "FAPI2MS-5.3.2", "FAPI2MS-5.4.2", "RFC8707-2", "OIDCC-5.5.1.1")
def test_openid_client_signs_and_pushes_its_request_and_takes_a_signed_answer_all_in_ps256(
    provider: Scene, phone: Phone, tmp_path: Path
) -> None:
    folder = _install(tmp_path)
    redirect_uri, scope, resource = "http://127.0.0.1:8809/retour", "openid profile", "https://api.example/dossiers"
    with _talking(["node", "signed.mjs", provider.issuer, "signataire", redirect_uri, scope, resource], folder) as (hear, say):
        registration = {
            "client_id": "signataire",
            "client_name": "Service qui signe",
            "profile": "fapi2",
            "application_type": "native",  # whose redirect may go to this machine by plain http
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": hear()["jwks"],
            "redirect_uris": [redirect_uri],
            "scope": scope,
            "resources": [resource],
            "require_signed_request_object": True,
            **dict.fromkeys(("request_object_signing_alg", "token_endpoint_auth_signing_alg"), "PS256"),
            **dict.fromkeys(("id_token_signed_response_alg", "authorization_signed_response_alg"), "PS256"),
        }
        (tmp_path / "clients.yaml").write_text(yaml.safe_dump({"clients": [registration]}), encoding="utf-8")
        run_command(["idp.cli", "clients", "apply", str(tmp_path / "clients.yaml")], provider.idp_environment)
        say({"registered": True})
        say({"callback": approve(hear()["authorize"], phone, redirect_uri)})
        said = hear()
    assert (said["claims"]["iss"], said["claims"]["acr"]) == (provider.issuer, "eidas2")
    assert said["claims"]["family_name"]
    keys = KeySet.import_key_set(httpx.get(f"{provider.issuer}/protocol/openid-connect/certs").json())
    assert jwt.decode(said["access_token"], keys, algorithms=["PS256"]).claims["aud"] == resource
    assert said["token_type"] == "dpop"
    assert said["replayed"] == "invalid_request_object"


@pytest.mark.service("node", "npm")
@pytest.mark.spec("RFC9449-5", "RFC9449-7.1", "RFC9449-8", "RFC9449-9", "RFC9449-10", "RFC9449-5.1")
def test_openid_client_uses_tokens_that_are_bound_to_its_key(provider: Scene, phone: Phone, tmp_path: Path) -> None:
    redirect_uri = "http://127.0.0.1:8811/retour"
    registration = {
        "client_id": "application",
        "client_name": "Application",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [redirect_uri],
        "dpop_bound_access_tokens": True,
        "quirks": {"dpop_nonce_required": True},
    }
    (tmp_path / "clients.yaml").write_text(yaml.safe_dump({"clients": [registration]}), encoding="utf-8")
    run_command(["idp.cli", "clients", "apply", str(tmp_path / "clients.yaml")], provider.idp_environment)
    folder = _install(tmp_path)
    with _talking(["node", "dpop.mjs", provider.issuer, "application", redirect_uri, "openid"], folder) as (hear, say):
        say({"callback": approve(hear()["authorize"], phone, redirect_uri)})
        said = hear()
    assert said["algorithms"] == ["ES256", "PS256"]
    assert said["type"] == "dpop"
    assert said["cnf"] == {"jkt": said["jkt"]}
    assert said["userinfo"] == said["sub"]
    assert (said["bearer"], said["stolen"], said["thief"]) == (401, "invalid_token", "invalid_grant")
    assert said["again"] is None, "the refusal of a thief must not cost the client its login"


@pytest.mark.service("node", "npm")
@pytest.mark.spec("RFC8628-3.1", "RFC8628-3.3", "RFC8628-3.4", "RFC8628-3.5", "RFC8414-2")
def test_openid_client_logs_in_a_device_without_browser(provider: Scene, phone: Phone, tmp_path: Path) -> None:
    registration = {
        "client_id": "ecran",
        "client_name": "Écran de salle",
        "token_endpoint_auth_method": "none",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "scope": "openid identity",
    }
    (tmp_path / "clients.yaml").write_text(yaml.safe_dump({"clients": [registration]}), encoding="utf-8")
    run_command(["idp.cli", "clients", "apply", str(tmp_path / "clients.yaml")], provider.idp_environment)
    folder = _install(tmp_path)
    with _talking(["node", "device.mjs", provider.issuer, "ecran", "openid identity"], folder) as (hear, _):
        asked = hear()
        browser = Browser("192.0.2.10")
        warning = browser.submit(browser.open(asked["page"]), "device")
        waiting = browser.submit(browser.submit(warning, "decide", decision="continue"), "identify", national_id=DOCTOR)
        html = waiting.answer.text()
        code = html[html.index(">", html.index('id="code"')) + 1 :].split("<", 1)[0].strip()
        assert phone.answer(phone.approvals(wall())[-1], "approve", wall(), code=code) == "approved"
        assert browser.open(waiting.answer.url).answer.status == 200
        said = hear()
    assert said["claims"]["aud"] == "ecran"
    assert said["userinfo"]["SubjectNameID"] == DOCTOR
    assert said["refreshed"] is True


@pytest.mark.service("node", "npm")
@pytest.mark.spec("CIBA-7.1", "CIBA-7.3", "CIBA-10.1.1", "CIBA-11", "RFC8693-2.1", "RFC8693-2.2.1", "RFC8693-2.2.2", "RFC9449-5")
def test_openid_client_asks_a_person_on_the_phone_and_an_interface_exchanges_the_token(
    provider: Scene, phone: Phone, tmp_path: Path
) -> None:
    drugs = "https://medicaments.example/fhir"
    folder = _install(tmp_path)
    with _talking(["node", "phone.mjs", provider.issuer, "standard", DOCTOR, "openid identity", "medicaments"], folder) as (hear, say):
        service = {
            "client_id": "standard",
            "client_name": "Standard téléphonique",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": hear()["jwks"],
            "grant_types": ["urn:openid:params:grant-type:ciba"],
            "scope": "openid identity",
            "dpop_bound_access_tokens": True,
            "quirks": {"backchannel_interval_seconds": 1},
        }
        interface = {
            "client_id": "medicaments",
            "client_name": "Interface des médicaments",
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "scope": "drugs:read",
            "resources": [drugs],
            "exchange_subject_clients": ["standard"],
        }
        (tmp_path / "clients.yaml").write_text(yaml.safe_dump({"clients": [service, interface]}), encoding="utf-8")
        arguments = [str(tmp_path / "clients.yaml"), "--secrets-out", str(tmp_path / "secrets.json")]
        run_command(["idp.cli", "clients", "apply", *arguments], provider.idp_environment)
        say({"registered": True})
        assert hear() == {"asked": True}
        [question] = phone.approvals(wall())
        assert question["binding_message"] == "Salle 3"
        assert phone.answer(question, "approve", wall()) == "approved"
        say({"secret": json.loads((tmp_path / "secrets.json").read_text("utf-8"))["medicaments"]})
        said = hear()
    assert (said["claims"]["aud"], said["type"], said["userinfo"]["SubjectNameID"]) == ("standard", "dpop", DOCTOR)
    assert said["exchanged"] == {"type": "bearer", "issued": "urn:ietf:params:oauth:token-type:access_token", "scope": "drugs:read"}
    assert (said["seen"]["active"], said["seen"]["aud"], said["seen"]["sub"]) == (True, drugs, said["claims"]["sub"])
    assert (said["asked_again"], said["worthless"]) == ("invalid_grant", "invalid_request")
