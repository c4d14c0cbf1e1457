"""What every test may use: golden files rewritten by a flag, standards' paragraphs, programs that must be there."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.examples import load_profile

load_profile()

#: Programs of Debian that live where not every PATH looks.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-expected", action="store_true", help="rewrite the golden files with what the code gives now")


def pytest_configure() -> None:
    """Choose where the watch is killed during the night of the end-to-end tests, for every worker of this run."""
    os.environ.setdefault("NIGHT_SEED", str(random.SystemRandom().randrange(1, 10**6)))


def pytest_report_header() -> str:
    """Printed at the start of a run, so that a failure can be had again."""
    return f"NIGHT_SEED={os.environ['NIGHT_SEED']} (set it to kill the watch at the same points of the night)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's name must be the same in every process, or workers do not agree on what there is to run."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: the name holds an address in memory; give the parameters ids")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing, with the reason; under CI nothing may be missing."""
    for mark in item.iter_markers("service"):
        missing = [program for program in mark.args if shutil.which(program, path=_SEARCH_PATH) is None]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"{', '.join(missing)} is not installed; .ci/services installs it")
        if missing:
            pytest.skip(f"{', '.join(missing)} is not installed; make test installs it as root on Debian")


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``expected(path, text)``: the file holds that text. With ``--update-expected`` it is written, to be reviewed as a diff."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-expected"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert path.exists(), f"{path} is missing: run pytest with --update-expected and read what it writes"
        assert text == path.read_text("utf-8"), f"{path} differs: if that is meant, run pytest with --update-expected and read the diff"

    return compare
