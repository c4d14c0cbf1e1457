"""An administrator who has entered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.endpoints.console.entering import Console, administering


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    with administering(tmp_path) as made:
        made.enter()
        yield made
