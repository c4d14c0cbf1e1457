import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection import scan as scan_module
from siem.detection.patterns import Pattern
from siem.detection.predicates import TIMESTAMP, Compare, Exists, Matches, NumberIs, Predicate, TextIs, TimePart, TimePartIs, text_test
from siem.detection.scan import Scanner, about_one_value, needed_literal

texts = st.text(alphabet="aAbBkKsSiIéÉİıſ\u212aß\x00*\\.", max_size=8)
predicates = st.one_of(
    st.builds(lambda text, cased: TextIs("f", Pattern.parse(text) if cased else Pattern.parse(text).lower(), cased), texts, st.booleans()),
    st.builds(lambda text: TextIs("f", Pattern.parse(text).lower().open_start().open_end()), texts),
    st.sampled_from(
        [Matches("f", "a.*b"), Matches("f", "(?i)sAb"), Matches("f", "kib", re.IGNORECASE), Matches("f", "AéB"), Matches("f", r"[xa]b\\")]
    ),
    st.just(NumberIs("f", Compare.GT, 3)),
)


@pytest.mark.parametrize("few", [0, 1000])
def test_finds_exactly_the_predicates_that_hold(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "_FEW", few)

    @given(st.lists(predicates, max_size=12), st.lists(texts, min_size=1, max_size=4))
    def check(some: list[Predicate], values: list[str]) -> None:
        scanner = Scanner(some)
        for value in values:
            cased = [not isinstance(one, TextIs) or one.cased for one in some]
            expected = {place for place, one in enumerate(some) if text_test(one)(value if cased[place] else value.lower())}
            assert set(scanner.scan(value, value.lower())) == expected

    check()


def test_an_expression_is_looked_for_only_where_a_text_that_it_needs_is() -> None:
    assert needed_literal(Matches("f", r"(?i)\bInvoke-\w+")) == "nvoke-"
    assert needed_literal(Matches("f", "Net.WebClient")) == "webclient"
    assert needed_literal(Matches("f", "(?i)ss")) == ""
    assert needed_literal(Matches("f", "a|b")) == ""


def test_some_predicates_are_not_about_one_value() -> None:
    assert not about_one_value(Exists("f", True))
    assert not about_one_value(TimePartIs(TIMESTAMP, TimePart.HOUR, Compare.EQ, 3))
    assert about_one_value(TextIs("f", Pattern.literal("a")))
