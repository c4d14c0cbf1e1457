from pathlib import Path

import pytest

from siem.detection.documents import MAX_BYTES, read_documents
from siem.detection.folders import RuleFolder
from siem.detection.selections import RuleMistake


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"just a text", b"- a\n- b", b"", b"a: &a [*a, *a]\n" + b"b: " + b"[" * 5000, b"x" * (MAX_BYTES + 1)]
)
def test_a_file_that_is_no_rule_is_an_error_of_its_own(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.yml").write_bytes(content)
    found, errors = read_documents(tmp_path / "odd.yml", RuleFolder(tmp_path))
    assert found == []
    assert [error.path for error in errors] == ["odd.yml"]


def test_a_document_knows_the_line_of_each_of_its_parts(tmp_path: Path) -> None:
    (tmp_path / "two.yml").write_text("a: 1\n---\nb:\n  c: 1\n  d.e|f: [1,\n    2]\n", encoding="utf-8")
    (_, second), errors = read_documents(tmp_path / "two.yml", RuleFolder(tmp_path))
    assert errors == []
    paths: list[tuple[str, ...]] = [(), ("b",), ("b", "d.e|f"), ("b", "missing"), ("missing",)]
    assert [second.error(RuleMistake("wrong", *path)).line for path in paths] == [3, 3, 5, 3, 3]


def test_a_key_written_twice_is_not_lost_in_silence(tmp_path: Path) -> None:
    (tmp_path / "twice.yml").write_text("a: 1\nb: 2\na: 3\n", encoding="utf-8")
    _, errors = read_documents(tmp_path / "twice.yml", RuleFolder(tmp_path))
    assert [(error.line, error.problem) for error in errors] == [(3, "not YAML: the key «a» is written twice")]
