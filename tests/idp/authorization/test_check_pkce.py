import pytest

from idp.authorization import Grant
from idp.errors import InvalidRequest
from idp.model import Profile
from tests.idp.authorization.walk import decide
from tests.idp.wire import CHALLENGE


@pytest.mark.spec("RFC9700-2.1.1", "RFC7636-4.4.1")
@pytest.mark.parametrize(
    "registered",
    [
        {},
        {"profile": Profile.FAPI2},
        {"token_endpoint_auth_method": "none"},
        {"token_endpoint_auth_method": "none", "profile": Profile.PSC},
    ],
    ids=str,
)
def test_it_is_demanded_of_every_client_but_the_confidential_ones_of_psc(registered: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest, match="code_challenge"):
        decide(registered=registered, loaded={"pushing": True}, code_challenge=None, code_challenge_method=None)


@pytest.mark.spec("PSC-2.1")
def test_psc_may_leave_it_out_but_not_weaken_it() -> None:
    assert isinstance(decide(registered={"profile": Profile.PSC}, code_challenge=None, code_challenge_method=None), Grant)
    with pytest.raises(InvalidRequest, match="S256"):
        decide(registered={"profile": Profile.PSC}, code_challenge_method="plain")


def test_the_challenge_is_bound_to_the_code() -> None:
    decision = decide()
    assert isinstance(decision, Grant)
    assert decision.code_challenge == CHALLENGE
