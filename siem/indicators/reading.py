"""What reading a file of indicators gives: those it holds, and what could not be honoured, each with its place and reason."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from siem.detection.indicators import Indicator, Kind
from siem.detection.observables import address_of, domain_of, hashes_of, url_of
from siem.errors import DataError

_MAX_VALUE: Final = 4_096


@dataclass(slots=True)
class Read:
    """``refused`` name file, line or object, and reason; ``withdrawn`` are ids of indicators that their author has revoked.

    ``versions`` are the instants at which the indicators of a bundle were last modified, the revoked ones too, by id.
    """

    indicators: list[Indicator] = field(default_factory=list)
    refused: list[DataError] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    versions: dict[str, datetime] = field(default_factory=dict)


def merged(reads: Sequence[Read]) -> Read:
    """What several files say together. Of an indicator that several bundles hold, the latest version counts, and if it is revoked, none."""
    latest: dict[str, tuple[datetime, int]] = {}
    for place, read in enumerate(reads):
        for id_, modified_at in read.versions.items():
            latest[id_] = max(latest.get(id_, (modified_at, place)), (modified_at, place))
    made = Read()
    for place, read in enumerate(reads):
        stale = {id_ for id_ in read.versions if latest[id_][1] != place}
        made.indicators.extend(one for one in read.indicators if one.id not in stale)
        made.refused.extend(read.refused)
        made.withdrawn |= read.withdrawn - stale
    return made


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
