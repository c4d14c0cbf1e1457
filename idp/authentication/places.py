"""Where an address is, as far as a table of networks says: a person judges «São Paulo» faster than an address.

The file is CSV with a header: network,country_iso_code,city_name,lat,lon; city and country may be empty, the rest is not read.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from idp.errors import OperationError

_COLUMNS: Final = ("network", "country_iso_code", "city_name")


@dataclass(frozen=True, slots=True)
class Place:
    """City (may be empty) and ISO 3166-1 country code (may be empty)."""

    city_name: str
    country_iso_code: str


class Places:
    """Looks an address up by longest prefix; without a table every place is unknown."""

    def __init__(self, networks: Mapping[IPv4Network | IPv6Network, Place] | None = None) -> None:
        known = networks or {}
        self._by_number = {(n.version, n.prefixlen, int(n.network_address)): place for n, place in known.items()}
        self._prefixes = {version: sorted({n.prefixlen for n in known if n.version == version}, reverse=True) for version in (4, 6)}

    def __call__(self, address: str) -> Place | None:
        """The place of an address, None when unknown or not an address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return None
        for prefix in self._prefixes[parsed.version]:
            spare = parsed.max_prefixlen - prefix
            place = self._by_number.get((parsed.version, prefix, int(parsed) >> spare << spare))
            if place is not None:
                return place
        return None


def read_places(path: Path) -> Places:
    """Raises :class:`OperationError` naming file and line when the table cannot be used."""
    networks: dict[IPv4Network | IPv6Network, Place] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise OperationError(
                    f"reading the table of networks ({', '.join(_COLUMNS)} expected)", f"{path}, line 1", retry_helps=False
                )
            for row in reader:
                try:
                    network = ip_network((row["network"] or "").strip())
                except ValueError as error:
                    raise OperationError(f"reading a network ({error})", f"{path}, line {reader.line_num}", retry_helps=False) from error
                networks[network] = Place((row["city_name"] or "").strip(), (row["country_iso_code"] or "").strip().upper())
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError("reading the table of networks", str(path), retry_helps=False) from error
    return Places(networks)
