import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.expressions import compiled, parse, written

PARTS = [
    *(
        "a",
        "é",
        ".",
        r"\s",
        r"\S",
        r"\d",
        r"\W",
        r"\b",
        "^",
        "$",
        r"\A",
        r"\Z",
        "[^ab]",
        r"[\s\d-]",
        "(?i:K)",
        "(?s-i:.)",
        "(a)",
        "(?:b|c)?",
    ),
    *("a{,2}", "b{3}", "c{2,}?", "d*+", "(?>e+)", "(?=f)", "(?<!g)", "(?!)", "{x}", "]", r"\$", r"\x00", "(?P<n>h)", "|", r"\.", "\u3000"),
]


@given(
    st.lists(st.sampled_from(PARTS), max_size=6).map("".join),
    st.lists(st.text(alphabet="aébBcC kK.\n\x1c3-{x}]$h", max_size=8), max_size=6),
)
def test_what_is_written_means_what_was_read(expression: str, texts: list[str]) -> None:
    try:
        expected = compiled(expression, 0)
    except re.error:
        with pytest.raises(re.error):
            parse(expression, 0)
        return
    found = re.compile(*written(parse(expression, 0)))
    assert [found.search(text) and found.search(text).span() for text in texts] == [  # type: ignore[union-attr]
        expected.search(text) and expected.search(text).span()  # type: ignore[union-attr]
        for text in texts
    ]


def test_a_reference_to_a_group_stays_one_before_a_digit() -> None:
    common, flags = written(parse(r"(?i)(?P<n>a+)(?P=n)1(b)?(?(2)c|d)", 0), end_of_text=r"\z")
    assert re.search(common, "AA1d", flags)
    assert not re.search(common, "AA1bd", flags)


@pytest.mark.parametrize(
    ("expression", "told"), [("q[[:digit:]]+", "POSIX"), ("[[:^alpha:]]", "POSIX"), (r"(?a)\w", r"\(\?a\)"), ("(", r"\)")]
)
def test_what_engines_or_people_read_in_two_ways_is_refused(expression: str, told: str) -> None:
    with pytest.raises(re.error, match=told):
        parse(expression, 0)
