from dataclasses import replace

import pytest

from idp.authorization import Decision, Grant, Login
from tests.idp.authorization.walk import SESSION, decide


def _with_session_at(acr: str, acr_values: str) -> Decision:
    return decide(acr_values=acr_values, loaded={"session": replace(SESSION, acr=acr)})


@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-5.5.1.1")
@pytest.mark.parametrize("acr_values", ["eidas1", "eidas2", "eidas3 eidas1", "eidas3", "urn:unknown", "0"])
def test_a_session_that_reaches_the_lowest_level_or_our_best_is_used(acr_values: str) -> None:
    assert isinstance(_with_session_at("eidas2", acr_values), Grant)


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_a_session_below_a_level_we_can_reach_is_raised() -> None:
    assert _with_session_at("eidas1", "eidas2") == Login(("acr",))
