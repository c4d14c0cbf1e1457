"""Documents say what the code says: generated pages are compared, names that prose mentions exist."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.architecture.test_sizes import PATH_PAGES
from tests.architecture.tree import ROOT, files, python_files, syntax

#: Upper-case words of docstrings that are no acronyms: SQL, file names, values of standards, code shown in prose.
NOT_ACRONYMS = {
    "AND",
    "OR",
    "NOT",
    "NEW",
    "NULL",
    "BEGIN",
    "COMMIT",
    "WHERE",
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "LIKE",
    "FILE",
    "ID",
    "PS3",
    "CK",
    "II",
    "III",
}


def _generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("veilleur_docs_generate", ROOT / "docs" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


GENERATOR = _generator()


@pytest.mark.parametrize("name", GENERATOR.PAGES)
def test_a_generated_page_is_what_the_code_gives(name: str) -> None:
    path = GENERATOR.REFERENCE / name
    assert path.exists(), f"{path.relative_to(ROOT)} is missing: make docs"
    assert path.read_text("utf-8") == GENERATOR.PAGES[name](), f"{path.relative_to(ROOT)} is old: make docs, and read the diff"


def test_every_paragraph_that_a_test_names_belongs_to_a_known_standard() -> None:
    unknown = [
        f"{test}: {requirement}"
        for requirement, test in GENERATOR.spec_marks()
        if requirement.split("-")[0] not in GENERATOR.STANDARDS or not re.fullmatch(r"[A-Z0-9]+-[A-Za-z0-9][\w.-]*", requirement)
    ]
    assert unknown == [], "add the standard to STANDARDS of docs/generate.py, or write the mark as RFC6749-4.1.2"


def test_the_page_on_architecture_names_the_path_pages() -> None:
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    assert [path for path in PATH_PAGES if path not in page] == []


PAGES = [path for path in files() if path.endswith(".md") and not path.startswith(("tests/", "docs/reference/"))]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_to_what_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)\s#]+)", text)
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])  # which names what was there once
def test_a_page_names_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`((?:idp|siem|vocabulary|docs|deploy|bench|requirements)/[\w./-]+\.(?:py|md|txt|yaml|json))(?::\w+)?`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {(page, target) for page in PAGES for target in re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text("utf-8"))}
    assert sorted((page, target) for page, target in named if target not in targets) == []


def test_the_glossary_explains_every_acronym_of_a_docstring() -> None:
    glossary = set(re.findall(r"\*\*([A-Za-z0-9ôéè'’ -]+)\*\*", (ROOT / "docs/glossary.md").read_text("utf-8")))
    missing: dict[str, str] = {}
    for path in python_files("idp", "siem", "vocabulary"):
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for acronym in _acronyms(ast.get_docstring(node) or ""):
                    if acronym not in glossary:
                        missing.setdefault(acronym, path)
    assert missing == {}


def _acronyms(docstring: str) -> set[str]:
    """Words of two to six capitals in prose: code in double backquotes, constants and names of variables are left out."""
    prose = re.sub(r"``.*?``|:\w+:`.*?`", " ", docstring, flags=re.DOTALL)
    words = re.findall(r"(?<![\w$./{-])([A-Z][A-Z0-9]{1,5})s?(?![\w=*-]|\.[a-z]|/[a-z])", prose)
    return {word for word in words if not re.fullmatch(r"[A-Z]\d+|T\d{4}|[0-9A-F]{2}", word)} - NOT_ACRONYMS


DECISIONS = [path for path in files() if re.fullmatch(r"docs/decisions/\d{4}-.*\.md", path)]


@pytest.mark.parametrize("path", DECISIONS)
def test_a_decision_has_its_five_parts(path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads == ["Context", "Decision", "Consequences", "Alternatives", "What enforces it"]
    assert len(text.splitlines()) <= 60, "one page"


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(Path(path).name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
