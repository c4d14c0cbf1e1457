import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idp.endpoints.answers import oauth_error
from idp.errors import InvalidToken


@pytest.mark.spec("RFC6749-5.2", "RFC6750-3")
@settings(max_examples=60)
@given(st.text(max_size=40))
@example('a "quoted" name, C:\\path\r\nSet-Cookie: a=b, é')
def test_a_description_keeps_to_the_characters_of_the_protocol_in_answers_and_challenges(text: str) -> None:
    error = InvalidToken(text)
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", error.description)
    assert len(error.description) == len(text)
    challenge = oauth_error(error).headers["www-authenticate"]
    assert challenge.count('"') == 6
    assert "\\" not in challenge


def test_a_description_of_plain_words_stays_as_it_is() -> None:
    assert InvalidToken("scope must contain 'openid' (§)").description == "scope must contain 'openid' (?)"
