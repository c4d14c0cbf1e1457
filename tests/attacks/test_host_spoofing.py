"""Who the provider is, and where it sends people, is configured; no header of a request says it.

Precedents: Zitadel GHSA-2wmj-46rj-qm2w and CVE-2026-29067 (Host and Forwarded believed), CVE-2022-29217-like confusion of issuers.
"""

import json

import pytest

from deploy.demo.scene import Scene
from tests.attacks.raw_http import request
from tests.idp.wire import BASE, CONNECT, ISSUER, Wire

pytestmark = pytest.mark.precedent("GHSA-2wmj-46rj-qm2w", "CVE-2026-29067")


SPOOFED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "X-Original-URL": "/control/v1/clock",
    "X-Rewrite-URL": "/control/v1/clock",
    "X-HTTP-Method-Override": "PUT",
    "Forwarded": "for=198.51.100.1;host=evil.example;proto=https",
}


def test_metadata_login_and_answers_name_the_configured_address(wire: Wire) -> None:
    assert wire.http.get(f"{ISSUER}/.well-known/openid-configuration", headers=SPOOFED).json()["issuer"] == ISSUER
    query = wire.authorize().request.url
    answer = wire.http.get(str(query), headers=SPOOFED, follow_redirects=False)
    assert answer.headers["location"].startswith(f"{BASE}/login/")
    tokens = wire.tokens()
    described = wire.http.post(
        f"{CONNECT}/token/introspect", data={"token": tokens["access_token"]}, auth=("interface", "s" * 43), headers=SPOOFED
    )
    assert described.json()["iss"] == ISSUER


@pytest.mark.parametrize("host", ["evil.example", "evil.example/x?y#z", '"><script>', "evil.example:99999", "[::1", "", "a@b"])
@pytest.mark.parametrize(
    "path",
    [
        *(
            "/auth",
            "/auth/",
            "/auth//",
            "//evil.example/auth",
            "/auth/..;/x",
            "/phone",
            "/phone/",
            "/login/x",
            "/login/x/",
            "/assets",
            "/assets/",
        ),
        *("/assets/../../settings.py", "/assets/%2e%2e/settings.py", "/control/v1/clock/", "/admin/v1/revocations/", "/admin", "/nowhere"),
        "/auth/realms/esante-wallet/protocol/openid-connect/logout/",
    ],
)
def test_no_answer_leads_to_the_host_a_request_names(scene: Scene, host: str, path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        reply = request(f"{scene.idp_url}{path}", method, host=host, X_Forwarded_Host=host)
        assert "evil.example" not in reply.head
        assert b"evil.example" not in reply.body
        assert b"<script>" not in reply.body
        assert "307" not in reply.head.partition("\r\n")[0], "a 307 would carry a password or a secret on"
        assert reply.status < 500


@pytest.mark.spec("RFC9700-4.13")
def test_an_address_is_believed_from_a_configured_proxy_alone(wire: Wire) -> None:
    wire.http.get(
        f"{BASE}/auth", headers={"X-Forwarded-For": "198.51.100.77", "Forwarded": "for=198.51.100.77", "X-Real-IP": "198.51.100.77"}
    )
    assert "198.51.100.77" not in json.dumps(wire.events())


def test_an_address_the_client_put_in_front_is_not_believed(scene: Scene) -> None:
    request(f"{scene.idp_url}/auth?client_id=spoofed-address", X_Forwarded_For="203.0.113.66, 198.51.100.88")
    line = next(line for line in (scene.folder / "idp" / "audit.ndjson").read_text("utf-8").splitlines() if "spoofed-address" in line)
    assert json.loads(line)["source.ip"] == "198.51.100.88"
