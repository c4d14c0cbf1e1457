import pytest

from idp.authorization import Grant
from idp.errors import InvalidScope
from tests.idp.authorization.walk import decide


@pytest.mark.spec("OIDCC-3.1.2.1", "RFC6749-3.3")
@pytest.mark.parametrize("scope", [None, "identity", "openid sessions:revoke", "OPENID"])
def test_openid_is_demanded_and_nothing_unregistered_is_granted(scope: str | None) -> None:
    with pytest.raises(InvalidScope):
        decide(scope=scope)


@pytest.mark.spec("RFC6749-3.3")
def test_order_and_repetition_do_not_matter() -> None:
    decision = decide(scope="identity openid  openid")
    assert isinstance(decision, Grant)
    assert decision.scope == {"openid", "identity"}
