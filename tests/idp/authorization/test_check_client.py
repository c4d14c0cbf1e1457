import pytest

from idp.errors import InvalidRequest, UnauthorizedClient
from tests.idp.authorization.walk import decide


@pytest.mark.spec("RFC6749-4.1.2.1")
@pytest.mark.parametrize("given", [{"client_id": None}, {"loaded": {"found_client": None}}, {"registered": {"disabled": True}}], ids=str)
def test_an_unknown_or_disabled_client_is_never_redirected_to(given: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decide(**given)
    assert not refused.value.allow_redirect


def test_a_machine_may_not_log_people_in() -> None:
    with pytest.raises(UnauthorizedClient):
        decide(registered={"grant_types": ("client_credentials",)})
