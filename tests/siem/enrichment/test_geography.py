"""Addresses get the place of the narrowest network that holds them."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.enrichment.geography import load_geography
from siem.errors import DataError
from siem.event import Fields

HEADER = "network,country_iso_code,city_name,lat,lon\n"
TABLE = (
    HEADER
    + """192.0.2.0/24,FR,Rennes,48.11,-1.67
192.0.2.128/25,FR,Nantes,47.2,-1.55
203.0.113.0/24,BR,São Paulo,-23.5,-46.6
2001:db8::/32,DE,,,
"""
)


def _enriched(path: Path, address: str) -> Fields:
    fields: Fields = {"source.ip": address}
    load_geography(path).enrich(fields)
    return fields


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "geography.csv"
    path.write_text(TABLE, "utf-8")
    return path


def test_the_narrowest_network_counts(table: Path) -> None:
    assert _enriched(table, "192.0.2.1")["source.geo.city_name"] == "Rennes"
    assert _enriched(table, "192.0.2.200")["source.geo.city_name"] == "Nantes"
    assert _enriched(table, "203.0.113.9") == {
        "source.ip": "203.0.113.9",
        "source.geo.country_iso_code": "BR",
        "source.geo.city_name": "São Paulo",
        "source.geo.location.lat": -23.5,
        "source.geo.location.lon": -46.6,
    }
    assert _enriched(table, "2001:db8:1::5") == {"source.ip": "2001:db8:1::5", "source.geo.country_iso_code": "DE"}


@pytest.mark.parametrize("address", ["198.51.100.1", "::1", "poste-12"])
def test_an_unknown_address_changes_nothing(table: Path, address: str) -> None:
    assert _enriched(table, address) == {"source.ip": address}
    fields: Fields = {"user.id": "P-1"}
    load_geography(table).enrich(fields)
    assert fields == {"user.id": "P-1"}


@given(st.lists(st.ip_addresses(v=4), min_size=1, max_size=20), st.lists(st.integers(4, 32), min_size=1, max_size=6), st.ip_addresses(v=4))
def test_any_table_agrees_with_a_plain_search(
    tmp_path_factory: pytest.TempPathFactory, bases: list[ipaddress.IPv4Address], lengths: list[int], address: ipaddress.IPv4Address
) -> None:
    networks = list(
        {ipaddress.ip_network((base, lengths[index % len(lengths)]), strict=False) for index, base in enumerate([*bases, address])}
    )
    path = tmp_path_factory.mktemp("geo") / "g.csv"
    path.write_text(HEADER + "".join(f"{network},FR,{network.network_address}-{network.prefixlen},,\n" for network in networks), "utf-8")
    best = max((network for network in networks if address in network), key=lambda network: network.prefixlen)
    assert _enriched(path, str(address))["source.geo.city_name"] == f"{best.network_address}-{best.prefixlen}"


@pytest.mark.parametrize(
    ("row", "line", "field"),
    [
        ("192.0.2.1/24,FR,,,", 2, "network"),
        ("192.0.2.0/24,France,,,", 2, "country_iso_code"),
        ("192.0.2.0/24,FR,,north,", 2, "lat"),
        ("192.0.2.0/24,FR,,,181", 2, "lon"),
    ],
)
def test_a_mistake_names_line_and_column(tmp_path: Path, row: str, line: int, field: str) -> None:
    path = tmp_path / "g.csv"
    path.write_text(HEADER + row + "\n", "utf-8")
    with pytest.raises(DataError) as caught:
        load_geography(path)
    assert (caught.value.path, caught.value.line, caught.value.field) == (str(path), line, field)


def test_a_wrong_header_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text("a,b\n", "utf-8")
    with pytest.raises(DataError, match="header"):
        load_geography(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_geography(tmp_path / "none.csv")
