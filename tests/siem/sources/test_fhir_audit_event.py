"""Golden files of the source fhir_audit_event."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.siem.sources.golden import check, logs


@pytest.mark.parametrize("path", logs("fhir_audit_event"), ids=lambda path: path.stem)
def test_a_log_becomes_the_expected_events(path: Path, expected: Callable[[Path, str], None]) -> None:
    check("fhir_audit_event", path, expected)
