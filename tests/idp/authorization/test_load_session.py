from dataclasses import replace

from idp.authorization import Login
from idp.model import AccountState
from tests.idp.authorization.walk import decide
from tests.idp.wire import PERSON


def test_the_session_of_someone_suspended_or_gone_counts_as_none() -> None:
    assert decide(loaded={"account": replace(PERSON, state=AccountState.SUSPENDED)}) == Login(("no account",))
    assert decide(loaded={"account": None}) == Login(("no account",))
