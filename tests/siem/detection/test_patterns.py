import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.patterns import How, Pattern, Wild

MANY, ONE = Wild.MANY, Wild.ONE


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("a*b?c", ("a", MANY, "b", ONE, "c")),
        ("a**b", ("a", MANY, "b")),
        (r"C:\Windows", (r"C:\Windows",)),
        (r"C:\\Windows", (r"C:\Windows",)),
        (r"\*", ("*",)),
        (r"\?", ("?",)),
        (r"\\*", ("\\", MANY)),
        (r"\\?", ("\\", ONE)),
        (r"\\\*", (r"\*",)),
        (r"\\\\*", (r"\\", MANY)),
        (r"\\\\server", (r"\\server",)),
        ("\\\\\\", ("\\\\",)),
        ("end\\", ("end\\",)),
    ],
)
def test_reads_wildcards_and_every_case_of_backslash(written: str, parts: tuple[str | Wild, ...]) -> None:
    assert Pattern.parse(written).parts == parts


@pytest.mark.parametrize(
    ("written", "how", "text"),
    [
        ("a", How.EQUALS, "a"),
        ("", How.EQUALS, ""),
        ("*", How.CONTAINS, ""),
        ("*a*", How.CONTAINS, "a"),
        ("a*", How.STARTS, "a"),
        ("*a", How.ENDS, "a"),
        ("a*b", How.GLOB, ""),
        ("a?", How.GLOB, ""),
    ],
)
def test_chooses_the_cheapest_comparison(written: str, how: How, text: str) -> None:
    assert Pattern.parse(written).classify() == (how, text)


alphabet = st.text(alphabet="ab\n", max_size=12)
patterns = st.lists(st.one_of(st.sampled_from([MANY, ONE]), st.sampled_from(["a", "b", "ab", "\n"])), max_size=7).map(Pattern.of)


@given(patterns, alphabet)
def test_a_search_part_by_part_is_the_same_as_a_regular_expression(pattern: Pattern, text: str) -> None:
    source = "".join(".*" if part is MANY else "." if part is ONE else re.escape(str(part)) for part in pattern.parts)
    assert pattern.matcher()(text) is (re.fullmatch(source, text, re.DOTALL) is not None)


def test_many_wildcards_do_not_make_the_search_explode() -> None:
    assert not Pattern.parse("*a" * 60 + "b").matcher()("a" * 20_000)


@given(st.text(max_size=30))
def test_a_literal_matches_itself_and_only_itself(text: str) -> None:
    pattern = Pattern.literal(text)
    assert pattern.plain == text
    assert pattern.matcher()(text)
    assert not pattern.matcher()(text + "x")
