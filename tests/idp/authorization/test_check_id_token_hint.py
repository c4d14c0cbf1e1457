import pytest

from idp.authorization import Grant, Login
from idp.errors import InvalidRequest, LoginRequired
from tests.idp.authorization.walk import INTERACTION, decide


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_the_expected_person_goes_on_and_another_logs_in_again() -> None:
    assert isinstance(decide(id_token_hint="t", loaded={"hinted_subject": "a", "subject": "a"}), Grant)
    assert decide(id_token_hint="t", loaded={"hinted_subject": "a", "subject": "b"}) == Login(("id_token_hint",))


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_another_person_is_an_error_when_no_screen_may_be_shown_or_after_a_login() -> None:
    with pytest.raises(LoginRequired):
        decide(id_token_hint="t", prompt="none", loaded={"hinted_subject": "a", "subject": "b"})
    with pytest.raises(LoginRequired, match="another person"):
        decide(id_token_hint="t", loaded={"hinted_subject": "a", "subject": "b", "interaction": INTERACTION})


def test_a_hint_that_is_not_ours_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="id_token_hint"):
        decide(id_token_hint="forged")
