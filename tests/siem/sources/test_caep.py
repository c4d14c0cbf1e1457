"""Golden files of the source caep."""

from collections.abc import Callable
from pathlib import Path

import pytest

from siem.errors import DataError
from siem.sources import SOURCES
from siem.sources.configuration import load_sources
from tests.siem.sources.golden import check, logs


@pytest.mark.parametrize("path", logs("caep"), ids=lambda path: path.stem)
@pytest.mark.spec("RFC8417-2.2", "CAEP-2", "CAEP-3.1", "CAEP-3.3")
def test_a_log_becomes_the_expected_events(path: Path, expected: Callable[[Path, str], None]) -> None:
    check("caep", path, expected)


def test_events_that_nobody_verified_cannot_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("- {name: signals, type: caep, service: Fournisseur, file: signals.log}\n")
    with pytest.raises(DataError, match="verifies them"):
        load_sources(tmp_path / "sources.yaml", SOURCES)
