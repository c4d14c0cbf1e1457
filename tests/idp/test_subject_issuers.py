"""Tokens of another provider, exchanged: its introspection endpoint is a real server on loopback."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from idp.errors import OperationError
from idp.model import AccountState
from idp.subject_issuers import read_subject_issuers
from tests.idp.wire import PERSON, Wire, claims_of, client, running

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
API, PSC = "https://medicaments.example/fhir", "https://psc.example/auth/realms/esante-wallet"


class _Psc:
    """Pro Santé Connect's introspection, as far as an exchange sees it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.status, self.document = 200, dict[str, Any]()

    @contextmanager
    def serving(self) -> Iterator[str]:
        psc = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                psc.asked.append((self.headers["authorization"], form["token"][0]))
                body = json.dumps(psc.document).encode()
                self.send_response(psc.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token/introspect"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Trust:
    """The provider as authorization server of an interface, with PSC in front of it."""

    def __init__(self, wire: Wire, psc: _Psc) -> None:
        self.wire, self.psc = wire, psc
        at = int(wire.wall().timestamp())
        psc.document = {
            "active": True,
            "iss": PSC,
            "typ": "Bearer",
            "azp": "lps-at-psc",
            "exp": at + 30,
            "auth_time": at - 5,
            "acr": "eidas2",
            "SubjectNameID": PERSON.national_id,
        }

    def exchange(self, client_id: str = "proxy", **changed: str | None) -> Any:
        form = {
            "grant_type": EXCHANGE,
            "subject_token": "token-of-psc",
            "subject_issuer": "psc",
            "scope": "drugs:read",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": API,
            **changed,
        }
        return self.wire.post("token", client_id, **form)


@pytest.fixture
def trust(tmp_path: Path) -> Iterator[_Trust]:
    psc = _Psc()
    with psc.serving() as endpoint:
        (tmp_path / "secret").write_text("s3cret\n", "utf-8")
        entry = {"name": "psc", "issuer": PSC, "introspection_endpoint": endpoint, "client_id": "as", "client_secret_file": "secret"}
        (tmp_path / "issuers.yaml").write_text(json.dumps({"subject_issuers": [{**entry, "clients": ["lps-at-psc"]}]}), "utf-8")
        with running(tmp_path / "idp", subject_issuers_file=tmp_path / "issuers.yaml", outbound_loopback=True) as wire:
            members: dict[str, Any] = {"grant_types": (EXCHANGE, "refresh_token"), "scope": frozenset({"openid", "identity", "drugs:read"})}
            proxy = client("proxy", **members, resources=(API,), exchange_subject_issuers=("psc",))
            for registered in (proxy, replace(proxy, client_id="other", exchange_subject_issuers=())):
                wire.register(registered)
            yield _Trust(wire, psc)


@pytest.mark.spec("RFC8693-2.1", "RFC7662-2.1", "PSC-8.1", "PSC-8.2")
def test_a_token_of_pro_sante_connect_becomes_one_of_an_interface_and_lives_no_longer(trust: _Trust) -> None:
    answer = trust.exchange()
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "refresh_token" not in body
    claims = claims_of(body["access_token"])
    assert (claims["aud"], claims["acr"], claims["exp"] - claims["iat"]) == (API, "eidas2", 30)
    assert trust.psc.asked == [(f"Basic {base64.b64encode(b'as:s3cret').decode()}", "token-of-psc")]
    document = trust.wire.post("token/introspect", "proxy", token=body["access_token"]).json()
    assert (document["active"], document["scope"], document["aud"]) == (True, "drugs:read", API)
    [event] = trust.wire.events("access_token.issued")
    assert (event["user.id"], event["health.grant.type"]) == (PERSON.national_id, EXCHANGE)
    assert "token-of-psc" not in str(trust.wire.events())


@pytest.mark.spec("RFC8693-2.2.2")
@pytest.mark.parametrize(
    "changed",
    [
        {"active": False},
        {"active": "true"},
        {"iss": "https://evil.example"},
        {"azp": "another-client"},
        {"typ": "Refresh"},
        {"exp": 1},
        {"exp": None},
        {"SubjectNameID": None},
        {"SubjectNameID": "899700001003"},
    ],
)
def test_what_its_provider_does_not_vouch_for_is_one_and_the_same_refusal(trust: _Trust, changed: dict[str, Any]) -> None:
    trust.psc.document |= changed
    answer = trust.exchange()
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "the subject_token does not count here: it must be live, and of a client that this one may exchange for",
        },
    )
    [event] = trust.wire.events("access_token.refused")
    assert "subject_token" in event["event.reason"]


def test_only_clients_registered_for_it_and_only_known_issuers(trust: _Trust) -> None:
    assert trust.exchange("other").json()["error"] == "invalid_request"
    assert trust.exchange(subject_issuer="google").json()["error"] == "invalid_request"
    assert trust.exchange(subject_token=None).json()["error"] == "invalid_request"
    assert trust.exchange(scope="openid").json()["error"] == "invalid_scope"
    assert trust.exchange(scope="identity").json()["error"] == "invalid_scope"
    assert trust.psc.asked == [("Basic " + base64.b64encode(b"as:s3cret").decode(), "token-of-psc")] * 2


def test_a_provider_that_does_not_answer_is_said_to_be_so_and_no_token_is_given(trust: _Trust) -> None:
    trust.psc.status = 500
    assert (trust.exchange().status_code, trust.exchange().json()["error"]) == (503, "temporarily_unavailable")


def test_somebody_suspended_here_gets_nothing(trust: _Trust) -> None:
    trust.wire.call(lambda provider: provider.store.accounts.put(replace(PERSON, state=AccountState.SUSPENDED)))
    assert trust.exchange().json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "text",
    [
        "subject_issuers: [{name: a, issuer: b, introspection_endpoint: 'https://c', client_id: d, clients: []}]",
        "subject_issuers: [{name: a, issuer: b, introspection_endpoint: 'https://c', client_id: d, clients: [], "
        "client_certificate_file: issuers.yaml, client_key_file: issuers.yaml}]",
        "",
        "subject_issuers: 3",
        "subject_issuers: [{name: psc}]",
        "[",
        "subject_issuers: [{introspection_endpoint: x}]",
    ],
)
def test_a_file_with_a_fault_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "issuers.yaml").write_text(text, "utf-8")
    with pytest.raises(OperationError, match="issuers.yaml"):
        read_subject_issuers(tmp_path / "issuers.yaml")
