"""One set of indicators as a file that is looked up in place: nothing of it is loaded, whatever its size.

Every way in which a value can be listed has a **key**: the value itself; for a network, its length and first address; for a domain, its
name. Keys are hashed to 64 bits. The file holds a head, the hashes in order, for each the place of its row, and the rows as JSON lines.
To look up an address is one search for each length of network that the set has, a name one for each of its dots. The row says
the value again, so that two keys of one hash are told apart.
"""

import hashlib
import ipaddress
import json
import mmap
import os
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from siem.detection.indicators import Indicator, Kind
from siem.detection.observables import Address, address_of, hashes_of, host_of, url_of
from siem.errors import DataError

_MAGIC: Final = b"VEILIND1"
_HEAD: Final = 16
_WORD: Final = 8
_MAX_HEAD: Final = 65_536


@dataclass(frozen=True, slots=True)
class About:
    """What the head of a set says. ``prefixes`` are the (version, length) of its networks."""

    name: str
    loaded_at: datetime
    count: int
    files: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...]
    prefixes: tuple[tuple[int, int], ...]
    refused_count: int = 0


def write_book(path: Path, about: About, indicators: Iterable[Indicator]) -> About:
    """Write a set in one step: until the new file is whole and on the disk, the old one stands. Returns what its head says.

    The count, kinds and prefixes of ``about`` are found anew. Raises OSError.
    """
    rows_path = path.with_suffix(".rows")
    places: list[tuple[int, int]] = []
    kinds: dict[str, int] = {}
    prefixes: set[tuple[int, int]] = set()
    try:
        with rows_path.open("wb") as rows:
            for one in indicators:
                key = key_of(one)
                if one.kind is Kind.ADDRESS:
                    version, length, _ = key.split("/")
                    prefixes.add((int(version), int(length)))
                places.append((_hash(one.kind, key), rows.tell()))
                kinds[one.kind] = kinds.get(one.kind, 0) + 1
                rows.write(_row(one) + b"\n")
        places.sort()
        found = About(
            about.name,
            about.loaded_at,
            len(places),
            about.files,
            tuple(sorted(kinds.items())),
            tuple(sorted(prefixes)),
            about.refused_count,
        )
        _assemble(path, found, places, rows_path)
    finally:
        rows_path.unlink(missing_ok=True)
    return found


def _assemble(path: Path, about: About, places: list[tuple[int, int]], rows_path: Path) -> None:
    new = path.with_suffix(".new")
    head = json.dumps(
        {
            "name": about.name,
            "loaded_at": about.loaded_at.isoformat(),
            "count": about.count,
            "files": about.files,
            "kinds": about.kinds,
            "prefixes": about.prefixes,
            "refused_count": about.refused_count,
            "rows_bytes": rows_path.stat().st_size,
            "byteorder": sys.byteorder,
        }
    ).encode()
    head += b" " * (-len(head) % _WORD)
    with new.open("wb") as file, rows_path.open("rb") as rows:
        file.write(_MAGIC + len(head).to_bytes(_WORD, sys.byteorder) + head)
        file.write(array("Q", (hashed for hashed, _ in places)).tobytes())
        file.write(array("Q", (place for _, place in places)).tobytes())
        while part := rows.read(1 << 20):
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class BookFile:
    """A set, open for looking up. Raises DataError for a file that is none, or not whole; OSError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            if path.stat().st_size < _HEAD:
                raise self._broken()
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        length = int.from_bytes(self._map[_WORD:_HEAD], sys.byteorder)
        if self._map[:_WORD] != _MAGIC or length > _MAX_HEAD:
            raise self._broken()
        try:
            said = json.loads(self._map[_HEAD : _HEAD + length])
            self.about = _about(said)
            self._begin = _HEAD + length
            self._rows = self._begin + 2 * _WORD * self.about.count
            whole = self._rows + said["rows_bytes"] == len(self._map) and said["byteorder"] == sys.byteorder
        except (ValueError, KeyError, TypeError) as error:
            raise self._broken() from error
        if not whole:
            raise self._broken()
        words = memoryview(self._map)[self._begin : self._rows].cast("Q")
        self._hashes, self._places = words[: self.about.count], words[self.about.count :]

    def _broken(self) -> DataError:
        return DataError(str(self.path), 0, "", "is not a whole set of indicators: load it again (siem indicators load)")

    def find(self, kind: Kind, text: str) -> Iterator[Indicator]:
        """The indicators of a kind that a field's value falls under."""
        for key in _keys(kind, text, self.about.prefixes):
            hashed = _hash(kind, key)
            place = bisect_left(self._hashes, hashed)
            while place < self.about.count and self._hashes[place] == hashed:
                one = self._read(self._places[place])
                if one.kind is kind and key_of(one) == key:
                    yield one
                place += 1

    def everything(self) -> Iterator[Indicator]:
        """Every indicator, in the order of the rows."""
        for place in sorted(self._places):
            yield self._read(place)

    def _read(self, place: int) -> Indicator:
        begin = self._rows + place
        kind, value, id_, name, source, tlp, confidence, begins, ends = orjson.loads(self._map[begin : self._map.find(b"\n", begin)])
        return Indicator(
            Kind(kind),
            value,
            id_,
            name,
            source,
            self.about.name,
            tlp,
            confidence,
            datetime.fromtimestamp(begins, UTC) if begins is not None else None,
            datetime.fromtimestamp(ends, UTC) if ends is not None else None,
        )


def _about(said: dict[str, object]) -> About:
    kinds, prefixes, files = said["kinds"], said["prefixes"], said["files"]
    count, refused = said["count"], said["refused_count"]
    if not (isinstance(kinds, list) and isinstance(prefixes, list) and isinstance(files, list)):
        raise TypeError
    if not (isinstance(count, int) and isinstance(refused, int)):
        raise TypeError
    return About(
        str(said["name"]),
        datetime.fromisoformat(str(said["loaded_at"])),
        count,
        tuple(str(one) for one in files),
        tuple((str(kind), int(number)) for kind, number in kinds),
        tuple((int(version), int(length)) for version, length in prefixes),
        refused,
    )


def _row(one: Indicator) -> bytes:
    times = [at.timestamp() if at is not None else None for at in (one.valid_from, one.valid_until)]
    return orjson.dumps([one.kind, one.value, one.id, one.name, one.source, one.tlp, one.confidence, *times])


def _hash(kind: Kind, key: str) -> int:
    digest = hashlib.blake2b(f"{kind}\0{key}".encode("utf-8", "surrogatepass"), digest_size=_WORD).digest()
    return int.from_bytes(digest, "big")


def key_of(one: Indicator) -> str:
    """The key under which an indicator is found; of a network ``4/24/c0000200``: version, length, first address."""
    if one.kind is not Kind.ADDRESS:
        return one.value
    first, _, length = one.value.partition("/")
    return _key_of_network(ipaddress.ip_address(first), int(length))


def _key_of_network(address: Address, length: int) -> str:
    """The network of that length that an address is in."""
    rest = address.max_prefixlen - length
    return f"{address.version}/{length}/{int(address) >> rest << rest:x}"


def _keys(kind: Kind, text: str, prefixes: Iterable[tuple[int, int]]) -> Iterator[str]:
    """The keys under which a field's value may be listed."""
    match kind:
        case Kind.ADDRESS:
            address = address_of(text) or address_of(host_of(text))
            if address is not None:
                yield from (_key_of_network(address, length) for version, length in prefixes if version == address.version)
        case Kind.DOMAIN:
            name = host_of(text)
            while name:
                yield name
                name = name.partition(".")[2]
        case Kind.URL:
            url = url_of(text)
            if url is not None:
                yield url
        case Kind.HASH:
            yield from hashes_of(text)
