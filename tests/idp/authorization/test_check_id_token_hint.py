import json
from typing import Any

import pytest

from idp.authorization import Grant, Login
from idp.errors import InvalidRequest, LoginRequired
from tests.idp.authorization.walk import INTERACTION, decide
from tests.idp.wire import PERSON


def _hint(sub: object = PERSON.id, aud: object = "c", **loaded: Any) -> dict[str, Any]:
    return {"read_token": lambda token: {"sub": sub, "aud": aud} if token == "ours" else None, **loaded}


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_the_expected_person_goes_on_and_another_logs_in_again() -> None:
    assert isinstance(decide(id_token_hint="ours", loaded=_hint()), Grant)
    assert decide(id_token_hint="ours", loaded=_hint("another")) == Login(("id_token_hint",))
    assert decide(id_token_hint="ours", loaded=_hint(session=None, account=None)) == Login(("no session",))


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_the_person_is_known_by_their_subject_at_this_client() -> None:
    loaded = _hint("pairwise", subject_of=lambda client, account: "pairwise")
    assert isinstance(decide(id_token_hint="ours", loaded=loaded), Grant)


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_another_person_is_an_error_when_no_screen_may_be_shown_or_after_a_login() -> None:
    with pytest.raises(LoginRequired):
        decide(id_token_hint="ours", prompt="none", loaded=_hint("another"))
    with pytest.raises(LoginRequired, match="another person"):
        decide(id_token_hint="ours", loaded=_hint("another", interaction=INTERACTION))


@pytest.mark.spec("OIDCC-5.5.1")
def test_a_subject_that_claims_demands_is_expected_as_a_hint_is() -> None:
    claims = json.dumps({"id_token": {"sub": {"value": PERSON.id}}})
    assert isinstance(decide(claims=claims), Grant)
    assert isinstance(decide(claims=claims, id_token_hint="ours", loaded=_hint()), Grant)
    other = json.dumps({"id_token": {"sub": {"value": "another"}}})
    assert decide(claims=other) == Login(("id_token_hint",))
    assert decide(claims=other, id_token_hint="ours", loaded=_hint()) == Login(("id_token_hint",))
    with pytest.raises(LoginRequired):
        decide(claims=other, prompt="none")


@pytest.mark.parametrize(
    "loaded",
    [{}, _hint(aud="other"), _hint(aud=["c"]), _hint(sub=None), _hint(sub=3)],
    ids=["no_token", "another_client", "a_list_without_it", "no_subject", "a_number_as_subject"],
)
def test_a_hint_that_is_no_token_of_ours_for_this_client_is_refused(loaded: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="id_token_hint"):
        decide(id_token_hint="ours", loaded=loaded)
