import sys

from hypothesis import given
from hypothesis import strategies as st

from siem.detection.casing import without_case
from siem.detection.keywords import ODD, KeywordLiterals, Keywords, in_json
from siem.detection.patterns import Pattern
from siem.detection.predicates import ANYWHERE, Matches, Predicate, TextIs, View, compiled
from siem.detection.scan import needed_literal

#: Letters whose lower case is odd, what JSON escapes, and what numbers are made of.
texts = st.text(alphabet='aAbiIkKsSςσΣİıſ\u212aéÉ\x00\n\t"\\/{}[],:*?.1e+-NnTtruefalse\u2028', max_size=8)
values = st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.lists(texts, max_size=3), st.just(2**70), st.just("\ud800"))


def keyword(text: str, cased: bool) -> Predicate:
    pattern = Pattern.parse(text).open_start().open_end()
    return TextIs(ANYWHERE, pattern if cased else pattern.lower(), cased)


def of(predicates: list[Predicate]) -> Keywords:
    return Keywords({one: (place,) for place, one in enumerate(predicates)}, KeywordLiterals(map(needed_literal, predicates)))


@given(
    st.lists(st.one_of(st.builds(keyword, texts, st.booleans()), st.just(Matches(ANYWHERE, "(?i)s.*kiss"))), max_size=12, unique=True),
    st.dictionaries(texts, values, max_size=5),
)
def test_every_rule_that_a_keyword_lets_through_is_found(predicates: list[Predicate], fields: dict[str, object]) -> None:
    expected = {place for place, one in enumerate(predicates) if compiled(one)(View(fields))}
    assert expected <= set(of(predicates).opened_by(fields))


@given(
    st.lists(st.builds(keyword, texts, st.booleans()), max_size=12, unique=True),
    st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=4),
)
def test_what_is_heard_in_several_events_hides_no_rule_of_one(predicates: list[Predicate], several: list[dict[str, object]]) -> None:
    keywords, literals = of(predicates), KeywordLiterals(map(needed_literal, predicates))
    heard = literals.heard_in(several)
    for fields in several:
        expected = {place for place, one in enumerate(predicates) if compiled(one)(View(fields))}
        assert expected <= set(keywords.opened_by(fields, heard))


def test_every_sign_whose_lower_case_holds_a_letter_of_ascii_is_looked_for() -> None:
    lowered = ((sign, without_case(sign)) for sign in map(chr, range(128, sys.maxunicode + 1)))
    assert tuple(sign for sign, lower in lowered if any(map(str.isascii, lower))) == ODD


def test_rules_whose_keyword_is_not_there_are_not_looked_at() -> None:
    keywords = of([keyword(text, cased=False) for text in ("kiwi", "mimi::", r"\\evil.dll", "élan", "other", "again", "more", "x7")])
    assert list(keywords.opened_by({"Data": "a Kiwi", "Count": 1})) == [0]
    assert list(keywords.opened_by({"Path": r"C:\EVIL.DLL", "Other": None})) == [2, 4]  # a name is found too: it costs an evaluation
    assert list(keywords.opened_by({"Data": "ÉLAN vital"})) == [3]
    assert list(keywords.opened_by({"Data": "nothing of it"})) == []


def test_a_text_as_it_stands_in_json() -> None:
    assert in_json('a\\b"\n') == r"a\\b\"\n"
    assert in_json("\ud800") == ""
