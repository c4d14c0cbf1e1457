"""What the provider says when it refuses tells a developer what to change, and tells nothing else (CWE-209: errors that tell too much)."""

import re

import pytest

from idp.errors import MAX_DESCRIPTION_LENGTH, OAuthError
from tests.idp.refusals import PASSED_ON, Refusal, refusals

REFUSALS = refusals()
#: Names that stand for one thing in a request, its credentials or its registration. A name with _ is one as well.
SUBJECTS = re.compile(
    r"\{|\b(scope|interval|code|prompt|claims|resource|audience|channel|request|token|body|parameters?|status|delivery|certificate|proof|PKCE|DPoP|Basic|"
    r"login|grant|client|requests?|Retry-After|jwks?|jti|htm|htu|iat|exp|aud|iss|sub|ath|typ|alg|crit|ack|maxEvents|RSA|keys?|HTTP|\w+_\w+)\b"
)
#: What to do, or how it has to be.
ADVICE = re.compile(
    r"\b(must|needs?|send|use|ask|wait|log|begin|connect|register|publish|leave|give|name|sign|set|prove|refresh|push|try|check|make|again|"
    r"is missing|is not one|(is|are) longer|may not ask|cannot be (read|chosen|used|combined)|exclude each other|go together|given without|"
    r"more than( once)?|not registered|has a (type|value)|differs|does not fit|beyond what|is set by|hold none|nothing to change)\b"
)
#: Here nothing is at fault: somebody said no, or has not answered.
OUTCOMES = {"authorization_pending", "access_denied"}
#: What may be put into a description: names and bounds of our own, and what the client registered or was told before.
OURS = re.compile(
    r"[A-Z_]+"  # a constant
    r"|'[^']*'\.join\((\w+\.)?[A-Za-z_]+\)"  # the values that there are
    r"|.*\[:\d+\]|min\(.*\)\[:\d+\]"  # of what was sent, at most so much
    r"|int\(WINDOW\.total_seconds\(\)\)|expected\.method|scopes\[0\]|given\[0\]|min\(beside\)|min\(excess\)"
)
#: The same, where it is a name that the source alone gives (a parameter, a member, an algorithm, a part of a schema).
NAMES = {"name", "place", "condition", "fault", "number", "offered", "alg", "scope"}


def _id(refusal: Refusal) -> str:
    return f"{refusal.path}:{refusal.error}"


def _of_one_s_own() -> list[Refusal]:
    return [one for one in REFUSALS if one.text.strip("{}") not in PASSED_ON]


def test_the_source_is_read_whole() -> None:
    assert len(REFUSALS) > 230
    assert {one.family for one in REFUSALS} >= {cls.__name__ for cls in OAuthError.__subclasses__()} - {
        *("UnsupportedTokenType", "TemporarilyUnavailable"),
    }
    assert len(REFUSALS) - len(_of_one_s_own()) <= 6, "a description that is passed on is judged nowhere"


@pytest.mark.spec("RFC6749-5.2", "RFC6749-4.1.2.1")
def test_every_description_names_what_is_at_fault_or_what_to_do() -> None:
    silent = [
        f"{_id(one)}: {one.text}"
        for one in _of_one_s_own()
        if one.error not in OUTCOMES and not one.text.endswith("{fault}") and not (SUBJECTS.search(one.text) and ADVICE.search(one.text))
    ]
    assert silent == []


@pytest.mark.spec("RFC6749-5.2")
def test_every_description_is_short_and_of_the_characters_of_the_protocol() -> None:
    allowed = re.compile(r"[\x20-\x7e]{8,200}")
    odd = [f"{_id(one)}: {one.text}" for one in _of_one_s_own() if not allowed.fullmatch(re.sub(r"\{[^{}]*\}", "", one.text))]
    assert odd == []
    assert len(OAuthError("x" * 1000).description) == MAX_DESCRIPTION_LENGTH


@pytest.mark.precedent("CWE-209")
def test_nothing_is_put_into_a_description_but_names_of_ours_and_a_little_of_what_was_sent() -> None:
    loose = [
        f"{_id(one)}:{one.line}: {{{value}}}"
        for one in _of_one_s_own()
        for value in one.values
        if value not in NAMES and not OURS.fullmatch(value)
    ]
    assert loose == []
    assert not any(
        re.search(r"secret(?!,)|password|pepper|private key \{|/work|\.py\b|Error\b", one.text) for one in _of_one_s_own() if one.values
    )
