"""Whatever a how-to page offers to copy is run by a test, and the index names every page."""

import re

import pytest

from tests.end_to_end.guides.guide import HOW_TO, titled_blocks

TESTS = [path.read_text("utf-8") for path in HOW_TO.parents[1].glob("tests/end_to_end/guides/test_*.py")]
PAGES = sorted(path.name for path in HOW_TO.glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_blocks_to_copy_has_a_test_that_runs_them(page: str) -> None:
    # That such a test leaves no block out is checked where it ends: Guide.check_used.
    assert not titled_blocks(page) or any(f'"{page}"' in text and ("check_used" in text or "service_of" in text) for text in TESTS)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_is_closed_and_no_name_is_given_twice(page: str) -> None:
    text = (HOW_TO / page).read_text("utf-8")
    fences = [line.strip() for line in text.splitlines() if line.lstrip().startswith("```")]
    assert all((fence == "```") == bool(number % 2) for number, fence in enumerate(fences))
    titles = re.findall(r"^\s*```\w+ title=(\S+)$", text, re.MULTILINE)
    assert sorted(titles) == sorted(titled_blocks(page)), "a title is given twice, or its block is indented"


def test_the_index_names_every_page() -> None:
    index = (HOW_TO / "README.md").read_text("utf-8")
    assert [page for page in PAGES if page != "README.md" and f"]({page})" not in index] == []
