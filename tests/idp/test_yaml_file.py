"""An operator's file is read within bounds: what is wrong with it is a sentence, never a crash."""

from pathlib import Path

import pytest

from idp.yaml_file import MAX_DEPTH, read_yaml


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "a.yaml"
    path.write_bytes(data)
    return path


def test_a_document_is_read(tmp_path: Path) -> None:
    assert read_yaml(_written(tmp_path, "clients: [{client_id: é}]\n".encode())) == {"clients": [{"client_id": "é"}]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: [1\n", "not YAML"),
        (b"\xff\xfe", "utf-8"),
        (b"[" * 100_000, f"nested deeper than {MAX_DEPTH} levels at line 1"),
        (b"- " * 5000, f"nested deeper than {MAX_DEPTH} levels"),
        (b"9" * 6000, "digits"),
        (b"a: 2026-13-45T00:00:00Z\n", "month"),
        (b"a: &a [*a]\n", "values"),
        (b"a: !!python/name:os.system ''\n", "not YAML"),
        (b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9) if n else b"x") for n in range(9)), "values"),
    ],
    ids=["bracket", "no text", "brackets", "dashes", "digits", "day", "itself", "object", "aliases"],
)
def test_what_is_broken_deep_or_large_is_refused_with_its_reason(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_yaml(_written(tmp_path, data))


def test_an_absent_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        read_yaml(tmp_path / "a.yaml")
