"""Nothing may be sent to an address before client and redirect_uri are verified, whatever else is wrong with the request.

Precedents: authlib CVE-2026-41479 (unsupported response_type), CVE-2026-44681 (missing openid scope).
"""

import itertools

import pytest

from tests.idp.wire import REDIRECT, Wire

pytestmark = pytest.mark.precedent("CVE-2026-41479", "CVE-2026-44681")


FAULTS: list[dict[str, str | None]] = [
    {"response_type": "token"},
    {"response_type": "code token"},
    {"response_type": None},
    {"response_mode": "web_message"},
    {"response_mode": "fragment"},
    {"scope": "profile"},
    {"scope": None},
    {"scope": "openid everything"},
    {"prompt": "none"},
    {"prompt": "none login"},
    {"prompt": "nonsense"},
    {"request": "eyJhbGciOiJub25lIn0.e30."},
    {"request_uri": "https://evil.example/request"},
    {"code_challenge_method": "plain"},
    {"code_challenge": None},
    {"max_age": "-1"},
    {"id_token_hint": "x"},
    {"state": "s" * 5000},
]


@pytest.mark.parametrize(("client_id", "redirect_uri"), [("baseline", "https://evil.example/"), ("nobody", REDIRECT), (None, REDIRECT)])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.spec("RFC9700-4.11.2")
def test_a_second_fault_does_not_open_a_redirect(
    shared: Wire, client_id: str | None, redirect_uri: str, fault: dict[str, str | None]
) -> None:
    for cookie, method in itertools.product(("", shared.log_in()), ("GET", "POST")):
        answer = shared.walked(
            shared.authorize(cookie=cookie, method=method, **{"client_id": client_id, "redirect_uri": redirect_uri, **fault})
        )
        assert answer.status_code == 400
        assert "location" not in answer.headers


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.spec("RFC9207-2")
def test_to_the_verified_client_every_refusal_carries_the_issuer(shared: Wire, fault: dict[str, str | None]) -> None:
    location = shared.authorize(**fault).headers["location"]
    assert location.startswith(f"{REDIRECT}?error=")
    assert "iss=http" in location
    assert "code=" not in location


def test_a_disabled_client_is_a_page(wire: Wire) -> None:
    from tests.idp.wire import client

    wire.call(lambda provider: provider.store.clients.put(client("baseline", disabled=True)))
    assert "location" not in wire.authorize(cookie=wire.log_in()).headers
