"""Nobody gets into the administration without a token made for it, and nobody beyond what theirs is for.

Precedents: Hydra GO-2026-4807 (SQL in a page token), Keycloak CVE-2026-14209 and CVE-2026-94000 (fine-grained permissions), OWASP
API1:2023. The operations are read from the description that the provider gives of itself: one that is added is attacked too.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.idp.wire import BASE, CONNECT, PERSON, SECRET, Wire, running

pytestmark = pytest.mark.precedent("GO-2026-4807", "CVE-2026-14209", "CVE-2026-94000", "API1:2023")

OWN = "http://127.0.0.1:8801"
SCOPES = (
    *("sessions:read", "sessions:revoke", "accounts:read", "accounts:suspend"),
    *("clients:read", "clients:write", "keys:read", "keys:rotate", "audit:read"),
)
SQL = ("' OR '1'='1", "'; DROP TABLE clients; --", '" OR ""="', "\\'; --", "%' --", "x\u0000y", "1) UNION SELECT document FROM clients --")


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A provider whose administration has a port of its own, with a client that may do everything there."""
    with running(tmp_path_factory.mktemp("administration"), admin_port=8801) as wire:
        machine = wire.call(lambda provider: provider.store.clients.get("machine"))
        assert machine is not None
        wire.call(lambda provider: provider.store.clients.put(replace(machine, scope=frozenset(SCOPES))))
        yield wire


def _token(wire: Wire, *scopes: str) -> dict[str, str]:
    answer = wire.post("token", "machine", grant_type="client_credentials", scope=" ".join(scopes))
    return {"Authorization": f"Bearer {answer.json()['access_token']}", "Idempotency-Key": "k"}


def _operations(wire: Wire) -> list[tuple[str, str]]:
    described = wire.http.get(f"{OWN}/admin/v1/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{client_id}", "baseline"))
        for path, methods in described.items()
        for method in methods
        if path.startswith("/admin/")
    ]


def _scope_of(answer: Any) -> str:
    """The scope that a refusal names."""
    return str(answer.headers["www-authenticate"]).partition('scope="')[2].partition('"')[0]


@pytest.mark.spec("RFC6750-3.1")
def test_every_operation_refuses_everybody_but_a_client_with_its_scope(apart: Wire) -> None:
    person = apart.tokens()
    bad = [None, "", "x", person["access_token"], person["id_token"], person["refresh_token"], "null", "undefined", "Bearer"]
    operations = _operations(apart)
    assert len(operations) >= 11
    for method, path in operations:
        for token in bad:
            headers = {"Idempotency-Key": "k"} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
            assert apart.http.request(method, f"{OWN}{path}", json={}, headers=headers).status_code in (401, 403), (path, token)
        basic = apart.http.request(method, f"{OWN}{path}", json={}, auth=("machine", SECRET))
        assert basic.status_code == 401
        # The scope that it needs is what it names to a token of another one; every other one together does not do.
        asked = apart.http.request(method, f"{OWN}{path}", json={}, headers=_token(apart, "sessions:read"))
        if asked.status_code != 403:
            asked = apart.http.request(method, f"{OWN}{path}", json={}, headers=_token(apart, "sessions:revoke"))
        needed = _scope_of(asked)
        assert needed in SCOPES, path
        others = [scope for scope in SCOPES if scope != needed]
        assert apart.http.request(method, f"{OWN}{path}", json={}, headers=_token(apart, *others)).status_code == 403, path


@pytest.mark.parametrize("path", ["/admin/v1/keys", "/admin/v1/openapi.json", "/admin/", "/metrics", "//admin/v1/keys", "/admin%2fv1/keys"])
def test_the_port_of_the_public_has_none_of_it(apart: Wire, path: str) -> None:
    spoofed = {
        "Host": "127.0.0.1:8801",
        "X-Forwarded-Port": "8801",
        "X-Forwarded-Host": "127.0.0.1:8801",
        "X-Original-URL": "/admin/v1/keys",
    }
    for headers in (_token(apart, "keys:read"), _token(apart, "keys:read") | spoofed):
        for prefix in ("", f"{BASE}/auth/..", f"{BASE}/./"):
            assert apart.http.get(f"{prefix or BASE}{path}", headers=headers).status_code == 404


def test_text_of_a_query_stays_text(apart: Wire) -> None:
    headers = _token(apart, *SCOPES)
    clients = apart.http.get(f"{OWN}/admin/v1/clients", headers=headers).json()
    for text in SQL:
        for path in ("sessions/search", "accounts/search"):
            answer = apart.http.post(f"{OWN}/admin/v1/{path}", json={"national_id": text}, headers=headers)
            assert answer.status_code == 404
        sought = {"from_at": "2026-01-01T00:00:00Z", "client_id": text, "national_id": None, "reference": text}
        assert apart.http.post(f"{OWN}/admin/v1/audit/search", json=sought, headers=headers).json()["events"] == []
        assert (
            apart.http.put(f"{OWN}/admin/v1/clients/{text.encode().hex()}'", json={"client_name": text}, headers=headers).status_code == 422
        )
        ended = {"session_id": text, "reason": text}
        assert apart.http.post(f"{OWN}/admin/v1/revocations", json=ended, headers=headers | {"Idempotency-Key": text[:20].encode().hex()})
        form = {"token": text, "client_id": text}
        assert apart.http.post(f"{CONNECT}/revoke", data=form).status_code == 401
    assert apart.http.get(f"{OWN}/admin/v1/clients", headers=headers).json() == clients


def test_a_client_raises_neither_itself_nor_another(apart: Wire) -> None:
    writer = _token(apart, "clients:write")
    for client_id in ("machine", "baseline", "new"):
        for scope in ("accounts:suspend", "sessions:read keys:rotate", "clients:write audit:read"):
            entry = {"client_name": "X", "grant_types": ["client_credentials"], "scope": scope}
            answer = apart.http.put(f"{OWN}/admin/v1/clients/{client_id}", json=entry, headers=writer)
            assert answer.status_code == 403, (client_id, scope)
    secret = apart.http.post(f"{OWN}/admin/v1/clients/machine/secret", headers=writer)
    assert secret.status_code == 403, "a new secret for a client with more rights would be those rights"


@pytest.mark.spec("RFC9700-4.15.1")
def test_a_token_of_the_administration_is_nobody_s_login(apart: Wire) -> None:
    token = _token(apart, *SCOPES)["Authorization"].partition(" ")[2]
    assert apart.userinfo(token).status_code in (401, 403)
    assert "/login/" in apart.authorize(cookie=f"veilleur_idp_sso={token}").headers["location"]
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token}
    form["subject_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
    assert "error" in apart.post("token", "exchanger", **form).json()
    assert PERSON.given_name not in apart.post("token/introspect", "interface", token=token).text
