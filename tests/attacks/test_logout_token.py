"""A token that ends sessions is good for nothing else, and an address to send it to leads nowhere of ours.

Precedents: cross-JWT confusion (RFC8725-3.11), Keycloak CVE-2026-18569 (forged logout tokens) and CVE-2026-4874 (host of
a logout address), OpenID Connect Back-Channel Logout §4.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from idp import signals
from idp.endpoints.doors import signal_services
from idp.provider import Provider
from idp.registration import RegistrationError, parse_client
from tests.attacks.trap import trap
from tests.idp.endpoints.signals_flow import PUSH, Receiver
from tests.idp.test_outbound import listening
from tests.idp.wire import CONNECT, PERSON, Wire, client, query_of, running


async def _tell(provider: Provider) -> None:
    services = signal_services(provider)
    await signals.spread(services)
    await signals.deliver(services)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Wire, str]]:
    """A provider, and a logout token that it has sent."""
    with running(tmp_path, outbound_loopback=True) as wire, listening() as (url, heard):
        registered = client("told", profile="baseline", backchannel_logout_uri=url, id_token_signed_response_alg="RS256")
        wire.call(lambda provider: provider.store.clients.put(registered))
        hint = wire.tokens("told")["id_token"]
        wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": hint})
        wire.call(_tell)
        [token] = parse_qs(heard.get(timeout=5)["body"])["logout_token"]
        yield wire, token


@pytest.mark.spec("OIDCBCL-4", "RFC8725-3.11")
@pytest.mark.precedent("CVE-2026-18569", "RFC8725-3.11")
def test_a_logout_token_is_neither_an_id_token_nor_an_access_token(told: tuple[Wire, str]) -> None:
    wire, token = told
    cookie = wire.log_in("again")
    hinted = wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": token}, headers={"Cookie": cookie}, follow_redirects=False)
    assert (hinted.status_code, hinted.headers.get("location")) == (400, None)
    assert "error" in query_of(wire.authorize("told", cookie=cookie, prompt="none", id_token_hint=token))
    assert wire.userinfo(token).status_code == 401
    assert wire.post("token/introspect", "told", token=token).json() == {"active": False}
    for path in ("/admin/v1/sessions/search", "/ssf/v1/stream"):
        assert wire.http.post(path, json={}, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    exchange = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token}
    exchange["subject_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
    assert wire.post("token", "exchanger", **exchange).status_code == 400


@pytest.mark.spec("RFC8725-3.11", "SSF-4.1")
@pytest.mark.precedent("CVE-2026-18569", "RFC8725-3.11")
def test_a_security_event_is_neither_an_id_token_nor_an_access_token(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    wire.log_in()

    async def revoke(provider: Provider) -> None:
        await provider.store.revocations.revoke_account(PERSON.id, provider.clock())
        await _tell(provider)

    wire.call(revoke)
    [token] = receiver.poll(stream)["sets"].values()
    assert wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": token}, follow_redirects=False).status_code == 400
    assert wire.userinfo(token).status_code == 401
    assert wire.post("token/introspect", token=token).json() == {"active": False}


#: How this machine is written by who wants to reach it from inside.
LOCAL = ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"]


@pytest.mark.parametrize("host", LOCAL)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.precedent("CVE-2026-4874")
def test_a_logout_address_on_this_machine_is_never_reached(wire: Wire, host: str, scheme: str) -> None:
    with trap() as inside:
        registered = client("told", backchannel_logout_uri=f"{scheme}://{host}:{inside.port}/admin/v1/revocations")
        wire.call(lambda provider: provider.store.clients.put(registered))
        wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": wire.tokens("told")["id_token"]})
        while not wire.events("backchannel_logout.attempted"):
            wire.call(_tell)
        assert not inside.sprung()
    [attempt] = wire.events("backchannel_logout.attempted")
    assert attempt["event.outcome"] == "failure"


@pytest.mark.parametrize("host", LOCAL[:4])
@pytest.mark.precedent("CVE-2026-4874")
def test_a_stream_s_address_on_this_machine_is_never_reached(wire: Wire, host: str) -> None:
    with trap() as inside:
        receiver = Receiver(wire)
        stream = receiver.stream(delivery={"method": PUSH, "endpoint_url": f"https://{host}:{inside.port}/"})
        receiver.send("POST", "verification", {"stream_id": stream["stream_id"]})
        while not wire.events("security_event.attempted"):
            wire.call(_tell)
        assert not inside.sprung()


@pytest.mark.parametrize("name", ["backchannel_logout_uri", "frontchannel_logout_uri"])
@pytest.mark.parametrize(
    "uri", ["http://10.0.0.1/", "javascript:alert(1)", "file:///etc/passwd", "gopher://127.0.0.1:6379/", "//evil.example/"]
)
@pytest.mark.precedent("CVE-2026-4874")
def test_an_address_that_is_no_https_cannot_be_registered(name: str, uri: str) -> None:
    entry: dict[str, Any] = {"client_id": "c", "client_name": "C", "redirect_uris": ["https://service.example/retour"], name: uri}
    with pytest.raises(RegistrationError, match=name):
        parse_client(entry, "clients.yaml")


@pytest.mark.precedent("CVE-2026-4874")
def test_what_a_service_answers_reaches_nobody(tmp_path: Path) -> None:
    secret = b"internal secret of the service"
    with running(tmp_path, outbound_loopback=True) as wire, listening(400, {}, secret) as (url, heard):
        wire.call(lambda provider: provider.store.clients.put(client("told", backchannel_logout_uri=url)))
        page = wire.http.get(f"{CONNECT}/logout", params={"id_token_hint": wire.tokens("told")["id_token"]})
        wire.call(_tell)
        heard.get(timeout=5)
        token = wire.post("token", "machine", grant_type="client_credentials", scope="sessions:read").json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        listed = wire.http.post("/admin/v1/sessions/search", json={"national_id": PERSON.national_id}, headers=headers)
        assert listed.json()["notices"][0]["fault"] == "the service answered 400"
        assert secret.decode() not in f"{page.text}{listed.text}{wire.events()}"
