import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization import Grant
from idp.errors import InvalidRequest
from tests.idp.authorization.walk import ask, decide

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.spec("OIDCC-5.5")
def test_members_of_both_places_are_noted_whatever_their_conditions() -> None:
    claims = {"id_token": {"name": None, "given_name": {"essential": True}, "x": {"values": ["a"], "more": 1}}, "userinfo": {"name": None}}
    decision = decide(claims=json.dumps(claims))
    assert isinstance(decision, Grant)
    assert decision.id_token_claims == {"name", "given_name", "x"}
    assert decision.userinfo_claims == {"name"}
    assert isinstance(decide(claims='{"other": 3}'), Grant)


@pytest.mark.spec("OIDCC-5.5", "OIDCC-5.5.1")
@pytest.mark.parametrize(
    "claims",
    [
        "x",
        "[]",
        "3",
        '{"id_token": []}',
        '{"userinfo": "name"}',
        '{"id_token": {"name": true}}',
        '{"id_token": {"acr": {"essential": "true"}}}',
        '{"id_token": {"acr": {"values": "eidas1"}}}',
        '{"userinfo": {"sub": {"value": {}}}}',
        "[" * 1500,
        '{"id_token": {"name": "\\ud800"}}',
    ],
    ids=lambda text: text[:40],
)
def test_another_shape_is_refused_with_its_place(claims: str) -> None:
    with pytest.raises(InvalidRequest, match="claims"):
        decide(claims=claims)


@given(st.dictionaries(st.sampled_from(["id_token", "userinfo", "x"]), _json))
def test_whatever_json_comes_is_read_or_refused(document: object) -> None:
    text = json.dumps(document)
    try:
        decide(claims=text)
    except InvalidRequest:
        return
    assert ask(claims=text).get("claims") == text
