from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.siem.declarations.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh world, closed at the end."""
    world = World(tmp_path)
    yield world
    world.database.close()
