import re

import pytest

from siem.detection.conditions import compile_tree
from siem.detection.predicates import View
from siem.detection.selections import RuleMistake, detection_tree


def matches(detection: object, **fields: object) -> bool:
    return compile_tree(detection_tree(detection, {}, lambda name: name))(View(fields))


def test_a_map_is_a_conjunction_a_list_of_maps_a_disjunction() -> None:
    both = {"selection": {"a": 1, "b": 2}, "condition": "selection"}
    assert matches(both, a=1, b=2)
    assert not matches(both, a=1)
    either = {"selection": [{"a": 1, "b": 2}, {"c|contains": "x"}], "condition": "selection"}
    assert matches(either, c="axb")
    assert not matches(either, a=1)


def test_texts_in_a_list_are_keywords_also_beside_maps() -> None:
    assert matches({"words": ["evil", "bad"], "condition": "words"}, message="something BAD")
    assert matches({"words": ["evil", {"a": 1}], "condition": "words"}, a=1)
    assert matches({"words": "evil", "condition": "words"}, message="evil")
    assert not matches({"words": {"|all": ["evil", "bad"]}, "condition": "words"}, message="evil")


def test_several_conditions_are_a_disjunction() -> None:
    detection = {"one": {"a": 1}, "two": {"b": 1}, "condition": ["one and two", "two"]}
    assert matches(detection, b=1)
    assert not matches(detection, a=1)


@pytest.mark.parametrize(
    ("detection", "path", "problem"),
    [
        (["a"], "detection", "a map"),
        ({"s": {"a": 1}}, "detection.condition", "a condition"),
        ({"s": {"a": 1}, "condition": []}, "detection.condition", "a condition"),
        ({"s": {"a": 1}, "condition": 3}, "detection.condition", "a condition"),
        ({"s": {}, "condition": "s"}, "detection.s", "empty"),
        ({"s": [], "condition": "s"}, "detection.s", "empty"),
        ({"s": None, "condition": "s"}, "detection.s", "empty"),
        ({"s": {"a|wat": 1}, "condition": "s"}, "detection.s.a|wat", "unknown modifier"),
        ({"s": {"a": {"b": 1}}, "condition": "s"}, "detection.s.a", "found a map"),
    ],
)
def test_a_mistake_is_named_by_its_path(detection: object, path: str, problem: str) -> None:
    with pytest.raises(RuleMistake, match=re.escape(problem)) as caught:
        detection_tree(detection, {}, lambda name: name)
    assert ".".join(caught.value.path) == path
