from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.model import Grant, Profile
from idp.profiles import Rules, rules_of
from idp.tokens.told import as_told
from tests.idp.wire import START, client

GRANT = Grant(
    id="g",
    client_id="c",
    account_id="a",
    session_id="s",
    scope=frozenset({"openid"}),
    nonce=None,
    acr="eidas2",
    amr=("hwk", "pin"),
    method="device",
    auth_time=START,
    created_at=START,
    acr_requested="eidas1",
)
TREE = {
    "acr": "eidas2",
    "given_name": "CAMILLE",
    "email_verified": False,
    "SubjectRefPro": {"codeCivilite": "MME", "exercices": [{"codeProfession": "10", "codeSavoirFaire": "SM54"}]},
}
#: Any JSON object.
DOCUMENTS = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def _rules(**quirks: str) -> Rules:
    return rules_of(client("c", profile=Profile.PSC, quirks=quirks))


@given(DOCUMENTS)
def test_a_client_without_such_switches_is_told_what_is_so(claims: dict[str, Any]) -> None:
    assert as_told(claims, GRANT, _rules()) == claims


@pytest.mark.parametrize(("told", "acr"), [("reached", "eidas2"), ("requested", "eidas1"), ("eidas3", "eidas3")])
def test_the_level_is_the_one_that_the_switch_names(told: str, acr: str) -> None:
    assert as_told(TREE, GRANT, _rules(acr_told=told))["acr"] == acr


def test_a_level_that_nobody_asked_for_is_the_one_reached() -> None:
    assert as_told(TREE, replace(GRANT, acr_requested=None), _rules(acr_told="requested"))["acr"] == "eidas2"


def test_a_level_is_left_out_and_never_added() -> None:
    assert "acr" not in as_told(TREE, GRANT, _rules(acr_told="absent"))
    assert as_told({"sub": "s"}, GRANT, _rules(acr_told="eidas3")) == {"sub": "s"}


def test_claims_are_left_out_and_emptied_at_any_depth() -> None:
    told = as_told(TREE, GRANT, _rules(claims_left_out="codeProfession email_verified", claims_emptied="given_name codeSavoirFaire"))
    assert told == {
        "acr": "eidas2",
        "given_name": "",
        "SubjectRefPro": {"codeCivilite": "MME", "exercices": [{"codeSavoirFaire": ""}]},
    }
    assert as_told(TREE, GRANT, _rules(claims_emptied="exercices"))["SubjectRefPro"]["exercices"] == []


@given(DOCUMENTS, st.lists(st.text("abc", min_size=1, max_size=2), max_size=3))
def test_no_name_that_is_left_out_remains_anywhere(claims: dict[str, Any], names: list[str]) -> None:
    told = as_told(claims, GRANT, _rules(claims_left_out=" ".join(names)))
    assert not set(names) & set(_names(told))


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(name for member in value.values() for name in _names(member))]
    return [name for member in value for name in _names(member)] if isinstance(value, list) else []
