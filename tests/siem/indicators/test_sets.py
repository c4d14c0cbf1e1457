from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.detection.indicators import Indicator, Kind
from siem.errors import DataError
from siem.indicators.book import About
from siem.indicators.sets import Sets, file_of, remove, store

T0 = datetime(2026, 11, 23, tzinfo=UTC)


def put(folder: Path, name: str, *values: str) -> None:
    store(folder, About(name, T0, 0, (), (), ()), [Indicator(Kind.DOMAIN, value) for value in values])


def test_what_is_loaded_or_removed_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "indicators"
    sets = Sets(folder)
    assert sets.refresh() is False
    put(folder, "one", "a.example")
    put(folder, "two", "example")
    assert sets.refresh() is True
    assert [(one.set_name, one.value) for one in sets.find(Kind.DOMAIN, "x.a.example")] == [("one", "a.example"), ("two", "example")]
    generation = sets.generation
    assert sets.refresh() is False and sets.generation == generation
    put(folder, "one", "b.example")
    assert sets.refresh() is True and sets.generation > generation
    assert [one.set_name for one in sets.listed("x.a.example")] == ["two"]
    remove(folder, "two")
    sets.refresh()
    assert [book.about.name for book in sets.books] == ["one"]


def test_a_broken_set_is_named_and_the_others_stand(tmp_path: Path) -> None:
    put(tmp_path, "good", "a.example")
    (tmp_path / "bad.set").write_bytes(b"VEILIND1")
    sets = Sets(tmp_path)
    sets.refresh()
    (error,) = sets.broken
    assert error.path.endswith("bad.set")
    assert len(sets.find(Kind.DOMAIN, "a.example")) == 1


@pytest.mark.parametrize("name", ["", "../x", "A", "a/b", "-a", "a" * 65])
def test_a_name_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="a name of small letters"):
        file_of(tmp_path, name)


def test_there_must_be_a_set_to_remove(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no set «x»"):
        remove(tmp_path, "x")
