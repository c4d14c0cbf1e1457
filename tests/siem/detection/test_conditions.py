from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.detection.conditions import AllOf, AnyOf, ConditionError, Leaf, Negated, Node, compile_tree, parse_condition, predicates
from siem.detection.patterns import Pattern
from siem.detection.predicates import TextIs, View


def leaf(name: str) -> Leaf:
    return Leaf(TextIs(name, Pattern.literal("1")))


NAMES: Mapping[str, Node] = {name: leaf(name) for name in ("a", "b", "c", "sel_x", "sel_y", "_hidden", "filter_main_z")}


def holds(condition: str, true: set[str]) -> bool:
    return compile_tree(parse_condition(condition, NAMES))(View(dict.fromkeys(true, "1")))


@pytest.mark.parametrize(
    ("condition", "true", "expected"),
    [
        ("a", {"a"}, True),
        ("not a", {"a"}, False),
        ("not not a", {"a"}, True),
        ("a or b and c", {"a"}, True),
        ("(a or b) and c", {"a"}, False),
        ("not a or b", {"b", "a"}, True),
        ("not (a or b)", {"b"}, False),
        ("not a and b", {"b"}, True),
        ("not 1 of sel_*", {"a"}, True),
        ("1 of sel_*", {"sel_y"}, True),
        ("all of sel_*", {"sel_y"}, False),
        ("all of sel_*", {"sel_y", "sel_x"}, True),
        ("any of sel_*", {"sel_x"}, True),
        ("1 of *_main_*", {"filter_main_z"}, True),
        ("1 of them", {"_hidden"}, False),
        ("1 of them", {"c"}, True),
        ("1 of _hid*", {"_hidden"}, True),
        ("1 of *", {"_hidden"}, False),
        ("a AND NOT b OR c", {"a"}, True),
        ("  a\n  and\tb ", {"a", "b"}, True),
        ("(((a)))", {"a"}, True),
    ],
)
def test_follows_the_precedence_of_the_specification(condition: str, true: set[str], expected: bool) -> None:
    assert holds(condition, true) is expected


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("", "empty"),
        ("a and", "ends where a selection is expected"),
        ("(a", "not closed"),
        ("a)", "not expected here"),
        ("a b", "not expected here"),
        ("d", "«d» is not a selection"),
        ("1 of d*", "names no selection"),
        ("a | count() > 5", "write a correlation rule"),
        ("not " * 200 + "a", "nested deeper"),
        ("not " * 50_000 + "a", "nested deeper"),
        (" or ".join(["1 of them"] * 20_000), "more than 50000 comparisons"),
        (" and ".join(["a"] * 60_000), "more than 50000 comparisons"),
        ("(" * 200 + "a" + ")" * 200, "nested deeper"),
    ],
    ids=range(13),
)
def test_refuses_what_it_cannot_read(condition: str, problem: str) -> None:
    with pytest.raises(ConditionError, match=problem):
        parse_condition(condition, NAMES)


trees = st.recursive(
    st.builds(
        lambda name, value: Leaf(TextIs(name, Pattern.parse(value))),
        st.sampled_from("fgh"),
        st.sampled_from(["1", "2", "1*", "*2", "*1*", "1*2"]),
    ),
    lambda inner: st.one_of(
        st.builds(Negated, inner),
        st.builds(lambda some: AllOf(tuple(some)), st.lists(inner, min_size=1, max_size=4)),
        st.builds(lambda some: AnyOf(tuple(some)), st.lists(inner, min_size=1, max_size=4)),
    ),
    max_leaves=12,
)


def slowly(node: Node, fields: Mapping[str, object]) -> bool:
    match node:
        case Leaf(TextIs(name, pattern)):
            return name in fields and pattern.matcher()(str(fields[name]))
        case Negated(child):
            return not slowly(child, fields)
        case AllOf(children):
            return all(slowly(child, fields) for child in children)
        case AnyOf(children):
            return any(slowly(child, fields) for child in children)
    raise AssertionError(node)


@given(trees, st.dictionaries(st.sampled_from("fgh"), st.sampled_from(["1", "2", "12", "21", "112", ""])))
def test_the_compiled_tree_says_what_the_tree_says(node: Node, fields: dict[str, object]) -> None:
    assert compile_tree(node)(View(fields)) is slowly(node, fields)


def test_lists_every_predicate() -> None:
    assert [predicate.field for predicate in predicates(parse_condition("not a and (b or c)", NAMES))] == ["a", "b", "c"]
