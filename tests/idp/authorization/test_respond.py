from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization.request import RESPONSE_MODES
from idp.authorization.respond import answer_members, location, mode_of, refusal_members
from idp.errors import AccessDenied
from tests.idp.wire import ISSUER, REDIRECT

_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@pytest.mark.spec("RFC6749-4.1.2", "RFC9207-2")
@given(_text, _text)
def test_code_and_state_arrive_as_sent_and_iss_always_comes_along(code: str, state: str) -> None:
    answer = parse_qs(urlsplit(location(REDIRECT, answer_members(ISSUER, state, {"code": code, "session_state": None}))).query)
    assert answer == {"code": [code], "state": [state], "iss": [ISSUER]}


@pytest.mark.spec("RFC6749-4.1.2.1", "RFC9207-2")
def test_a_refusal_carries_iss_too_and_keeps_the_registered_query() -> None:
    told = answer_members(ISSUER, None, refusal_members(AccessDenied("no", detail="for the log alone")))
    assert told == {"error": "access_denied", "error_description": "no", "iss": ISSUER}
    url = location("https://service.example/autre?a=1", told)
    assert url.startswith("https://service.example/autre?a=1&error=access_denied&")
    assert parse_qs(urlsplit(url).query)["iss"] == [ISSUER]


@pytest.mark.spec("JARM-2.3.4")
def test_a_mode_that_means_nothing_is_refused_in_the_query_and_jwt_is_the_query_signed() -> None:
    assert mode_of({}) == mode_of({"response_mode": "fragment"}) == RESPONSE_MODES["query"]
    assert mode_of({"response_mode": "jwt"}) == RESPONSE_MODES["query.jwt"]
