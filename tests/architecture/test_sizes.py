"""Files and functions stay short enough to be read at once."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.tree import ROOT, python_files, syntax

FILE_LINES = 400
FUNCTION_LINES = 50
VOCABULARY_LINES = 1_000
PATH_PAGE_LINES = 200

#: The pages where a whole path reads at once.
PATH_PAGES = ("idp/authorization/__init__.py", "idp/grants/__init__.py", "siem/pipeline.py")

#: Files that are longer for now, and how long they may be. A number here may only go down.
LONGER_FILES: dict[str, int] = {}

#: The same for functions, as path:name.
LONGER_FUNCTIONS: dict[str, int] = {}

SOURCES = python_files("idp", "siem", "vocabulary", "docs", "bench", "deploy")


def _length(path: str) -> int:
    return len((ROOT / path).read_text("utf-8").splitlines())


def _functions(path: str) -> Iterator[tuple[str, int]]:
    """Each function with the lines of its body, its docstring left out."""
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", SOURCES)
def test_a_file_is_short(path: str) -> None:
    lines = _length(path)
    if path in LONGER_FILES:
        assert lines <= LONGER_FILES[path], f"{path} has grown to {lines} lines"
        assert lines > FILE_LINES, f"{path} is short enough now: take it out of LONGER_FILES"
    else:
        assert lines <= FILE_LINES, f"{path} has {lines} lines: split it by meaning"


@pytest.mark.parametrize("path", SOURCES)
def test_a_function_is_short(path: str) -> None:
    too_long = []
    for name, lines in _functions(path):
        allowed = LONGER_FUNCTIONS.get(f"{path}:{name}")
        if allowed is not None:
            assert FUNCTION_LINES < lines <= allowed, f"{path}:{name} has {lines} lines: change LONGER_FUNCTIONS"
        elif lines > FUNCTION_LINES:
            too_long.append(f"{name} ({lines} lines)")
    assert not too_long, f"{path}: {', '.join(too_long)}: {FUNCTION_LINES} at most"


def test_what_is_allowed_to_be_long_exists() -> None:
    assert set(LONGER_FILES) <= set(SOURCES)
    functions = {f"{path}:{name}" for path in SOURCES for name, _ in _functions(path)}
    assert set(LONGER_FUNCTIONS) <= functions


def test_the_vocabulary_stays_small() -> None:
    assert sum(_length(path) for path in python_files("vocabulary")) <= VOCABULARY_LINES


@pytest.mark.parametrize("path", PATH_PAGES)
def test_a_path_reads_on_one_page(path: str) -> None:
    assert _length(path) <= PATH_PAGE_LINES
