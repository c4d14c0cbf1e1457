"""YAML that somebody wrote is read within bounds, and refused by name and line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from siem.errors import DataError
from siem.yaml_text import MAX_BYTES, MAX_DEPTH, node_of, parse_yaml, read_node, read_yaml

LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9))


def test_a_document_is_read_with_its_text_and_its_places(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- name: a\n- name: b\n", "utf-8")
    read, text = read_yaml(path)
    node = node_of(text)
    assert read == [{"name": "a"}, {"name": "b"}]
    assert node is not None and [child.start_mark.line for child in node.value] == [0, 1]
    assert parse_yaml("", "empty") is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1\nb: 2\n", 2, "not YAML"),
        ("a: 1\nb: : c\n", 2, "not YAML"),
        ("[" * 100_000, 0, f"nested deeper than {MAX_DEPTH} levels at line 1"),
        ("\n" + "- " * 5000, 0, f"nested deeper than {MAX_DEPTH} levels at line 2"),
        (LAUGHS, 1, "values"),
        ("9" * 6000, 0, "not YAML"),
        ("a: 2026-13-45T00:00:00Z\n", 0, "not YAML"),
        ("? [a]\n: b\n", 1, "not YAML"),
        ("a: !!python/name:os.system ''\n", 1, "not YAML"),
        ("#" * (MAX_BYTES + 1), 0, "larger than"),
    ],
    ids=["bracket", "colons", "brackets", "dashes", "aliases", "digits", "day", "key", "object", "long"],
)
def test_what_is_broken_deep_or_large_is_refused_by_name_and_line(text: str, line: int, said: str) -> None:
    with pytest.raises(DataError, match=said) as refused:
        parse_yaml(text, "people.yaml")
    assert (refused.value.path, refused.value.line) == ("people.yaml", line)


def test_a_file_that_is_absent_or_no_text_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(DataError, match="cannot be read"):
        read_yaml(path)
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(DataError, match="is not UTF-8"):
        read_yaml(path)


@pytest.mark.parametrize("read", [read_yaml, read_node])
def test_a_file_is_read_no_further_than_it_may_be_and_a_pipe_not_at_all(tmp_path: Path, read: Callable[[Path], object]) -> None:
    large, pipe = tmp_path / "large.yaml", tmp_path / "pipe.yaml"
    with large.open("wb") as file:
        file.truncate(2**40)  # a hole: reading it whole would take all memory
    os.mkfifo(pipe)
    for path, said in ((large, "larger than"), (pipe, "not a file")):
        with pytest.raises(DataError, match=said) as refused:
            read(path)
        assert refused.value.path == str(path)


def test_what_is_only_looked_at_is_not_built(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("day: 2027-02-30\n", "utf-8")
    node = read_node(path)
    assert isinstance(node, yaml.MappingNode)
    assert [(key.value, value.value) for key, value in node.value] == [("day", "2027-02-30")]
    with pytest.raises(DataError, match="not YAML"):
        read_yaml(path)


def test_a_document_that_holds_itself_ends() -> None:
    with pytest.raises(DataError, match="values"):
        parse_yaml("a: &a [*a]\n", "a")
