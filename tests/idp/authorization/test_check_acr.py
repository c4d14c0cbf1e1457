import json
from dataclasses import replace
from typing import Any

import pytest

from idp.authorization import Decision, Grant, Login
from idp.errors import LoginRequired, UnmetAuthenticationRequirements
from tests.idp.authorization.walk import INTERACTION, SESSION, decide

STRANGER = {"session": None, "account": None}


def _at(acr: str, *, loaded: dict[str, Any] | None = None, **parameters: str) -> Decision:
    return decide(loaded={"session": replace(SESSION, acr=acr), **(loaded or {})}, **parameters)


def _essential(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-5.5.1.1")
@pytest.mark.parametrize("acr_values", ["eidas1", "eidas2", "eidas3 eidas1", "eidas3", "urn:unknown", "0"])
def test_a_session_that_reaches_the_lowest_level_or_our_best_is_used(acr_values: str) -> None:
    decision = _at("eidas2", acr_values=acr_values)
    assert isinstance(decision, Grant)
    assert decision.acr == "eidas2"


@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-5.5.1.1")
def test_a_session_below_a_level_we_can_reach_is_raised() -> None:
    assert _at("eidas1", acr_values="eidas2") == Login(("acr",))
    assert _at("eidas1", claims='{"id_token": {"acr": {"value": "eidas2"}}}') == Login(("acr",))
    assert _at("eidas1", claims=_essential("eidas2", "eidas3")) == Login(("acr",))


def test_a_login_that_did_not_raise_it_is_not_asked_for_again() -> None:
    assert isinstance(_at("eidas1", acr_values="eidas2", loaded={"interaction": INTERACTION}), Grant)
    with pytest.raises(UnmetAuthenticationRequirements):
        _at("eidas1", claims=_essential("eidas2"), loaded={"interaction": INTERACTION})


@pytest.mark.spec("OIDCC-5.5.1.1", "OIDCUAR-3")
@pytest.mark.parametrize("loaded", [{}, STRANGER, {"pushing": True}], ids=["session", "stranger", "pushed"])
@pytest.mark.parametrize("claims", [_essential("eidas3"), _essential("urn:unknown"), _essential()])
def test_an_essential_level_that_nobody_here_reaches_ends_it_before_a_login(claims: str, loaded: dict[str, Any]) -> None:
    with pytest.raises(UnmetAuthenticationRequirements):
        decide(claims=claims, loaded=loaded)


@pytest.mark.spec("OIDCC-5.5.1.1")
def test_an_essential_level_is_told_as_one_of_those_asked_for() -> None:
    for values, told in ((("eidas1",), "eidas1"), (("eidas3", "eidas2", "eidas1"), "eidas2"), (("eidas2",), "eidas2")):
        decision = _at("eidas2", claims=_essential(*values))
        assert isinstance(decision, Grant)
        assert decision.acr == told
    assert isinstance(_at("eidas2", claims='{"id_token": {"acr": {"essential": true}}}'), Grant)


@pytest.mark.spec("OIDCC-3.1.2.6")
def test_prompt_none_does_not_raise_a_session() -> None:
    with pytest.raises(LoginRequired):
        _at("eidas1", acr_values="eidas2", prompt="none")
