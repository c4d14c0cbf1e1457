"""The PIN of a phone: four digits, kept as an HMAC under a pepper that is sealed elsewhere.

A slow hash would not help: ten thousand values are soon tried. What protects is that the pepper is not in the database,
that the phone's key signs each try, and that a few wrong ones block the phone.
"""

import hashlib
import hmac
import re
from typing import Final

#: Shortest pepper accepted, in bytes.
MIN_PEPPER_BYTES: Final = 32

_SHAPE: Final = re.compile(r"[0-9]{4}")


def is_pin(value: object) -> bool:
    """Whether ``value`` is written as a PIN: four ASCII digits."""
    return isinstance(value, str) and _SHAPE.fullmatch(value) is not None


def pin_mac(pepper: bytes, device_id: str, pin: str) -> str:
    """HMAC-SHA-256 in hex of device and PIN: the same PIN on two devices gives two values.

    Raises ValueError for a pepper shorter than :data:`MIN_PEPPER_BYTES`.
    """
    if len(pepper) < MIN_PEPPER_BYTES:
        raise ValueError(f"the pepper of PINs has {len(pepper)} bytes; it needs at least {MIN_PEPPER_BYTES}")
    return hmac.new(pepper, f"device-pin\0{device_id}\0{pin}".encode(), hashlib.sha256).hexdigest()


def is_right_pin(pepper: bytes, device_id: str, pin: str, expected_mac: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(pin_mac(pepper, device_id, pin), expected_mac)
