import pytest

from siem.detection.documents import parse_documents
from siem.detection.scalars import misread
from tests.siem.detection.test_load import RULE


def _told(value: str) -> list[tuple[str, tuple[str, ...]]]:
    ((document,), errors) = parse_documents(RULE.replace("startswith: login.", f"startswith: {value}"), "rule.yml")
    assert errors == []
    return [(mistake.problem, mistake.path) for mistake in misread(document)]


@pytest.mark.parametrize(
    ("value", "kind"), [("0123", "int"), ("12:30", "int"), ("1_000", "int"), ("Yes", "bool"), ("on", "bool"), ("[a, 0o17, 0x1F]", "int")]
)
def test_a_value_that_yaml_reads_otherwise_than_it_looks_is_told_with_its_place(value: str, kind: str) -> None:
    ((problem, path),) = _told(value)
    assert f"is read as a {kind}" in problem
    assert path[:3] == ("detection", "selection", "event.action|startswith")


@pytest.mark.parametrize("value", ["12", "-3", "0", "1.5", "true", "'0123'", '"Yes"', "login.", "2026-01-02", "[1, 2]", "1.2.3.4", ""])
def test_a_value_that_is_what_it_looks_like_is_left_alone(value: str) -> None:
    assert _told(value) == []
