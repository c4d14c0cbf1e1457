import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization.request_level import WantedLevel, wanted_level
from idp.errors import InvalidRequest
from tests.idp.wire import client

_NAMES = st.sampled_from(["eidas1", "eidas2", "eidas3", "urn:unknown", ""])


def _asked(**conditions: object) -> dict[str, str]:
    return {"claims": json.dumps({"id_token": {"acr": conditions}})}


@pytest.mark.spec("OIDCC-3.1.2.1", "OIDCC-5.5.1.1")
def test_what_must_be_leaves_no_room_for_what_is_wished() -> None:
    wish = {"acr_values": "eidas1 urn:unknown eidas3"}
    assert wanted_level(wish, client("c")) == WantedLevel((1, 3), essential=False)
    assert wanted_level({**wish, **_asked(essential=True, value="eidas2")}, client("c")) == WantedLevel((2,), essential=True)
    assert wanted_level({**wish, **_asked(value="eidas2")}, client("c")) == WantedLevel((2, 1, 3), essential=False)
    assert wanted_level(_asked(essential=True), client("c")) == WantedLevel((), essential=False)


@pytest.mark.spec("OIDCR-2")
def test_what_a_client_registered_holds_where_the_request_says_nothing() -> None:
    registered = client("c", default_acr_values=("eidas2",))
    assert wanted_level({}, registered).levels == (2,)
    assert wanted_level({"acr_values": "eidas3"}, registered).levels == (3,)


@given(values=st.lists(_NAMES, max_size=4), essential=st.booleans(), wished=st.lists(_NAMES.filter(bool), max_size=3))
def test_only_levels_that_somebody_named_are_wanted(values: list[str], essential: bool, wished: list[str]) -> None:
    found = wanted_level({"acr_values": " ".join(wished), **_asked(essential=essential, values=values)}, client("c"))
    named = {int(name[-1]) for name in (values if essential else [*values, *wished]) if name.startswith("eidas")}
    assert (set(found.levels), found.essential) == (named, essential)


def test_claims_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        wanted_level({"claims": "["}, client("c"))
