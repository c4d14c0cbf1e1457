"""Where an address is: a table of networks, looked up by longest prefix.

The file is CSV with a header: network,country_iso_code,city_name,lat,lon; the last three may be empty.
"""

import csv
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from siem.errors import DataError
from siem.event import Fields

_COLUMNS: Final = ("network", "country_iso_code", "city_name", "lat", "lon")
_Place = Mapping[str, str | float]


class Geography:
    """Adds ``source.geo.*`` to events whose ``source.ip`` lies in a known network."""

    def __init__(self, places: Mapping[tuple[int, int, int], _Place]) -> None:
        # (version, prefix length, network as a number) -> place; prefixes tried from long to short.
        self._places = places
        self._prefixes = {version: sorted({prefix for v, prefix, _ in places if v == version}, reverse=True) for version in (4, 6)}
        self._of = lru_cache(maxsize=65536)(self._find)

    def enrich(self, fields: Fields) -> None:
        """Add what is known of the address; an unknown or absent one changes nothing."""
        address = fields.get("source.ip")
        if isinstance(address, str) and (place := self._of(address)):
            fields.update(place)

    def _find(self, text: str) -> _Place | None:
        try:
            address = ip_address(text)
        except ValueError:
            return None
        number = int(address)
        for prefix in self._prefixes[address.version]:
            place = self._places.get((address.version, prefix, number >> (address.max_prefixlen - prefix)))
            if place is not None:
                return place
        return None


def load_geography(path: Path) -> Geography:
    """Read the table. Raises DataError naming the line and the column."""
    places: dict[tuple[int, int, int], _Place] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != _COLUMNS:
                raise DataError(str(path), 1, "", f"the header {','.join(_COLUMNS)} expected")
            for row in reader:
                key, place = _read(path, reader.line_num, row)
                places[key] = place
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(str(path), 0, "", "not UTF-8") from None
    return Geography(places)


def _read(path: Path, line: int, row: Mapping[str, str | None]) -> tuple[tuple[int, int, int], _Place]:
    try:
        network = ip_network((row["network"] or "").strip())
    except ValueError as error:
        raise DataError(str(path), line, "network", str(error)) from None
    country = (row["country_iso_code"] or "").strip()
    if len(country) != 2 or not country.isupper():
        raise DataError(str(path), line, "country_iso_code", f"two capital letters expected (ISO 3166-1), not {country!r}")
    place: dict[str, str | float] = {"source.geo.country_iso_code": country}
    if city := (row["city_name"] or "").strip():
        place["source.geo.city_name"] = city
    for column, name, bound in (("lat", "source.geo.location.lat", 90), ("lon", "source.geo.location.lon", 180)):
        if text := (row[column] or "").strip():
            try:
                degrees = float(text)
            except ValueError:
                raise DataError(str(path), line, column, f"degrees expected, not {text!r}") from None
            if not -bound <= degrees <= bound:
                raise DataError(str(path), line, column, f"between -{bound} and {bound} degrees expected, not {text}")
            place[name] = degrees
    return (network.version, network.prefixlen, int(network.network_address) >> (network.max_prefixlen - network.prefixlen)), place
