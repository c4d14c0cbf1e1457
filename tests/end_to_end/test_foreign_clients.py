"""Relying parties that we did not write log in with no code of ours on their side."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.demo.phone import Phone
from deploy.demo.scene import Scene
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


@pytest.mark.service("node", "npm")
@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-3.1.3.7", "RFC6749-6", "RFC7662-2.1", "RFC7009-2.1", "RFC9207-2.4")
def test_openid_client_logs_in_refreshes_introspects_and_revokes(
    provider: Scene, phone: Phone, clients: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    shutil.copytree(HERE, tmp_path / "rp", ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=tmp_path / "rp", check=True, timeout=240)
    redirect_uri = str(clients["messagerie"]["redirect_uris"][0])  # type: ignore[index]
    arguments = ["node", "login.mjs", provider.issuer, "messagerie", provider.client_secrets["messagerie"], redirect_uri, "openid identity"]
    with subprocess.Popen(arguments, cwd=tmp_path / "rp", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relying_party:
        assert relying_party.stdin is not None
        assert relying_party.stdout is not None
        callback = approve(json.loads(relying_party.stdout.readline())["authorize"], phone, redirect_uri)
        relying_party.stdin.write(json.dumps({"callback": callback}) + "\n")
        relying_party.stdin.flush()
        said = json.loads(relying_party.stdout.readline())
    assert said["claims"]["iss"] == provider.issuer
    assert said["userinfo"]["sub"] == said["claims"]["sub"]
    assert said["active"] is True
    assert said["after"] is False, "a revoked login's access token is still active"
    assert said["refused"] == "invalid_grant"
    assert said["logout"].startswith(provider.issuer)
