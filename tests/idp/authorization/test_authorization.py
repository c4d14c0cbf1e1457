"""The table as a whole."""

import inspect

import pytest

from idp.authorization import STEPS, Grant, Login, check_pushed, run
from idp.errors import OAuthError
from tests.idp.authorization.walk import INTERACTION, ask, decide
from tests.idp.wire import REDIRECT


def test_a_sound_request_of_someone_logged_in_is_granted() -> None:
    decision = decide(state="s", nonce="n")
    assert isinstance(decision, Grant)
    assert (decision.state, decision.nonce, decision.scope) == ("s", "n", {"openid"})


def test_a_sound_request_of_a_stranger_needs_a_login() -> None:
    assert decide(loaded={"session": None, "account": None}) == Login(("no session",))


@pytest.mark.spec("RFC6749-4.1.2.1", "RFC9700-4.11.2")
def test_nothing_is_redirected_until_client_and_redirect_uri_are_verified() -> None:
    names = [step.check.__name__ for step in STEPS]
    # A request object holds the redirect_uri; what is wrong with it goes to a registered address alone.
    assert names[:3] == ["check_client", "check_request_object", "check_redirect_uri"]
    wrong = {"response_type": "token", "scope": "none", "prompt": "none login", "request": "x"}
    for bad in ({"redirect_uri": "https://evil.example/"}, {"client_id": None}):
        asked = ask(**{**wrong, **bad})
        with pytest.raises(OAuthError):
            run(asked)
        assert asked.redirect_uri is None


def test_every_step_after_those_two_may_be_told_to_the_client() -> None:
    for parameters in ({"response_type": "token"}, {"scope": "identity"}, {"code_challenge": None}, {"prompt": "x"}, {"max_age": "-1"}):
        asked = ask(**parameters)
        with pytest.raises(OAuthError) as refused:
            run(asked)
        assert refused.value.allow_redirect
        assert asked.redirect_uri is not None


def test_a_resumed_request_walks_the_table_again() -> None:
    assert isinstance(decide(loaded={"interaction": INTERACTION}, prompt="login"), Grant)
    assert decide(loaded={"interaction": INTERACTION, "session": None, "account": None}) == Login(("no session",))


@pytest.mark.spec("RFC9126-2.1")
def test_a_pushed_request_is_checked_without_a_person_and_asks_for_no_login() -> None:
    asked = ask(loaded={"session": None, "account": None, "pushing": True}, prompt="login")
    check_pushed(asked)
    assert asked.redirect_uri == REDIRECT
    for bad in ({"redirect_uri": "https://evil.example/"}, {"response_type": "token"}, {"scope": "x"}, {"code_challenge": None}):
        with pytest.raises(OAuthError):
            check_pushed(ask(loaded={"session": None, "account": None, "pushing": True}, **bad))


def test_steps_do_no_input_or_output() -> None:
    assert not any(inspect.iscoroutinefunction(step.check) for step in STEPS)
