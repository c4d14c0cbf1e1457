"""The watch."""

from collections.abc import Iterator
from pathlib import Path

from bench.report import Row


def rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Nothing yet."""
    yield from ()
