from ipaddress import ip_network
from pathlib import Path

import pytest

from idp.authentication.places import Place, Places, read_places
from idp.errors import OperationError

DEMO = Path(__file__).parents[3] / "deploy/demo/geography.csv"


def test_the_longest_prefix_wins() -> None:
    places = Places({ip_network("10.0.0.0/8"): Place("", "FR"), ip_network("10.1.0.0/16"): Place("Rennes", "FR")})
    assert places("10.1.2.3") == Place("Rennes", "FR")
    assert places("10.2.2.3") == Place("", "FR")
    assert places("192.0.2.1") is None


def test_both_versions_of_addresses_and_noise() -> None:
    places = Places({ip_network("2001:db8::/32"): Place("Lyon", "FR"), ip_network("0.0.0.0/0"): Place("", "FR")})
    assert places("2001:db8::1") == Place("Lyon", "FR")
    assert places("2001:db9::1") is None
    assert places("203.0.113.1") == Place("", "FR")
    assert [places(text) for text in ("", "nowhere", "10.0.0.256")] == [None] * 3


def test_without_a_table_every_place_is_unknown() -> None:
    assert Places()("192.0.2.1") is None


def test_reads_the_table_of_the_demonstration() -> None:
    assert read_places(DEMO)("203.0.113.7") == Place("São Paulo", "BR")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "line 1"),
        ("network,country_iso_code,city_name\n192.0.2.0/24,FR,Rennes\n192.0.2.1/24,FR,Rennes\n", "line 3"),
        ("network,country_iso_code,city_name\n,FR,Rennes\n", "line 2"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "places.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(OperationError, match=f"places.csv, {words}"):
        read_places(path)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="absent.csv"):
        read_places(tmp_path / "absent.csv")
