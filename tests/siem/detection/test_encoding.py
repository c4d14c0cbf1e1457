import ipaddress
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings

from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated, Node
from siem.detection.encoding import decoded, encoded
from siem.detection.load import load_rules
from siem.detection.patterns import How, Pattern
from siem.detection.predicates import (
    Compare,
    Exists,
    InNetwork,
    IsNull,
    Matches,
    NumberIs,
    Predicate,
    SameAs,
    TextIs,
    TimePart,
    TimePartIs,
)
from tests.examples import examples
from tests.siem.detection.test_match import trees

ROOT = Path(__file__).resolve().parents[3]
EACH: list[Predicate] = [
    TextIs("f", Pattern.parse("a*b?é")),
    Matches("f", "a.*b", 2),
    InNetwork("f", ipaddress.ip_network("192.0.2.0/24")),
    InNetwork("f", ipaddress.ip_network("2001:db8::/32")),
    NumberIs("f", Compare.GTE, 1.5),
    TimePartIs("f", TimePart.HOUR, Compare.EQ, 3.0),
    Exists("f", True),
    IsNull("f"),
    SameAs("f", "g", How.STARTS, False),
]


def test_every_kind_of_predicate_comes_back() -> None:
    assert {type(one) for one in EACH} == set(get_args(Predicate))
    tree = AllOf((AnyOf(tuple(map(Leaf, EACH))), Negated(AllOf(()))))
    assert decoded(encoded(tree)) == tree


@settings(max_examples=examples(60), deadline=None)
@given(trees)
def test_every_condition_comes_back(tree: Node) -> None:
    assert decoded(encoded(tree)) == tree


def test_all_rules_come_back_with_what_is_wrong_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("title: Nothing\n", "utf-8")
    loaded = load_rules(ROOT / "rules", tmp_path)
    again = decoded(encoded(loaded))
    assert again == loaded
    assert again.errors
    assert again.singles[0].rule is again.rules[again.singles[0].rule.id]


def test_equal_predicates_come_back_as_one_object() -> None:
    one, two = (Leaf(TextIs("f", Pattern.parse("a*"))) for _ in range(2))
    again = decoded(encoded(AllOf((one, Negated(two)))))
    assert again.children[0] is again.children[1].child


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), 2**70, "\ud800", print, Path("x")])
def test_what_rules_are_not_made_of_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encoded((value,))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b"[[],[5]]", b'[[["Path","x"]],[0]]', b'[[["os.system","x"]],[0]]', b'[[[".",9]],[0]]', b'[[],["eval","1"]]'],
)
def test_anything_else_is_an_error_and_makes_nothing(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError)):
        decoded(data)
