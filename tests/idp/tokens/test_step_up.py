from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.tokens.step_up import ACR_LEVELS, LoginRequirement
from tests.idp.wire import START


@pytest.mark.spec("RFC9470-3")
@given(st.sampled_from([*ACR_LEVELS, None]), st.sampled_from([*ACR_LEVELS, "other", None]))
def test_a_level_is_met_by_itself_and_by_every_higher_one(needed: str | None, reached: str | None) -> None:
    met = LoginRequirement(acr=needed).is_met(acr=reached, auth_time=START, now=START)
    assert met == (needed is None or (reached in ACR_LEVELS and reached >= needed))


@pytest.mark.spec("RFC9470-3")
def test_an_age_is_met_up_to_itself_and_never_by_a_login_that_nobody_knows() -> None:
    needs = LoginRequirement(max_age=timedelta(minutes=1))
    assert needs.is_met(acr=None, auth_time=START, now=START + timedelta(seconds=60))
    assert not needs.is_met(acr=None, auth_time=START, now=START + timedelta(seconds=61))
    assert not needs.is_met(acr=None, auth_time=None, now=START)
    assert LoginRequirement().is_met(acr=None, auth_time=None, now=START)


@pytest.mark.spec("RFC9470-4")
def test_what_is_needed_is_said_as_the_authorization_endpoint_takes_it() -> None:
    assert LoginRequirement(acr="eidas2", max_age=timedelta(minutes=5)).parameters == {"acr_values": "eidas2", "max_age": "300"}
    assert LoginRequirement().parameters == {}
