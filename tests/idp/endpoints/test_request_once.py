"""Shown over the wire by the tests of the two endpoints; here what the browser alone cannot show."""

from datetime import timedelta

import pytest

from idp.endpoints.request_once import answers_pushed, find_pushed
from idp.model import PushedRequest
from tests.idp.wire import START, Wire


@pytest.mark.spec("RFC9126-7.3")
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"client_id": "baseline"},
        {"client_id": "baseline", "request_uri": "urn:ietf:params:oauth:request_uri:"},
        {"client_id": "baseline", "request_uri": "https://service.example/"},
    ],
    ids=str,
)
def test_what_names_no_pushed_request_finds_none(wire: Wire, parameters: dict[str, str]) -> None:
    assert wire.call(lambda provider: find_pushed(provider, parameters, None)) is None


@pytest.mark.spec("RFC9126-7.3", "FAPI2SP-5.3.2.2")
def test_what_was_pushed_is_answered_once_and_what_was_not_pushed_always(wire: Wire) -> None:
    pushed = PushedRequest(request_hash="h", client_id="baseline", parameters={}, expires_at=START + timedelta(seconds=90))
    wire.call(lambda provider: provider.store.pushed_requests.put(pushed))
    assert [wire.call(lambda provider: answers_pushed(provider, "h")) for _ in range(3)] == [True, False, False]
    assert wire.call(lambda provider: answers_pushed(provider, None))
