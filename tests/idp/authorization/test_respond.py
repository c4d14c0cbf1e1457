from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authorization.respond import location, refusal_location
from tests.idp.wire import ISSUER, REDIRECT

_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@pytest.mark.spec("RFC6749-4.1.2", "RFC9207-2")
@given(_text, _text)
def test_code_and_state_arrive_as_sent_and_iss_always_comes_along(code: str, state: str) -> None:
    answer = parse_qs(urlsplit(location(REDIRECT, ISSUER, state, {"code": code})).query)
    assert answer == {"code": [code], "state": [state], "iss": [ISSUER]}


@pytest.mark.spec("RFC6749-4.1.2.1", "RFC9207-2")
def test_a_refusal_carries_iss_too_and_keeps_the_registered_query() -> None:
    url = refusal_location("https://service.example/autre?a=1", ISSUER, None, error="access_denied", description="no")
    assert url.startswith("https://service.example/autre?a=1&error=access_denied&")
    assert parse_qs(urlsplit(url).query)["iss"] == [ISSUER]
