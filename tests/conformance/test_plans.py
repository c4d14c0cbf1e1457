"""Every module of a plan has its test or its reason, and no test is called after a module that does not exist."""

import ast
from pathlib import Path

import pytest

from tests.conformance.plans import NOT_APPLICABLE, PLANS

MODULES = {module for modules in PLANS.values() for module in modules}


def _tests() -> dict[str, str]:
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_oidcc_"):
                found[node.name] = path.name
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_has_its_test_or_a_reason(module: str) -> None:
    name = f"test_{module.replace('-', '_')}"
    assert (name in _tests()) != (module in NOT_APPLICABLE), f"{module}: write {name}, or say in NOT_APPLICABLE why there is none"


def test_no_test_has_the_name_of_a_module_that_does_not_exist() -> None:
    assert set(_tests()) <= {f"test_{module.replace('-', '_')}" for module in MODULES}
    assert set(NOT_APPLICABLE) <= MODULES
