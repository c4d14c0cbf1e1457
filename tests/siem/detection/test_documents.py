import os
from pathlib import Path

import pytest

from siem.detection.documents import read_documents
from siem.detection.folders import RuleFolder
from siem.detection.selections import RuleMistake
from siem.yaml_text import MAX_BYTES


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


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: " + b"[" * 400_000 + b"]" * 400_000, "nested deeper than 60 levels at line 1"),
        (b"- " * 400_000 + b"x", "nested deeper than 60 levels at line 1"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(900)), "nested deeper than 60 levels at line 61"),
        (b"? " * 100_000, "nested deeper than 60 levels at line 1"),
        (
            b"a: &a [x, x]\n"
            + b"".join(
                b"a%d: &a%d [*a%s, *a%s]\n" % (n, n, b"" if n == 1 else b"%d" % (n - 1), b"" if n == 1 else b"%d" % (n - 1))
                for n in range(1, 40)
            ),
            "more than 250000 values",
        ),
        (b"a: &a\n  b: *a\n", "more than 250000 values"),
        (b"a: &a {b: c}\nd:\n  <<: *a\n", "the merge key"),
        (b"a: " + b"9" * 5000, "not YAML"),
    ],
    ids=["brackets", "dashes", "indentation", "question marks", "aliases", "an alias to itself", "a merge key", "a long number"],
)
def test_a_small_file_that_is_large_or_deep_is_refused_by_name(content: bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / "odd.yml").write_bytes(content)
    found, (error,) = read_documents(tmp_path / "odd.yml", RuleFolder(tmp_path))
    assert found == []
    assert problem in error.problem


def test_many_brackets_on_the_same_level_are_read(tmp_path: Path) -> None:
    (tmp_path / "wide.yml").write_text("a:\n" + "- [x, {y: z}]\n" * 2000, encoding="utf-8")
    (found,), errors = read_documents(tmp_path / "wide.yml", RuleFolder(tmp_path))
    assert errors == []
    assert found.body["a"] == [["x", {"y": "z"}]] * 2000


def test_what_is_no_file_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "folder.yml").mkdir()
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    for name in ("pipe.yml", "folder.yml", "gone.yml"):
        found, (error,) = read_documents(tmp_path / name, RuleFolder(tmp_path))
        assert (found, error.path, error.problem) == ([], name, "it is not a file")
