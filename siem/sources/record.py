"""Reading a raw record: its identity, its text inside a shipper's envelope, its JSON, its times and addresses."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final

import orjson

from siem.errors import DataError
from siem.event import RawRecord

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: No log of ours speaks of other times; near the ends of the calendar, windows and local times could not be computed at all.
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
#: A name that a count of ``":`` would miss.
_SPACED_NAME: Final = re.compile(rb'"[ \t\r\n]+:').search
_MILLISECOND: Final = timedelta(milliseconds=1)
#: A longer text is no address (with a zone, IPv6 leaves it some room), and is not remembered either.
_LONGEST_ADDRESS: Final = 100


def event_id(record: RawRecord, at: datetime, index: int = 0) -> str:
    """32 hexadecimal digits: 12 of the event's time in milliseconds, 20 of a hash of tenant, source, position and index.

    A record received again yields the same ids, so a replay is harmless. Ids sort by time, so a store finds one
    without an index over all of them. ``index`` counts the events of one record.
    """
    milliseconds = (at - _EPOCH) // _MILLISECOND
    name = f"{record.tenant}\0{record.source}\0{record.position}\0{index}"
    return f"{milliseconds & 0xFFFFFFFFFFFF:012x}{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=10).hexdigest()}"


def text_of(record: RawRecord) -> str:
    """The log line, without the JSON envelope of a shipper (Filebeat, rsyslog, Fluent Bit: ``{"message": "…"}``).

    Bytes that are not UTF-8 become escapes: nobody hides from the watch by sending a strange byte.
    """
    if record.data.startswith(b"{"):
        document = json_of(record)
        message = document.get("message")
        if not isinstance(message, str):
            raise DataError(record.source, 0, "message", "a log line expected, or a JSON object with the line under message")
        return message.strip()
    return record.data.decode("utf-8", "backslashreplace").strip()


def json_of(record: RawRecord, data: bytes | str | None = None) -> dict[str, object]:
    """The record as a JSON object. Raises DataError saying where the JSON breaks."""
    try:
        document = orjson.loads(record.data if data is None else data)
    except orjson.JSONDecodeError as error:
        raise DataError(record.source, 0, "", f"not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(document, dict):
        raise DataError(record.source, 0, "", f"a JSON object expected, not {type(document).__name__}")
    return document


def repeated_name(record: RawRecord, document: dict[str, object]) -> str | None:
    """A name that an object of the record has twice, of which JSON readers keep the last value: whoever writes so may hide the first."""
    # Only where there may be more names written than were read is the record read again.
    written = record.data.count(b'":') - record.data.count(b'\\":')
    if written == _name_count(document) and _SPACED_NAME(record.data) is None:
        return None
    found: list[str] = []

    def noticed(pairs: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
            seen.add(name)

    try:
        json.loads(record.data, object_pairs_hook=noticed)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None


def _name_count(value: object) -> int:
    count = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            count += len(one)
            waiting.extend(inner for inner in one.values() if isinstance(inner, dict | list))
        elif isinstance(one, list):
            waiting.extend(inner for inner in one if isinstance(inner, dict | list))
    return count


def instant(record: RawRecord, field: str, text: object) -> datetime:
    """An RFC 3339 instant, in UTC. Raises DataError when it is not one, has no zone, or is of no time a log can speak of."""
    if not isinstance(text, str):
        raise DataError(record.source, 0, field, "an instant expected, such as 2026-11-22T21:14:03.120Z")
    try:
        at = _instant(text)
    except (ValueError, OverflowError):
        raise DataError(
            record.source, 0, field, f"an instant with its zone expected, such as 2026-11-22T21:14:03.120Z, not {text[:40]!r}"
        ) from None
    if not plausible(at):
        raise DataError(record.source, 0, field, f"an instant from {_EARLIEST:%Y} to {_LATEST.year - 1} expected, not {text[:40]!r}")
    return at


def plausible(at: datetime) -> bool:
    """Whether an event may have happened then: one line from the year 9999 must not stop what computes with its time."""
    return _EARLIEST <= at < _LATEST


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at.astimezone(UTC)


def address(text: str) -> str | None:
    """An IPv4 or IPv6 address in its usual form (IPv4-mapped IPv6 as IPv4), None if the text is none."""
    return _address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=65536)
def _address(text: str) -> str | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
