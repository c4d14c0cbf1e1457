import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection import regex as regex_module
from siem.detection.expressions import compiled, parse
from siem.detection.regex import CostlyExpression, OutOfTime, check_expression, needed_literal, search

atoms = st.sampled_from(
    [
        *("a", "b", ".", "[ab]", "[^a]", r"\.", "é", r"\s", r"\S", r"[\s.]", r"[^\S]", r"\d", r"\w", r"\W", r"\b", r"\Z", "[a-é]", r"\x1c"),
        *("b{,2}", "b{,x}", "{", "a{e<=1}", "[[a]", "(?i:B)", "(a)", "(?=b)", "(?!a)", "(?<=a)", "(?>a+)", "a++"),
    ]
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda some: "".join(some), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one, other: f"(?:{one}|{other})", inner, inner),
        st.builds(lambda one, sign: f"(?:{one}){sign}", inner, st.sampled_from(["*", "+", "?", "{1,2}", "{,2}", "{2,}", "*?"])),
    ),
    max_leaves=6,
)
texts = st.text(alphabet="abB.\né{}<=1e[\x1c\xa0", max_size=10)


@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.IGNORECASE | re.DOTALL])
def test_both_machines_find_the_same(flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_module, "_SHORT", {})

    @given(
        st.builds("".join, st.tuples(st.sampled_from(["", "^"]), expressions, st.sampled_from(["", "$"]))),
        st.lists(texts, min_size=1, max_size=5),
    )
    def check(expression: str, some: list[str]) -> None:
        for text in some:
            # PCRE sees no line after a line feed that ends the text, Python does; the specification follows PCRE.
            text = text.rstrip("\n")
            assert search(expression, flags)(text) is (compiled(expression, flags).search(text) is not None)

    check()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("expression", ["^(a+)+$", "^(a|aa)+$", "^(aa?)+$", "(.*a){12}.*b.*c.*d$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_bomb_does_not_go_off(expression: str) -> None:
    pytest.importorskip("hyperscan")
    check_expression(expression, 0)
    assert not search(expression, 0)("a" * 30_000 + "!")


@pytest.mark.timeout(60)
def test_a_long_text_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a" * 3_000_000
    pytest.importorskip("hyperscan")
    assert not search(".*b.*c", 0)(text)
    assert search("a.*b", 0)(text + "b")
    # Without the other machine, a part of the text is looked at.
    monkeypatch.setattr(regex_module, "_database", lambda expression, flags: None)
    assert not search(".*b", 0)(text + "b")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("expression", [r"(?!y)(c.*)(c.*)(c.*)\2c.*d", r"(c.*)(c.*)(c.*)\1c.*d"])
def test_a_search_that_goes_back_is_given_up_and_says_so(expression: str) -> None:
    check_expression(expression, 0)
    found = search(expression, 0)
    assert not found("nothing")
    with pytest.raises(OutOfTime, match="100 ms"):
        found("x" + "c" * 9000)


def test_an_expression_that_takes_a_little_too_long_each_time_is_out_of_time_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_module, "_FAIR_SECONDS", 0.0)
    monkeypatch.setattr(regex_module, "_OVERDRAFT_SECONDS", 0.01)
    found = search(r"(?=.*x)a.*b", 0)
    with pytest.raises(OutOfTime, match="for each search"):
        for _ in range(1_000_000):
            found("a" * 2000)


@pytest.mark.timeout(60)
def test_short_repetitions_inside_each_other_are_not_gone_through_one_by_one() -> None:
    pytest.importorskip("hyperscan")
    assert not search("^(((a{1,9}){1,9}){1,9}){1,9}$", 0)("a" * 60 + "!")


def test_what_would_take_for_ever_is_refused() -> None:
    with pytest.raises(CostlyExpression, match="exponential"):
        check_expression("(?=x)(a+)+$", 0)
    check_expression("(?=x)a+b", 0)


def test_a_fault_is_an_error_of_the_library() -> None:
    with pytest.raises(re.error):
        check_expression("(", 0)


@given(
    expression=st.lists(
        st.sampled_from(["abc", "Ké", "x?", "(ab|cd)", "(union)+", "(select){0,2}", r"\s", ".", "[a-f]", "(?i:os)", "s", "(?:or){2,3}"]),
        min_size=1,
        max_size=6,
    ).map("".join),
    flags=st.sampled_from([0, re.IGNORECASE, re.DOTALL]),
    data=st.data(),
)
def test_every_match_holds_the_text_that_the_expression_needs(expression: str, flags: int, data: st.DataObject) -> None:
    literal, cased = needed_literal(expression, flags)
    value = data.draw(st.from_regex(re.compile(expression, flags)))
    assert (literal in value) if cased else (literal.lower() in value.lower() or not value.isascii() or not literal.isascii())


def test_a_text_is_needed_only_where_nothing_can_take_its_place() -> None:
    assert needed_literal(r"union\s+select", 0) == ("select", True)
    assert needed_literal("(?i)union|select", 0) == ("", False)
    assert needed_literal("a{0,3}bc", 0) == ("bc", True)
    assert needed_literal("(?:passwd)+x?", 0) == ("passwd", True)


@pytest.mark.parametrize(
    "expression", ["abc", r"a+[bc]*?\d{2}$", "(?i:a|b)+", r"^\s*(?:x|yz){1,3}$", "(a)(?P<n>b)", ".*", "(?:a{1,9}){1,9}", r"\.exe\Z"]
)
def test_what_is_surely_linear_is_what_hyperscan_takes(expression: str) -> None:
    pytest.importorskip("hyperscan")
    assert regex_module._surely_linear(parse(expression, 0))
    assert regex_module._database(expression, 0) is not None


@pytest.mark.parametrize("expression", [r"(a)\1", "(?=a)b", "a(?<!b)", "(?>a)b", "a++", r"\bab", "(a)?(?(1)b|c)"])
def test_what_goes_back_is_not_linear(expression: str) -> None:
    pytest.importorskip("hyperscan")
    assert not regex_module.is_linear(expression, 0)
