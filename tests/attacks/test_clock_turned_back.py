"""Time does not go back, and what has ended stays ended.

Precedents: one-time values accepted again after a clock was set back (RFC6238-5.2, RFC9449-11.1).
"""

import pytest

from tests.idp.endpoints.login_flow import CAMILLE, Provider
from tests.idp.wire import Wire

pytestmark = pytest.mark.precedent("RFC6238-5.2", "RFC9449-11.1")


@pytest.mark.parametrize("at", ["2026-11-22T19:59:59Z", "1970-01-01T00:00:00Z", "2026-11-22T20:59:59+01:00", "0001-01-01T00:00:00Z"])
def test_the_clock_of_a_demonstration_is_not_set_back(provider: Provider, at: str) -> None:
    before = provider.state.clock()
    assert provider.control("PUT", "clock", {"at": at}).status_code == 409
    assert provider.state.clock() == before


@pytest.mark.parametrize(
    "document", [{"at": "2026-11-22T21:00:00"}, {"at": "soon"}, {"at": 10**30}, {}, {"at": "2027-01-01T00:00:00Z", "follow": "wall"}]
)
def test_an_instant_that_is_none_is_refused(provider: Provider, document: dict[str, object]) -> None:
    assert provider.control("PUT", "clock", document).status_code in (409, 422)


def test_following_the_wall_again_does_not_go_back(provider: Provider) -> None:
    assert provider.control("PUT", "clock", {"at": "2026-11-22T21:00:00Z"}).status_code == 200
    assert provider.control("PUT", "clock", {"follow": "wall"}).status_code == 409


def test_a_wall_clock_that_was_set_back_revives_nothing_that_was_used(wire: Wire) -> None:
    code = wire.code()
    tokens = wire.redeem(code).json()
    rotated = wire.refresh(tokens["refresh_token"]).json()
    wire.wall.advance(-3600)
    assert wire.redeem(code).status_code == 400
    assert wire.refresh(tokens["refresh_token"]).status_code == 400
    assert wire.refresh(rotated["refresh_token"]).status_code == 400
    assert wire.userinfo(rotated["access_token"]).status_code == 401


def test_a_proof_of_a_phone_is_not_accepted_again_after_a_step_back(provider: Provider) -> None:
    phone = provider.phone(CAMILLE)
    proof = phone.proof("GET", "http://127.0.0.1:8800/phone/api/approvals")
    assert phone.send("GET", "/phone/api/approvals", proof=proof).status_code == 200
    provider.wall.advance(-30)
    assert phone.send("GET", "/phone/api/approvals", proof=proof).status_code == 401
