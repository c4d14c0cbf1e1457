"""No incident is left without a test, no attack without an incident, and no section of RFC 9700 without a proof or a reason."""

import ast
from collections import defaultdict

from tests.architecture.test_docs import GENERATOR
from tests.architecture.tree import ROOT
from tests.attacks.classes import CLASSES
from tests.attacks.rfc9700 import NOT_APPLICABLE, SECTIONS

MARKS = list(GENERATOR._marked("precedent"))
KNOWN = [name for attack in CLASSES for name in attack.precedents]


def test_every_incident_has_a_test() -> None:
    assert sorted(set(KNOWN) - {name for name, _, _ in MARKS}) == [], "mark a test of tests/attacks with it"
    assert len(KNOWN) == len(set(KNOWN)), "an incident belongs to one class"


def test_every_incident_that_a_test_names_is_in_the_table() -> None:
    assert sorted((path, name) for name, path, _ in MARKS if name not in KNOWN) == [], "add it to tests/attacks/classes.py"


def test_every_attack_names_an_incident() -> None:
    marked = {(path, test) for _, path, test in MARKS}
    tests = [
        (str(path.relative_to(ROOT)), node.name.removeprefix("test_").replace("_", " "))
        for path in sorted((ROOT / "tests/attacks").glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [test for test in tests if test not in marked] == []


def test_an_incident_is_told_of_where_it_is_repeated() -> None:
    named = defaultdict(set)
    for name, path, _ in MARKS:
        named[path].add(name)
    docstrings = {path: ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8"))) or "" for path in named}
    assert [(path, name) for path, names in named.items() for name in sorted(names) if name not in docstrings[path]] == []


def test_every_section_of_rfc_9700_has_a_test_or_a_reason() -> None:
    proved = {requirement.removeprefix("RFC9700-") for requirement, _ in GENERATOR.spec_marks() if requirement.startswith("RFC9700-")}
    assert [section for section in SECTIONS if section not in proved and section not in NOT_APPLICABLE] == []
    assert sorted(proved - SECTIONS.keys()) == [], "name the section that asks it, as tests/attacks/rfc9700.py lists them"
    assert sorted(NOT_APPLICABLE.keys() & proved) == [], "what has a test applies"
