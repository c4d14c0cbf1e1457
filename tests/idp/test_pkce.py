import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import pkce
from idp.errors import InvalidGrant, InvalidRequest

# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

_verifiers = st.text("ABCXYZabcxyz0189-._~", min_size=43, max_size=128)


@pytest.mark.spec("RFC7636-4.6")
def test_accepts_the_verifier_of_the_example() -> None:
    pkce.verify(CHALLENGE, VERIFIER)


@pytest.mark.spec("RFC7636-4.6")
@given(_verifiers)
def test_refuses_every_other_verifier(verifier: str) -> None:
    with pytest.raises(InvalidGrant, match="does not fit"):
        pkce.verify(CHALLENGE, verifier)


@pytest.mark.spec("RFC7636-4.1")
@pytest.mark.parametrize("verifier", ["", "short", "a" * 42, "a" * 129, "é" * 43, "a" * 42 + " ", "a" * 43 + "\n"])
def test_refuses_a_verifier_of_another_shape(verifier: str) -> None:
    with pytest.raises(InvalidGrant, match="43 to 128"):
        pkce.verify(CHALLENGE, verifier)


@pytest.mark.spec("RFC7636-4.6")
def test_refuses_a_missing_verifier() -> None:
    with pytest.raises(InvalidGrant, match="missing"):
        pkce.verify(CHALLENGE, None)


@pytest.mark.spec("RFC9700-2.1.1")
def test_refuses_a_verifier_where_no_challenge_came() -> None:
    with pytest.raises(InvalidGrant, match="without a code_challenge"):
        pkce.verify(None, VERIFIER)


def test_neither_challenge_nor_verifier_is_fine_where_pkce_is_optional() -> None:
    pkce.verify(None, None)
    assert pkce.check_challenge(None, None, required=False) is None


@pytest.mark.spec("RFC7636-4.4.1")
@pytest.mark.parametrize(
    ("challenge", "method", "required"),
    [
        (None, None, True),
        (None, "S256", False),
        (CHALLENGE, "plain", False),
        (CHALLENGE, None, False),
        (CHALLENGE, "s256", True),
        (CHALLENGE[:-1], "S256", True),
        (CHALLENGE + "=", "S256", True),
        (CHALLENGE[:-1] + "/", "S256", True),
    ],
)
def test_refuses_what_is_not_a_challenge_by_s256(challenge: str | None, method: str | None, required: bool) -> None:
    with pytest.raises(InvalidRequest, match="code_challenge"):
        pkce.check_challenge(challenge, method, required=required)
