"""Shown over the wire by the tests of the two endpoints; here what the browser alone cannot show."""

import pytest

from idp.endpoints.request_once import take_pushed
from tests.idp.wire import Wire


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
    assert wire.call(lambda provider: take_pushed(provider, parameters)) is None
