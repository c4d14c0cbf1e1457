"""What the text of a value says: an address, a number, an instant."""

import ipaddress
import math
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

#: Longer texts are no addresses, zone and brackets included.
_LONGEST_ADDRESS: Final = 100


def is_measurable(number: float) -> bool:
    """Whether it is a finite number that a comparison can be made with; a whole number may be larger than any of those."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address written in a text; an IPv4 address mapped into IPv6 is an IPv4 address."""
    return _address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=65536)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found.scope_id is not None:
            return ipaddress.IPv6Address(int(found))
    return found


def number(text: str) -> float | None:
    """The number written in a text; None for anything else, for NaN and infinities, and for Python's own way with underscores."""
    if "_" in text:
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def instant(text: str, zone: ZoneInfo | None = None) -> datetime | None:
    """The instant written in a text in ISO 8601, or None. In a ``zone``, unless the text states none of its own: then it is of there."""
    try:
        found = datetime.fromisoformat(text)
        return found if zone is None or found.tzinfo is None else found.astimezone(zone)
    except (ValueError, OverflowError):
        return None
