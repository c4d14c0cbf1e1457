"""The pytest plugin: found by pytest wherever the distribution is installed, it starts nothing until a test asks for its fixture."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from idp.testing import DevProvider


@pytest.fixture(scope="session")
def veilleur_options() -> Sequence[str]:
    """Options of ``idp dev`` (such as ``--redirect-uri URL``); a project overrides this fixture with its own."""
    return ()


@pytest.fixture(scope="session")
def veilleur_provider(veilleur_options: Sequence[str]) -> "Iterator[DevProvider]":
    """A provider for the whole run, on loopback, with invented people and a clock that tests move."""
    from idp.testing import running

    with running(*veilleur_options) as provider:
        yield provider
