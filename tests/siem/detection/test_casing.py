"""Without case means one thing, over all of Unicode: alone and beside others, live, in the index, in keywords, and in SQL."""

import re
import sys
from collections.abc import Iterator
from typing import Final

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.casing import without_case
from siem.detection.keywords import KeywordLiterals, Keywords
from siem.detection.patterns import Pattern
from siem.detection.predicates import ANYWHERE, TextIs, View, compiled
from siem.detection.regex import _database, _scanning
from siem.detection.scan import Scanner, needed_literal
from siem.history.leaves import of_pattern
from tests.examples import thinned

EVERY: Final = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
#: Letters that any of the mappings of Unicode changes.
CASED: Final = [one for one in EVERY if len({one, one.lower(), one.upper(), one.casefold(), one.title()}) > 1]

TRICKY: Final = "ΣςσßẞſıİiIkK\N{KELVIN SIGN}ǅµµᲄꭰ"


def some(every: int) -> Iterator[str]:
    """The letters that are known for trouble, and one in so many of the others."""
    yield from TRICKY
    yield from thinned(CASED, every)


def others_of(letter: str) -> Iterator[str]:
    """What some system takes for the same letter."""
    for one in {letter.lower(), letter.upper(), letter.casefold(), letter.upper().lower(), letter.casefold().upper()}:
        yield one
        yield letter + one


def test_the_form_of_texts_in_a_row_is_that_of_each_in_a_row() -> None:
    forms = [without_case(one) for one in EVERY]
    assert without_case("".join(EVERY)) == "".join(forms)
    assert [without_case(f"α{one}") for one in EVERY] == [f"α{form}" for form in forms], "at the end of a word"
    assert [without_case(form) for form in forms] == forms


@given(st.text(st.sampled_from("ΑΣσςΩß ſİıiIK.'\u0307"), max_size=8), st.integers(0, 8))
def test_what_is_part_of_a_text_is_found_in_it_without_case(text: str, cut: int) -> None:
    part = text[cut : cut + 3]
    for changed in (part, part.upper() if len(part.upper()) == len(part) else part):
        pattern = Pattern.parse(re.sub(r"([*?\\])", r"\\\1", changed)).lower().open_start().open_end()
        assert compiled(TextIs("f", pattern))(View({"f": text})) is (without_case(changed) in without_case(text))
    assert without_case(part) in without_case(text)


def test_letters_that_are_settled_one_way_or_the_other() -> None:
    same = [("Σ", "ς"), ("σ", "ς"), ("ΟΔΟΣ", "οδος"), ("É", "é"), ("\N{KELVIN SIGN}", "k"), ("ẞ", "ß"), ("İ", "i\u0307"), ("Ǆ", "ǆ")]
    other = [("ß", "ss"), ("ſ", "s"), ("ﬁ", "fi"), ("ı", "i"), ("İ", "i"), ("µ", "μ"), ("ά", "α")]
    assert [pair for pair in same if without_case(pair[0]) != without_case(pair[1])] == []
    assert [pair for pair in other if without_case(pair[0]) == without_case(pair[1])] == []


def test_each_letter_is_compared_alike_by_the_rule_the_index_and_the_search_for_keywords() -> None:
    for letter in some(8):
        equal, inside = Pattern((letter,)).lower(), Pattern((letter,)).lower().open_start().open_end()
        predicates = [
            TextIs("f", equal),
            TextIs("f", inside),
            *(TextIs("f", Pattern((f"x{n}",)).open_start().open_end()) for n in range(6)),
        ]
        scanner, keyword = Scanner(predicates), TextIs(ANYWHERE, inside)
        keywords = Keywords({keyword: (0,)}, KeywordLiterals([needed_literal(keyword), "x1", "x2", "x3", "x4", "x5", "x6"]))
        for value in (letter, *others_of(letter), f"Α{letter}", f"{letter}Α."):
            view = View({"f": value})
            expected = [place for place, one in enumerate(predicates) if compiled(one)(view)]
            assert expected == sorted(scanner.scan(value, without_case(value)))
            assert expected == [
                place
                for place, hit in ((0, without_case(letter) == without_case(value)), (1, without_case(letter) in without_case(value)))
                if hit
            ]
            if compiled(keyword)(view):
                assert list(keywords.opened_by({"f": value})) == [0]


def test_each_letter_is_compared_alike_by_sql() -> None:
    rows = [(letter, value) for letter in some(20) for value in (letter, *others_of(letter), f"Α{letter}", f"{letter}Α.")]
    with duckdb.connect() as connection:
        for form in ("{}", "*{}*", "?{}"):
            queries = [(of_pattern("x", Pattern.parse(form.format(letter)).lower(), cased=False), value) for letter, value in rows]
            assert all(bounds.exact for bounds, _ in queries)
            said = [
                connection.execute(f"SELECT {bounds.most.condition} FROM (SELECT ? AS x)", [*bounds.most.parameters, value]).fetchone()
                for bounds, value in queries
            ]
            tests = [compiled(TextIs("f", Pattern.parse(form.format(letter)).lower()))(View({"f": value})) for letter, value in rows]
            assert [one == (True,) for one in said] == tests


@pytest.mark.parametrize("written", ["{}", "[{}]", "[^{}]", "(?-i:b)(?:{})?x|{}"])
def test_each_letter_is_looked_for_alike_by_both_machines_for_regular_expressions(written: str) -> None:
    for letter in some(40):
        expression = written.replace("{}", letter)
        simple, scanning = re.compile(expression, re.IGNORECASE), _scanning(_database(expression, re.IGNORECASE))
        for value in {letter, *others_of(letter), "i", "İ", "ı", "ſ", "\N{KELVIN SIGN}", "z"}:
            assert (simple.search(value) is not None) is scanning(value), (expression, value)


@pytest.mark.parametrize("written", ["[a-z]", "[А-я]", "[^Ͱ-Ͽ]", "[ა-ჿ]", "[Ā-ſ]"])
def test_ranges_without_case_hold_the_same_letters_for_both_machines(written: str) -> None:
    simple, scanning = re.compile(written, re.IGNORECASE), _scanning(_database(written, re.IGNORECASE))
    assert [one for one in CASED if scanning(one)] == [one for one in CASED if simple.search(one)]
