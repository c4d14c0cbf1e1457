"""Whatever a document holds, it loads or it is refused: never a fault of the watch, and never the others' loss."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.detection import load as load_module
from siem.detection import prove
from siem.detection.encoding import decoded, encoded
from siem.detection.load import load_rules
from tests.siem.detection.test_load import RULE

FOLDER = Path(__file__).parents[3] / "rules"
EVERY_MODIFIER = """\
title: Everything
id: 22222222-2222-4222-8222-222222222223
logsource: {product: windows, category: process_creation}
detection:
  s:
    A|gt: 3
    B|re: x
    C|cidr: 10.0.0.0/8
    D|windash|contains: ' -x'
    E|exists: true
    F|fieldref: G
    H|hour|gte: 3
    I|base64offset|contains: foo
    J|neq: [1, 2]
    K|wide|base64: q
  k: [foo, bar]
  condition: s or k
"""
DOCUMENTS: list[Any] = [
    yaml.safe_load(EVERY_MODIFIER),
    *(document for path in sorted(FOLDER.rglob("*.yml")) for document in yaml.safe_load_all(path.read_text("utf-8")) if document),
]
ODD_VALUES = st.sampled_from(
    [
        *(None, True, 3, -1, 10**400, float("inf"), float("nan"), "", "x", "%x%", "%", "|", "*", "\\", [], {}, [None], [[]], [{}], {1: 2}),
        *({"a": 1}, ["x", "x"], "\x00", 1e308, "1h", "-1h", "999999y", "0s", {"gte": 1}, [1, "x"], "²", b"abc", "1 of", "a" * 5000),
    ]
)
ODD_KEYS = st.sampled_from(
    ["", 3, None, True, "x|re", "a|b|c", "|all", "A|gt", "A|minute", "A|base64offset|contains", "A|expand", "id", "them"]
)


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, one in inside for found in _places(one, (*path, key)))]


@st.composite
def odd_documents(draw: st.DrawFn) -> Any:
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from([place for place in _places(document) if place]))
        holder = document
        for key in above:
            holder = holder[key]
        if isinstance(holder, dict) and draw(st.booleans()):
            holder[draw(ODD_KEYS)] = holder.pop(last)
        else:
            holder[last] = draw(ODD_VALUES)
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("rules")
    (made / "good.yml").write_text(RULE, "utf-8")
    return made


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(odd_documents())
def test_an_odd_document_is_refused_by_name_or_loads_and_the_good_one_does(folder: Path, document: Any) -> None:
    (folder / "odd.yml").write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    loaded = load_rules(folder)
    assert "good.yml" in {rule.path for rule in loaded.rules.values()} or str(document.get("id")) in RULE
    assert not [error for error in loaded.errors if "fault of the watch" in error.problem]
    assert decoded(encoded(loaded)).rules == loaded.rules
    prove.check(folder)


def test_a_fault_of_ours_in_one_document_is_not_the_others_loss(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "odd.yml").write_text(EVERY_MODIFIER, "utf-8")
    read = load_module.heading

    def faulty(document: Any, *arguments: Any, **more: Any) -> Any:
        if document.path == "odd.yml":
            raise ZeroDivisionError("by nought")
        return read(document, *arguments, **more)

    monkeypatch.setattr(load_module, "heading", faulty)
    loaded = load_rules(folder)
    assert [rule.path for rule in loaded.rules.values()] == ["good.yml"]
    assert ["fault of the watch (ZeroDivisionError: by nought)" in error.problem for error in loaded.errors] == [True]
