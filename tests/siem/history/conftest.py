from collections.abc import Iterator

import pytest

from tests.siem.history.world import Shelf, Stored, crowd


@pytest.fixture(scope="session")
def shelf() -> Iterator[Shelf]:
    made = Shelf()
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def stored(shelf: Shelf) -> Stored:
    """A tenant with random events of every kind of field, and these events."""
    return shelf.put(crowd(400, seed=20260314))
