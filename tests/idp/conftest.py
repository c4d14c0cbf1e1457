"""A running provider for the tests that go over the wire."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.wire import Wire, running


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path) as started:
        yield started
