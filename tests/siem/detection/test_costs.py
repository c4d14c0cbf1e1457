import pytest

from siem.detection import Rule
from siem.detection.conditions import parse_condition
from siem.detection.costs import costs_of
from siem.detection.load import CompiledRule, Variant
from siem.detection.modifiers import item_node


def costs(condition: str, **selections: dict[str, object]) -> list[str]:
    nodes = {name: item_node(key, value, {}, lambda field: (field,)) for name, lines in selections.items() for key, value in lines.items()}
    tree = parse_condition(condition, nodes)
    blank = dict.fromkeys(Rule.__slots__, "") | {"repeat_seconds": 0, "correlation": False}
    return list(costs_of(CompiledRule(Rule(**blank), "", (Variant((), tree, ()),))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("condition", "selections"),
    [("a", {"a": {"f": "x"}}), ("a and not b", {"a": {"f|contains": "x"}, "b": {"g": 1}}), ("a", {"a": {"f|re": "^(ab|cd)+x.*y$"}})],
)
def test_a_rule_that_selects_costs_nothing_to_speak_of(condition: str, selections: dict[str, dict[str, object]]) -> None:
    assert costs(condition, **selections) == []


def test_a_rule_that_only_excludes_is_evaluated_for_every_event() -> None:
    (found,) = costs("not a", a={"f": "x"})
    assert "evaluated for every event" in found


def test_an_expression_that_must_go_back_is_named() -> None:
    (found,) = costs("a and b", a={"f": "x"}, b={"f|re": "a(?=b)"})
    assert "a(?=b)" in found
    assert "goes back" in found
