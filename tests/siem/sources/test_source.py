"""Sources that remember nothing have nothing to save."""

import pytest

from siem.sources import SOURCES
from tests.siem.sources.golden import settings


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_that_saw_nothing_has_nothing_to_save(kind: str) -> None:
    source = SOURCES[kind](settings(kind))
    assert source.export_state() is None
    source.restore(None)
    assert source.export_state() is None
