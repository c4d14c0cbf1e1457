"""Golden files of the source ecs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.siem.sources.golden import check, logs


@pytest.mark.parametrize("path", logs("ecs"), ids=lambda path: path.stem)
def test_a_log_becomes_the_expected_events(path: Path, expected: Callable[[Path, str], None]) -> None:
    check("ecs", path, expected)
