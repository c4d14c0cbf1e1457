"""Every module of a plan has its test or its reason, and no test is called after a module that does not exist."""

from pathlib import Path

import pytest

from tests.conformance.foundation import verdicts
from tests.conformance.plans import NOT_APPLICABLE, PLANS, module_tests, name_of_test

MODULES = {module for modules in PLANS.values() for module in modules}
TESTS = module_tests(Path(__file__).parent)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_has_its_test_or_a_reason(module: str) -> None:
    name = name_of_test(module)
    assert (name in TESTS) != (module in NOT_APPLICABLE), f"{module}: write test_{name}, or say in NOT_APPLICABLE why there is none"


def test_no_test_has_the_name_of_a_module_that_does_not_exist() -> None:
    assert set(TESTS) <= {name_of_test(module) for module in MODULES}
    assert set(NOT_APPLICABLE) <= MODULES


def test_the_lists_are_as_long_as_the_foundation_s() -> None:
    lengths = {"basic": 38, "config": 1, "formpost-basic": 38, "dynamic": 23, "3rdparty-init-login": 2, "rp-initiated-logout": 11}
    for name, length in lengths.items():
        assert len(set(PLANS[f"oidcc-{name}-certification-test-plan"])) == length


def test_what_the_foundation_s_suite_ran_is_listed() -> None:
    for run in verdicts.load().values():
        assert {module["module"] for module in run["modules"]} <= set(PLANS[run["plan"]]), run["plan"]
