import sqlite3
from pathlib import Path
from typing import Any

import pytest

from idp import signals
from idp.endpoints.doors import signal_services
from idp.provider import Provider
from tests.idp.endpoints.signals_flow import CREDENTIAL_CHANGE, POLL, PUSH, SESSION_REVOKED, VERIFICATION, Receiver
from tests.idp.wire import BASE, ISSUER, PERSON, Wire

PUSHED = {"delivery": {"method": PUSH, "endpoint_url": "https://receiver.example/events", "authorization_header": "Bearer s3cret"}}


@pytest.mark.spec("SSF-7.1", "SSF-7.2.1")
def test_the_metadata_says_what_is_served_and_nothing_else(wire: Wire) -> None:
    here, bare = (wire.http.get(f"/.well-known/ssf-configuration{end}") for end in ("/auth/realms/esante-wallet", ""))
    document = here.json()
    assert document == bare.json()
    assert (document["issuer"], document["spec_version"]) == (ISSUER, "1_0")
    assert document["delivery_methods_supported"] == [PUSH, POLL]
    assert "add_subject_endpoint" not in document
    for name in ("configuration_endpoint", "status_endpoint", "jwks_uri"):
        assert wire.http.get(document[name]).status_code in (200, 401), name
    assert wire.http.post(document["verification_endpoint"]).status_code == 401


@pytest.mark.spec("SSF-8.1.1")
def test_a_client_makes_reads_changes_and_deletes_its_stream(wire: Wire) -> None:
    receiver = Receiver(wire)
    assert receiver.send("GET", "stream").json() == []
    made = receiver.stream(**PUSHED, events_requested=[SESSION_REVOKED, "https://unknown.example"], description="veille")
    assert (made["iss"], made["aud"]) == (ISSUER, "receiver")
    assert made["delivery"] == {"method": PUSH, "endpoint_url": "https://receiver.example/events"}, "its secret is not shown again"
    assert made["events_delivered"] == made["events_requested"] == [SESSION_REVOKED]
    assert receiver.send("POST", "stream", PUSHED).status_code == 409
    assert receiver.send("GET", "stream").json() == [made]
    assert receiver.send("GET", "stream", stream_id=made["stream_id"]).json() == made
    patched = receiver.send("PATCH", "stream", {"stream_id": made["stream_id"], "description": "autre"}).json()
    assert patched == {**made, "description": "autre"}
    replaced = receiver.send("PUT", "stream", {"stream_id": made["stream_id"]}).json()
    assert replaced["delivery"] == {"method": POLL, "endpoint_url": f"{BASE}/ssf/v1/poll/{made['stream_id']}"}
    assert replaced["events_requested"] == [SESSION_REVOKED, CREDENTIAL_CHANGE]
    assert receiver.send("DELETE", "stream", stream_id=made["stream_id"]).status_code == 204
    assert receiver.send("GET", "stream", stream_id=made["stream_id"]).status_code == 404
    assert [event["event.reason"].split(" ", 1)[1] for event in wire.events("event_stream.changed")] == [
        "created",
        "changed",
        "changed",
        "deleted",
    ]
    assert "s3cret" not in str(wire.events())


def test_a_receiver_s_secret_is_sealed_where_it_is_kept(wire: Wire, tmp_path: Path) -> None:
    Receiver(wire).stream(**PUSHED)
    with sqlite3.connect(tmp_path / "idp.sqlite") as file:
        [(document,)] = file.execute("SELECT document FROM streams")
    assert b"s3cret" not in document
    assert b"sealed_authorization" in document


@pytest.mark.spec("SSF-8.1.1", "RFC6750-3.1")
def test_a_stream_is_its_client_s_alone(wire: Wire) -> None:
    stream = Receiver(wire).stream()["stream_id"]
    thief = Receiver(wire, "thief")
    for method, path, document in (
        ("PATCH", "stream", {"stream_id": stream, "delivery": {"method": PUSH, "endpoint_url": "https://evil.example/"}}),
        ("POST", "status", {"stream_id": stream, "status": "disabled"}),
        ("POST", "verification", {"stream_id": stream}),
        ("POST", f"poll/{stream}", {"returnImmediately": True}),
    ):
        assert thief.send(method, path, document).status_code == 404
    for method, path in (("GET", "stream"), ("DELETE", "stream"), ("GET", "status")):
        assert thief.send(method, path, stream_id=stream).status_code == 404


@pytest.mark.spec("SSF-8.1.1", "RFC6750-3.1")
def test_reading_needs_one_scope_and_changing_another(wire: Wire) -> None:
    reader = Receiver(wire, scope="ssf.read")
    assert reader.send("GET", "stream").status_code == 200
    refused = reader.send("POST", "stream", {})
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    nobody = wire.post("token", "machine", grant_type="client_credentials", scope="sessions:read").json()["access_token"]
    headers = {"Authorization": f"Bearer {nobody}"}
    assert wire.http.get("/ssf/v1/stream", headers=headers).status_code == 403
    assert wire.http.get("/ssf/v1/stream").status_code == 401


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"delivery": {"method": "urn:other"}}, "delivery.method"),
        ({"delivery": "x"}, "delivery.method"),
        ({"delivery": {"method": PUSH}}, "endpoint_url"),
        ({"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example/"}}, "https"),
        ({"delivery": {"method": PUSH, "endpoint_url": "https://receiver.example/#x"}}, "fragment"),
        ({"delivery": {**PUSHED["delivery"], "authorization_header": "a\r\nX: y"}}, "authorization_header"),
        ({"delivery": {**PUSHED["delivery"], "authorization_header": 3}}, "authorization_header"),
        ({"events_requested": "all"}, "events_requested"),
        ({"description": "x" * 501}, "description"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(wire: Wire, document: Any, named: str) -> None:
    answer = Receiver(wire).send("POST", "stream", document)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert named in answer.json()["error_description"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_a_body_that_is_no_object_is_refused(wire: Wire, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {Receiver(wire).token}"}
    assert wire.http.post("/ssf/v1/stream", content=body, headers=headers).status_code == 400


async def _spread(provider: Provider) -> None:
    await signals.spread(signal_services(provider))


async def _revoke(provider: Provider) -> None:
    await provider.store.revocations.revoke_account(PERSON.id, provider.clock())
    await _spread(provider)


@pytest.mark.spec("SSF-8.1.2.1")
@pytest.mark.parametrize(("status", "kept"), [("paused", 1), ("disabled", 0)])
def test_a_paused_stream_keeps_its_events_and_a_disabled_one_does_not(wire: Wire, status: str, kept: int) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream()
    changed = receiver.send("POST", "status", {"stream_id": stream["stream_id"], "status": status, "reason": "maintenance"})
    assert changed.json() == {"stream_id": stream["stream_id"], "status": status, "reason": "maintenance"}
    assert receiver.send("GET", "status", stream_id=stream["stream_id"]).json() == changed.json()
    wire.log_in()
    wire.call(_revoke)
    assert receiver.poll(stream) == {"sets": {}}
    receiver.send("POST", "status", {"stream_id": stream["stream_id"], "status": "enabled"})
    assert len(receiver.poll(stream)["sets"]) == kept
    assert receiver.send("POST", "status", {"stream_id": stream["stream_id"], "status": "asleep"}).status_code == 400


@pytest.mark.spec("SSF-8.1.4.2")
def test_a_verification_comes_back_with_its_state_once_a_minute(wire: Wire) -> None:
    receiver = Receiver(wire)
    stream = receiver.stream(events_requested=[])
    ask = {"stream_id": stream["stream_id"], "state": "s-1"}
    assert receiver.send("POST", "verification", ask).status_code == 204
    again = receiver.send("POST", "verification", ask)
    assert (again.status_code, again.headers["retry-after"]) == (429, "60")
    [token] = receiver.poll(stream)["sets"].values()
    said = receiver.read(token)
    assert said["events"] == {VERIFICATION: {"state": "s-1"}}
    assert said["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    wire.wall.advance(60)
    assert receiver.send("POST", "verification", ask).status_code == 204
