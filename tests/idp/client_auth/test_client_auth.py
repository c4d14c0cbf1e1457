"""What holds for every way a client proves itself."""

import base64
from dataclasses import replace

import pytest

from tests.idp.wire import CONNECT, SECRET, Wire, client

GRANT = {"grant_type": "client_credentials"}


def _basic(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def _refused(wire: Wire, headers: dict[str, str] | None = None, **form: str) -> dict[str, str]:
    answer = wire.http.post(f"{CONNECT}/token", data=GRANT | form, headers=headers or {})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    return dict(answer.headers)


@pytest.mark.spec("RFC6749-2.3")
def test_two_methods_at_once_are_refused(wire: Wire) -> None:
    _refused(wire, _basic(f"machine:{SECRET}"), client_id="machine", client_secret=SECRET)


@pytest.mark.spec("RFC6749-2.3")
def test_another_method_than_the_registered_one_is_refused(wire: Wire) -> None:
    _refused(wire, client_id="machine", client_secret=SECRET)
    _refused(wire, client_id="machine")


@pytest.mark.spec("RFC6749-5.2")
def test_a_refused_basic_header_is_answered_with_a_challenge(wire: Wire) -> None:
    assert _refused(wire, _basic("machine:wrong"))["www-authenticate"].startswith("Basic")
    assert "www-authenticate" not in _refused(wire)


def test_an_unknown_client_and_a_wrong_secret_get_the_same_answer(wire: Wire) -> None:
    answers = [wire.http.post(f"{CONNECT}/token", data=GRANT, headers=_basic(c)) for c in ("nobody:x", "machine:x")]
    assert answers[0].content == answers[1].content
    reasons = [event["event.reason"] for event in wire.events("client.refused")]
    assert reasons == ["unknown or disabled client", "wrong client_secret"]


def test_a_disabled_client_is_refused(wire: Wire) -> None:
    machine = client("machine", grant_types=("client_credentials",), disabled=True)
    wire.call(lambda provider: provider.store.clients.put(machine))
    _refused(wire, _basic(f"machine:{SECRET}"))


def test_a_client_id_that_differs_from_the_credentials_is_refused(wire: Wire) -> None:
    _refused(wire, _basic(f"machine:{SECRET}"), client_id="baseline")


@pytest.mark.spec("RFC6749-2.3.1")
def test_failures_are_limited_per_client_and_address(wire: Wire) -> None:
    for _ in range(20):
        _refused(wire, _basic("machine:wrong"))
    limited = wire.http.post(f"{CONNECT}/token", data=GRANT, headers=_basic(f"machine:{SECRET}"))
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 0
    assert wire.post("token", "baseline", grant_type="refresh_token", refresh_token="x").status_code == 400
    wire.wall.advance(15 * 60)
    assert wire.http.post(f"{CONNECT}/token", data=GRANT, headers=_basic(f"machine:{SECRET}")).status_code == 200


def test_a_client_without_secret_cannot_use_an_empty_one(wire: Wire) -> None:
    wire.call(lambda provider: provider.store.clients.put(replace(client("machine"), client_secret_hash=None)))
    _refused(wire, _basic("machine:"))
