import json

import pytest

from idp.endpoints.answers import json_answer, oauth_error
from idp.errors import InsufficientScope, InvalidGrant, InvalidToken


@pytest.mark.spec("RFC6749-5.2")
def test_an_error_carries_its_code_and_never_the_operator_s_detail() -> None:
    answer = oauth_error(InvalidGrant("expired", detail="account 42 is suspended"))
    assert json.loads(bytes(answer.body)) == {"error": "invalid_grant", "error_description": "expired"}
    assert answer.status_code == 400


@pytest.mark.spec("RFC6750-3")
def test_a_bad_token_is_answered_with_a_challenge() -> None:
    assert 'error="invalid_token"' in oauth_error(InvalidToken("expired")).headers["www-authenticate"]
    assert oauth_error(InsufficientScope("no")).status_code == 403


def test_json_keeps_its_letters() -> None:
    assert json_answer({"nom": "É"}).body == '{"nom":"É"}'.encode()
