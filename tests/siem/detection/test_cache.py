import os
from pathlib import Path

import pytest

from siem.detection.cache import Cache


def test_what_is_written_is_read_again_by_anyone_of_us(tmp_path: Path) -> None:
    Cache(tmp_path / "cache").write("rules-1", b"data")
    assert Cache(tmp_path / "cache").read("rules-1") == b"data"
    assert Cache(tmp_path / "cache").read("rules-2") is None
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "cache" / "rules-1").stat().st_mode & 0o777 == 0o600


def damaged(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def renamed(file: Path) -> None:
    """The seal of another name: a file put in the place of another is not what it says."""
    Cache(file.parent).write("other", b"data")
    (file.parent / "other").replace(file)


def open_to_all(file: Path) -> None:
    file.chmod(0o666)


def open_to_the_group(file: Path) -> None:
    file.chmod(0o620)


def linked(file: Path) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real"))


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def in_a_folder_open_to_all(file: Path) -> None:
    file.parent.chmod(0o777)


def in_a_linked_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("real"))
    file.parent.symlink_to(file.parent.with_name("real"))


@pytest.mark.parametrize(
    "spoil", [damaged, cut, renamed, open_to_all, open_to_the_group, linked, a_folder, in_a_folder_open_to_all, in_a_linked_folder]
)
def test_nothing_is_believed_that_another_may_have_written_or_a_disk_has_spoilt(spoil: object, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    Cache(folder).write("rules-1", b"data")
    assert callable(spoil)
    spoil(folder / "rules-1")
    assert Cache(folder).read("rules-1") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("which", ["rules-1", "."])
def test_a_file_or_folder_of_somebody_else_is_not_read(which: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    Cache(folder).write("rules-1", b"data")
    os.chown(folder / which, 65534, 65534)
    assert Cache(folder).read("rules-1") is None


def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file stands there")
    cache = Cache(tmp_path / "cache")
    cache.write("rules-1", b"data")
    cache.prune()
    assert cache.read("rules-1") is None


def test_what_was_of_no_use_for_long_goes(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for name in ("old", "new"):
        cache.write(name, b"data")
    os.utime(tmp_path / "cache" / "old", (0, 0))
    cache.prune()
    assert (cache.read("old"), cache.read("new")) == (None, b"data")
