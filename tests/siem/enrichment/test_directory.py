"""Professionals get their profession, and their establishment where there is only one."""

from pathlib import Path

import pytest

from siem.enrichment.directory import Directory, load_directory
from siem.errors import DataError
from siem.event import Fields

TABLE = (
    "national_id,profession,finess\n899700000005,10C,0B0000005\n899700000013,60C,0B0000005\n899700000013,60C,0C0000004\n899700000104,21C,\n"
)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    path = tmp_path / "directory.csv"
    path.write_text(TABLE, "utf-8")
    return load_directory(path)


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        ({"user.id": "899700000005"}, {"health.professional.profession": "10C", "health.structure.finess": "0B0000005"}),
        ({"user.id": "899700000005", "health.structure.finess": "0C0000004"}, {"health.professional.profession": "10C"}),
        ({"user.id": "899700000013"}, {"health.professional.profession": "60C"}),
        ({"user.id": "899700000104", "user.roles": ["10C"]}, {"health.professional.profession": "21C"}),
        ({"user.id": "unknown", "user.roles": ["40C", "10C"]}, {"health.professional.profession": "40C"}),
        ({"user.id": "unknown"}, {}),
        ({}, {}),
    ],
)
def test_what_is_known_is_added_and_what_the_event_says_is_kept(directory: Directory, fields: Fields, added: Fields) -> None:
    enriched = dict(fields)
    directory.enrich(enriched)
    assert enriched == {**fields, **added}


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("a,b,c\n", 1, ""),
        ("national_id,profession,finess\n,10C,\n", 2, "national_id"),
        ("national_id,profession,finess\n1,,\n", 2, "profession"),
    ],
)
def test_a_mistake_names_line_and_column(tmp_path: Path, text: str, line: int, field: str) -> None:
    path = tmp_path / "directory.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError) as caught:
        load_directory(path)
    assert (caught.value.line, caught.value.field) == (line, field)
    with pytest.raises(DataError, match="cannot be read"):
        load_directory(tmp_path / "none.csv")
