"""Tests mirror the source, both ways, and names say what."""

import ast
from pathlib import PurePosixPath

import pytest

from tests.architecture.tree import PACKAGES, files, python_files, syntax

#: Modules whose behaviour another module's test shows, and which. For a part that nothing but its whole makes sense of.
COVERED_BY: dict[str, str] = {
    "idp/grants/phases.py": "tests/idp/grants/test_grants.py",
    "siem/batch.py": "tests/siem/test_pipeline.py",
    "siem/app.py": "tests/end_to_end/test_night.py",
    "siem/incidents/model.py": "tests/siem/detection/test_credit.py",
    "siem/metrics.py": "tests/end_to_end/test_night.py",
    "siem/upkeep.py": "tests/end_to_end/test_night.py",
    "siem/retention/store.py": "tests/siem/retention/test_keeper.py",
}
#: Groups of commands, tried through the whole command line.
COVERED_BY |= {
    f"{package}/cli/{name}.py": f"tests/{package}/cli/test_cli.py"
    for package, names in {
        "idp": ("accounts", "audit", "check", "clients", "context", "doctor", "keys", "serving"),
        "siem": ("context", "dead_letters", "indicators", "playbooks", "replay", "rule_sets", "rules", "signals", "users"),
    }.items()
    for name in names
}
COVERED_BY["siem/cli/rule_conversion.py"] = "tests/siem/test_conversion.py"
#: The parts of one engine of a port, which its exam goes through as a whole.
COVERED_BY |= dict.fromkeys(
    (
        f"idp/store/sqlite_{name}.py"
        for name in ("answers", "clients", "consents", "device_codes", "grants", "logins", "refusals", "signals")
    ),
    "tests/idp/store/test_sqlite.py",
)
#: The parts of one validator, which is tried as a whole by what it refuses.
COVERED_BY |= dict.fromkeys((f"idp/registration/{name}.py" for name in ("checks", "entry")), "tests/idp/registration/test_registration.py")

#: Names that say nothing: whatever has no place goes there.
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "core", "base", "stuff", "lib"}


def _decides_something(path: str) -> bool:
    """False for a module of types, constants and docstrings alone, whose behaviour others' tests show."""
    functions = [node for node in _reachable(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return any(not node.name.startswith("__") for node in functions)


def _reachable(path: str) -> list[ast.stmt]:
    """Statements of the module and of its classes, protocols left out."""
    top = list(syntax(path).body)
    return top + [inner for node in top if isinstance(node, ast.ClassDef) and not _is_protocol(node) for inner in node.body]


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def _tests_of(module: str) -> list[str]:
    path = PurePosixPath(module)
    # The test of a package's __init__ stands beside the folder's other tests, under the folder's name.
    folder, name = (path.parent, path.parent.name) if path.stem == "__init__" else (path.parent, path.stem)
    prefix = f"tests/{folder}/test_{name}"
    return [test for test in files() if test == f"{prefix}.py" or (test.startswith(f"{prefix}_") and test.endswith(".py"))]


MODULES = [path for path in python_files(*PACKAGES) if "/migrations/" not in path]
TESTS = [path for path in python_files(*(f"tests/{package}" for package in PACKAGES)) if PurePosixPath(path).name.startswith("test_")]


@pytest.mark.parametrize("module", [path for path in MODULES if _decides_something(path)])
def test_a_module_has_its_test(module: str) -> None:
    if module in COVERED_BY:
        assert not _tests_of(module), f"{module} has a test of its own: take it out of COVERED_BY"
        return
    path = PurePosixPath(module)
    name = path.parent.name if path.stem == "__init__" else path.stem
    assert _tests_of(module), f"{module}: tests/{path.parent}/test_{name}.py is missing (or a line in COVERED_BY)"


@pytest.mark.parametrize("test", TESTS)
def test_a_test_has_its_module(test: str) -> None:
    path = PurePosixPath(test).relative_to("tests")
    name = path.stem.removeprefix("test_")
    words = name.split("_")
    candidates = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    places = [f"{path.parent}/{candidate}.py" for candidate in candidates]
    if name == path.parent.name or name.startswith(f"{path.parent.name}_"):
        places.append(f"{path.parent}/__init__.py")
    # tests/siem/test_detection.py may stand for the package as a whole.
    places += [f"{path.parent}/{candidate}/__init__.py" for candidate in candidates]
    assert any(place in MODULES for place in places), f"{test} tests no module: {places[0]} does not exist"


def test_what_is_covered_elsewhere_exists_and_so_does_its_test() -> None:
    assert set(COVERED_BY) <= set(MODULES), "COVERED_BY names a module that is gone"
    assert set(COVERED_BY.values()) <= set(files()), "COVERED_BY names a test that is gone"


def test_no_test_folder_is_a_package() -> None:
    # tests/idp/__init__.py would make «import idp» find the tests instead of the application.
    assert [path for path in files() if path.startswith("tests/") and path.endswith("__init__.py")] == []


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    folders = {(folder.name, str(folder)) for path in files() for folder in PurePosixPath(path).parents}
    modules = {(PurePosixPath(path).stem, path) for path in files() if path.endswith((".py", ".js"))}
    assert sorted(path for name, path in folders | modules if name.lower() in EMPTY_NAMES) == []


def test_checks_of_the_authorization_endpoint_are_verbs() -> None:
    verbs = ("check_", "load_", "require_", "respond", "request", "resume", "__init__")
    names = [PurePosixPath(path).stem for path in python_files("idp/authorization")]
    assert [name for name in names if not name.startswith(verbs)] == []


def test_actions_of_playbooks_are_a_verb_and_a_noun() -> None:
    names = [PurePosixPath(path).stem for path in python_files("siem/response/actions")]
    assert [name for name in names if name != "__init__" and "_" not in name and name != "notify"] == []
