"""A relying party that we did not write decrypts what is encrypted to its keys, and verifies what is inside."""

import json
from pathlib import Path

import pytest
import yaml

from deploy.demo.phone import Phone
from deploy.demo.scene import Scene
from deploy.demo.stage import run_command
from tests.end_to_end.conftest import DOCTOR, approve
from tests.end_to_end.test_foreign_clients import _install, _talking


@pytest.mark.service("node", "npm")
@pytest.mark.spec("OIDCC-16.14", "OIDCC-5.3.2", "RFC7516-5.2", "RFC7518-4.3", "RFC7518-4.6")
def test_openid_client_decrypts_its_id_token_and_its_userinfo(provider: Scene, phone: Phone, tmp_path: Path) -> None:
    folder, redirect_uri, scope = _install(tmp_path), "http://127.0.0.1:8813/retour", "openid identity"
    with _talking(["node", "sealed.mjs", provider.issuer, "scelle", "", redirect_uri, scope], folder) as (hear, say):
        registration = {
            "client_id": "scelle",
            "client_name": "Service qui déchiffre",
            "jwks": hear()["jwks"],
            "redirect_uris": [redirect_uri],
            "scope": scope,
            "id_token_encrypted_response_alg": "ECDH-ES+A256KW",
            "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_signed_response_alg": "ES256",
            "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        }
        (tmp_path / "clients.yaml").write_text(yaml.safe_dump({"clients": [registration]}), encoding="utf-8")
        secrets = tmp_path / "secrets.json"
        run_command(
            ["idp.cli", "clients", "apply", str(tmp_path / "clients.yaml"), "--secrets-out", str(secrets)], provider.idp_environment
        )
        say({"secret": json.loads(secrets.read_text("utf-8"))["scelle"]})
        say({"callback": approve(hear()["authorize"], phone, redirect_uri)})
        said = hear()
    assert said["parts"] == 5
    assert (said["claims"]["aud"], said["claims"]["iss"]) == ("scelle", provider.issuer)
    assert said["userinfo"]["SubjectNameID"] == DOCTOR
