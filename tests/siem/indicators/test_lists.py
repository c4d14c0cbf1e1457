from pathlib import Path

import pytest

from siem.detection.indicators import Kind
from siem.errors import DataError
from siem.indicators.lists import read_list

LIST = """\
\ufeff# a list
192.0.2.1
198.51.100.0/24   # a network
2001:db8::/48
Mauvais.example
http://mauvais.example/page#part
d41d8cd98f00b204e9800998ecf8427e

192.0.2.1/24
not a value
"""


def test_each_line_is_what_it_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(LIST, encoding="utf-8")
    read = read_list(path)
    assert [(one.kind, one.value) for one in read.indicators] == [
        (Kind.ADDRESS, "192.0.2.1/32"),
        (Kind.ADDRESS, "198.51.100.0/24"),
        (Kind.ADDRESS, "2001:db8::/48"),
        (Kind.DOMAIN, "mauvais.example"),
        (Kind.URL, "http://mauvais.example/page"),
        (Kind.HASH, "d41d8cd98f00b204e9800998ecf8427e"),
    ]
    assert [(error.line, error.path) for error in read.refused] == [(9, str(path)), (10, str(path))]


@pytest.mark.parametrize(("data", "said"), [(b"\xff\xfe", "UTF-8"), (b"a" * 9_000, "longer than"), (None, "cannot be read")])
def test_a_file_that_is_no_list_is_refused_as_a_whole(tmp_path: Path, data: bytes | None, said: str) -> None:
    path = tmp_path / "list.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_list(path)
