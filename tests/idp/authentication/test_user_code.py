import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.authentication.user_code import ALPHABET, hash_user_code, new_user_code, read_user_code


@pytest.mark.spec("RFC8628-6.1")
def test_a_code_has_no_vowel_and_nothing_that_looks_like_something_else() -> None:
    assert not set(ALPHABET) & set("AEIOUY0123456789")
    codes = {new_user_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", code) for code in codes)


@pytest.mark.spec("RFC8628-6.1")
@pytest.mark.parametrize("typed", ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "B.C.D.F.G.H.J.K", "bcdf–ghjk"])
def test_case_dashes_and_spaces_do_not_matter(typed: str) -> None:
    assert read_user_code(typed) == "BCDFGHJK"


@pytest.mark.parametrize("typed", ["", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "BCDF-GHJ1", "ΒCDFGHJK", "x" * 100_000])
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    assert read_user_code(typed) is None
    assert hash_user_code(b"p" * 32, typed) is None


@given(st.text(alphabet=ALPHABET, min_size=8, max_size=8))
def test_a_code_is_kept_under_a_secret(letters: str) -> None:
    kept = hash_user_code(b"p" * 32, f"{letters[:4]}-{letters[4:]}")
    assert kept == hash_user_code(b"p" * 32, letters.lower())
    assert kept != hash_user_code(b"q" * 32, letters)
