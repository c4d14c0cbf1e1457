"""One watch per test, and one after the night."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from siem.incidents.model import Incident
from tests.siem.console.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def incident(world: World) -> Incident:
    """The attack's incident; the night has been played in ``world``."""
    return world.play_the_night()
