import pytest

from idp.authorization import Grant, Login
from idp.authorization.request import AskConsent
from idp.errors import InvalidRequest
from tests.idp.authorization.walk import INTERACTION, decide


@pytest.mark.spec("OIDCC-3.1.2.1")
@pytest.mark.parametrize("prompt", ["login", "select_account"])
def test_a_new_login_is_forced_once(prompt: str) -> None:
    assert decide(prompt=prompt) == Login(("prompt",))
    assert isinstance(decide(prompt=prompt, loaded={"interaction": INTERACTION}), Grant)


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_who_is_to_log_in_and_to_agree_does_the_one_before_the_other() -> None:
    assert decide(prompt="login consent") == Login(("prompt",))
    assert isinstance(decide(prompt="login consent", loaded={"interaction": INTERACTION}), AskConsent)


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_none_with_a_session_disturbs_nobody() -> None:
    assert isinstance(decide(prompt="none"), Grant)


@pytest.mark.parametrize("prompt", ["none login", "unknown", "login unknown"])
def test_values_that_contradict_or_mean_nothing_are_refused(prompt: str) -> None:
    with pytest.raises(InvalidRequest, match="prompt"):
        decide(prompt=prompt)
