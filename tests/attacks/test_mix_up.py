"""Whoever asked two providers can tell which of them answered, whatever the answer and the way it takes.

Precedents: mix-up attacks (RFC9700-4.4); RFC 9207 is the remedy.
"""

import re
from html import unescape
from typing import Any

import pytest

from tests.idp.wire import ISSUER, Wire, claims_of, query_of

pytestmark = pytest.mark.precedent("RFC9700-4.4")

#: What goes wrong (or nothing), and the member that then is in the answer.
OUTCOMES = {"code": {}, "error": {"scope": "nonsense"}, "login_required": {"prompt": "none"}}
MODES = ("query", "form_post", "query.jwt", "form_post.jwt", "jwt")


def _answer(wire: Wire, client_id: str, mode: str, outcome: str) -> dict[str, Any]:
    """Members of the authorization response, wherever they are."""
    cookie = "" if outcome == "login_required" else wire.log_in()
    got = wire.authorize(client_id, cookie=cookie, response_mode=mode, **OUTCOMES[outcome])
    if mode.startswith("form_post"):
        members = {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', got.text)}
    else:
        members = query_of(got)
    return claims_of(members["response"]) if mode.endswith("jwt") else members


@pytest.mark.spec("RFC9207-2", "RFC9700-4.4.2.1", "RFC9700-2.1")
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("client_id", ["baseline", "public"])
def test_every_answer_says_whose_it_is(shared: Wire, client_id: str, mode: str, outcome: str) -> None:
    answer = _answer(shared, client_id, mode, outcome)
    assert answer["iss"] == ISSUER
    assert "code" in answer if outcome == "code" else "error" in answer


@pytest.mark.spec("RFC9207-3")
def test_clients_are_told_that_they_may_insist(shared: Wire) -> None:
    metadata = shared.http.get(f"{ISSUER}/.well-known/openid-configuration").json()
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["issuer"] == ISSUER


def test_a_response_cannot_be_made_to_name_another(shared: Wire) -> None:
    got = shared.authorize("baseline", cookie=shared.log_in(), iss="https://evil.example", state="a&iss=https://evil.example")
    assert query_of(got) == {**query_of(got), "iss": ISSUER, "state": "a&iss=https://evil.example"}
    assert got.headers["location"].count("&iss=") == 1
