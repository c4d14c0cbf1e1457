import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.conditions import ConditionError
from siem.detection.terms import MAX_TERMS, Term, at_least, read_terms, rules_named

NAMES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a and b and c", [Term((0, 1, 2))]),
        ("a and b or c", [Term((0, 1)), Term((2,))]),
        ("a and not (b or c)", [Term((0,), (1, 2))]),
        ("a and not (b and c)", [Term((0,), (1,)), Term((0,), (2,))]),
        ("1 of them", [Term((0,)), Term((1,)), Term((2,))]),
        ("all of *", [Term((0, 1, 2))]),
        ("a and not c or b and c", [Term((0,), (2,)), Term((1, 2))]),
        ("NOT NOT a AND b AND c", [Term((0, 1, 2))]),
    ],
)
def test_an_expression_becomes_its_alternatives(text: str, expected: list[Term]) -> None:
    assert list(read_terms(text, NAMES)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a and b", "«c» is in the list of rules"),
        ("a and b and c and d", "«d» is not"),
        ("not a and not b and not c", "at least one rule that matches"),
        ("a and (b or not c) or not b", "at least one rule that matches"),
        ("a and (b", "not closed"),
        ("a | count() > 3", "obsolete"),
        ("", "empty"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConditionError, match=problem):
        read_terms(text, NAMES)


def test_an_expression_that_explodes_is_refused_at_once() -> None:
    names = [f"r{number}" for number in range(80)]
    with pytest.raises(ConditionError, match=f"more than {MAX_TERMS} alternatives"):
        read_terms(" and ".join(f"({one} or {other})" for one, other in zip(names[::2], names[1::2], strict=True)), names)


def test_at_least_so_many_are_all_the_ways_to_choose_them() -> None:
    assert at_least(2, 3) == (Term((0, 1)), Term((0, 2)), Term((1, 2)))
    with pytest.raises(ConditionError, match="ways to choose 10 of 20"):
        at_least(10, 20)


def test_the_rules_an_expression_names_are_found_in_their_order() -> None:
    assert rules_named("b and not (a or b) or c-1") == ("b", "a", "c-1")


expressions = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.one_of(
        inner.map("(not {})".format), st.tuples(inner, st.sampled_from(["and", "or"]), inner).map("({0[0]} {0[1]} {0[2]})".format)
    ),
    max_leaves=6,
)


@given(expressions)
def test_the_alternatives_hold_where_the_expression_does(text: str) -> None:
    every = f"({text}) and (a or not a) and (b or not b) and (c or not c)"
    truths = {row: bool(eval(text, {}, dict(zip(NAMES, row, strict=True)))) for row in itertools.product([False, True], repeat=3)}

    def holds(terms: Sequence[Term], row: tuple[bool, ...]) -> bool:
        return any(all(row[place] for place in term.wanted) and not any(row[place] for place in term.unwanted) for term in terms)

    try:
        terms = read_terms(every, NAMES)
    except ConditionError:
        # It holds where nothing matches, or where nothing could: neither can be looked for.
        assert truths[False, False, False] or not any(truths.values())
    else:
        assert {row: holds(terms, row) for row in truths} == truths
