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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, TypedDict

import orjson

from siem.detection.indicators import Allowed, Indicator, Kind
from siem.detection.observables import Address, address_of, hashes_of, host_of, url_of
from siem.errors import DataError

_MAGIC: Final = b"VEILIND1"
_HEAD: Final = 16
_WORD: Final = 8
_MAX_HEAD: Final = 1_048_576
#: What a head says of refused lines, of sources and of days, at most; and characters of one text.
_MOST_REFUSED: Final = 200
_MOST_SOURCES: Final = 50
_MOST_DAYS: Final = 400
_MOST_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class About:
    """What the head of a set says. ``prefixes`` are the (version, length) of its networks.

    A set that replaces another of its name goes on with its ``lineage``, at the next ``revision``. ``refused`` are the first lines that
    could not be honoured, as they were told; ``sources`` who says so; ``ends`` how many indicators run out on which day (UTC; what ends
    after the last day named is counted there), soonest first.
    """

    name: str
    loaded_at: datetime
    count: int
    files: tuple[str, ...]
    kinds: tuple[tuple[str, int], ...]
    prefixes: tuple[tuple[int, int], ...]
    refused_count: int = 0
    refused: tuple[str, ...] = ()
    withdrawn_count: int = 0
    lineage: str = ""
    revision: int = 1
    sources: tuple[str, ...] = ()
    ends: tuple[tuple[date, int], ...] = ()

    def expired_count(self, now: datetime) -> int:
        """How many have run out, to the day."""
        return sum(count for day, count in self.ends if day < now.date())


def write_book(path: Path, about: About, indicators: Iterable[Indicator]) -> About:
    """Write a set in one step: until the new file is whole and on the disk, the old one stands. Returns what its head says.

    The count, kinds, prefixes, sources and ends of ``about`` are found anew. Raises OSError.
    """
    rows_path = path.with_suffix(".rows")
    places: list[tuple[int, int]] = []
    kinds: Counter[str] = Counter()
    ends: Counter[date] = Counter()
    sources: set[str] = set()
    prefixes: set[tuple[int, int]] = set()
    try:
        with rows_path.open("wb") as rows:
            for one in indicators:
                key = key_of(one)
                if one.kind is Kind.ADDRESS:
                    version, length, _ = key.split("/")
                    prefixes.add((int(version), int(length)))
                places.append((_hash(one.kind, key), rows.tell()))
                kinds[one.kind] += 1
                if one.valid_until is not None:
                    ends[one.valid_until.date()] += 1
                if len(sources) < _MOST_SOURCES:
                    sources.add(one.source[:_MOST_TEXT])
                rows.write(_row(one) + b"\n")
        places.sort()
        found = replace(
            about,
            count=len(places),
            kinds=tuple(sorted(kinds.items())),
            prefixes=tuple(sorted(prefixes)),
            refused=tuple(text[:_MOST_TEXT] for text in about.refused[:_MOST_REFUSED]),
            sources=tuple(sorted(sources - {""})),
            ends=_of_few_days(ends),
        )
        _assemble(path, found, places, rows_path)
    finally:
        rows_path.unlink(missing_ok=True)
    return found


def _of_few_days(ends: Mapping[date, int]) -> tuple[tuple[date, int], ...]:
    days = sorted(ends.items())
    first, rest = days[: _MOST_DAYS - 1], days[_MOST_DAYS - 1 :]
    return (*first, (rest[-1][0], sum(count for _, count in rest))) if rest else tuple(first)


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
            "refused": about.refused,
            "withdrawn_count": about.withdrawn_count,
            "lineage": about.lineage,
            "revision": about.revision,
            "sources": about.sources,
            "ends": [(day.isoformat(), count) for day, count in about.ends],
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
        for key in keys_under(kind, text, self.about.prefixes):
            yield from self._under(kind, key)

    def said_of(self, one: Indicator) -> Iterator[Indicator]:
        """The indicators of exactly the value, network or name of another."""
        yield from self._under(one.kind, key_of(one))

    def _under(self, kind: Kind, key: str) -> Iterator[Indicator]:
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
        row = orjson.loads(self._map[begin : self._map.find(b"\n", begin)])
        kind, value, id_, name, source, tlp, confidence, begins, ends, *more = row
        licence, revision = more or ("", 1)  # absent from the sets of earlier versions
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
            licence,
            revision,
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
        **_of_later_versions(said),
    )


class _Later(TypedDict):
    refused: tuple[str, ...]
    withdrawn_count: int
    lineage: str
    revision: int
    sources: tuple[str, ...]
    ends: tuple[tuple[date, int], ...]


def _of_later_versions(said: Mapping[str, object]) -> _Later:
    """What the heads of sets say that were not loaded by an earlier version of the watch."""
    refused, sources, ends = said.get("refused", []), said.get("sources", []), said.get("ends", [])
    withdrawn, revision = said.get("withdrawn_count", 0), said.get("revision", 1)
    if not (isinstance(refused, list) and isinstance(sources, list) and isinstance(ends, list)):
        raise TypeError
    if not (isinstance(withdrawn, int) and isinstance(revision, int)):
        raise TypeError
    return {
        "refused": tuple(map(str, refused)),
        "withdrawn_count": withdrawn,
        "lineage": str(said.get("lineage", "")),
        "revision": revision,
        "sources": tuple(map(str, sources)),
        "ends": tuple((date.fromisoformat(day), int(count)) for day, count in ends),
    }


def _row(one: Indicator) -> bytes:
    times = [at.timestamp() if at is not None else None for at in (one.valid_from, one.valid_until)]
    return orjson.dumps([one.kind, one.value, one.id, one.name, one.source, one.tlp, one.confidence, *times, one.licence, one.revision])


def _hash(kind: Kind, key: str) -> int:
    digest = hashlib.blake2b(f"{kind}\0{key}".encode("utf-8", "surrogatepass"), digest_size=_WORD).digest()
    return int.from_bytes(digest, "big")


def key_of(one: Indicator | Allowed) -> str:
    """The key under which something is found; of a network ``4/24/c0000200``: version, length, first address."""
    if one.kind is not Kind.ADDRESS:
        return one.value
    first, _, length = one.value.partition("/")
    return _key_of_network(ipaddress.ip_address(first), int(length))


def _key_of_network(address: Address, length: int) -> str:
    """The network of that length that an address is in."""
    rest = address.max_prefixlen - length
    return f"{address.version}/{length}/{int(address) >> rest << rest:x}"


def keys_under(kind: Kind, text: str, prefixes: Iterable[tuple[int, int]]) -> Iterator[str]:
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
