from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from siem.detection.indicators import Indicator, Kind
from siem.errors import DataError
from siem.indicators.book import About, BookFile
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


def revisions(folder: Path, *indicators: Indicator, at: datetime = T0) -> dict[str, int]:
    """The set after it was loaded again: each value's revision."""
    store(folder, About("cert", at, 0, (), (), ()), indicators)
    return {one.value: one.revision for one in BookFile(file_of(folder, "cert")).everything()}


def test_a_value_keeps_the_revision_with_which_it_came(tmp_path: Path) -> None:
    a, b, c = (Indicator(Kind.DOMAIN, f"{name}.example") for name in "abc")
    network = Indicator(Kind.ADDRESS, "192.0.2.0/24")
    assert revisions(tmp_path, a, network) == {"a.example": 1, "192.0.2.0/24": 1}
    assert revisions(tmp_path, replace(b, name="new"), network, replace(a, source="said by somebody else")) == {
        "a.example": 1,
        "192.0.2.0/24": 1,
        "b.example": 2,
    }
    assert revisions(tmp_path, b, c) == {"b.example": 2, "c.example": 3}
    assert revisions(tmp_path, a, b, c) == {"a.example": 4, "b.example": 2, "c.example": 3}, "what was away may have been missed"


def test_a_validity_that_reaches_further_into_the_past_is_new_and_one_that_is_prolonged_is_not(tmp_path: Path) -> None:
    now = T0 + timedelta(days=10)
    one = Indicator(Kind.DOMAIN, "a.example", valid_from=T0, valid_until=now + timedelta(days=1))
    assert revisions(tmp_path, one, at=now) == {"a.example": 1}
    assert revisions(tmp_path, replace(one, valid_until=now + timedelta(days=2)), at=now) == {"a.example": 1}
    assert revisions(tmp_path, replace(one, valid_from=T0 - timedelta(days=1)), at=now) == {"a.example": 3}
    assert revisions(tmp_path, replace(one, confidence=90), at=now) == {"a.example": 4}


def test_a_set_that_was_removed_begins_anew(tmp_path: Path) -> None:
    one = Indicator(Kind.DOMAIN, "a.example")
    revisions(tmp_path, one)
    before = BookFile(file_of(tmp_path, "cert")).about
    remove(tmp_path, "cert")
    assert revisions(tmp_path, one) == {"a.example": 1}
    after = BookFile(file_of(tmp_path, "cert")).about
    assert before.lineage and after.lineage and before.lineage != after.lineage
    revisions(tmp_path, one)
    assert BookFile(file_of(tmp_path, "cert")).about.lineage == after.lineage
