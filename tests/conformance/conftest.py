"""A provider with what the OpenID conformance suite registers: one client that may do everything the plan tries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.idp.wire import Wire, running


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with running(tmp_path, outbound_loopback=True) as started:
        yield started
