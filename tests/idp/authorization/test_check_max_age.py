from datetime import timedelta

import pytest

from idp.authorization import Grant, Login
from idp.errors import InvalidRequest
from tests.idp.authorization.walk import INTERACTION, decide
from tests.idp.wire import START


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_an_older_login_is_done_again_once() -> None:
    later = {"now": START + timedelta(seconds=61)}
    assert isinstance(decide(max_age="10000", loaded=later), Grant)
    assert decide(max_age="60", loaded=later) == Login(("max_age",))
    assert decide(max_age="0") == Login(("max_age",))
    assert isinstance(decide(max_age="0", loaded={"interaction": INTERACTION}), Grant)


@pytest.mark.parametrize("max_age", ["-1", "1.5", "x", "9" * 30, "٣"])
def test_it_is_a_whole_number(max_age: str) -> None:
    with pytest.raises(InvalidRequest, match="max_age"):
        decide(max_age=max_age)
