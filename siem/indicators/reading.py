"""What reading a file of indicators gives: those it holds, and what could not be honoured, each with its place and reason."""

import ipaddress
from dataclasses import dataclass, field
from typing import Final

from siem.detection.indicators import Indicator, Kind
from siem.detection.observables import address_of, domain_of, hashes_of, url_of
from siem.errors import DataError

_MAX_VALUE: Final = 4_096


@dataclass(slots=True)
class Read:
    """``refused`` name file, line or object, and reason; ``withdrawn`` counts indicators that their author has revoked."""

    indicators: list[Indicator] = field(default_factory=list)
    refused: list[DataError] = field(default_factory=list)
    withdrawn: int = 0


def canonical(kind: Kind, text: str) -> str:
    """A value in its one form. Raises ValueError with the reason."""
    text = text.strip()
    if not text or len(text) > _MAX_VALUE:
        raise ValueError("the value is empty or too long")
    match kind:
        case Kind.ADDRESS:
            return _network(text)
        case Kind.DOMAIN:
            found = domain_of(text.removeprefix("*").removeprefix("."))
            if found is None:
                raise ValueError(f"«{text[:80]}» is not a domain name")
            return found
        case Kind.URL:
            url = url_of(text)
            if url is None:
                raise ValueError(f"«{text[:80]}» is not a URL with scheme and host")
            return url
        case Kind.HASH:
            hashes = hashes_of(text)
            if hashes != [text.lower()]:
                raise ValueError(f"«{text[:80]}» is not an MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal")
            return hashes[0]


def _network(text: str) -> str:
    address = address_of(text)
    if address is not None:
        return f"{address}/{address.max_prefixlen}"
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"not an address or network: {error}") from error
    if network.prefixlen == 0:
        raise ValueError("the network is everybody")
    return str(network)
