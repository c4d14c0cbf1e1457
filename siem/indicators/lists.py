"""Plain lists: one address, network, domain or hash a line; ``#`` begins a remark. What each is, is seen from its form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from siem.detection.indicators import Indicator, Kind
from siem.errors import DataError
from siem.indicators.reading import Read, canonical

_MAX_LINE: Final = 8_192
#: What a line is taken for: the first that it can be.
_ORDER: Final = (Kind.ADDRESS, Kind.HASH, Kind.URL, Kind.DOMAIN)
_IN_ADDRESSES: Final = frozenset("0123456789abcdefABCDEF.:/")


def read_list(path: Path) -> Read:
    """Read a list, line by line. Raises DataError where the file cannot be read as text."""
    read = Read()
    for number, line in _lines(path):
        text = line.split("#", 1)[0].strip() if "://" not in line else line.split(" #", 1)[0].strip()
        if not text:
            continue
        found = recognised(text)
        if found is None:
            read.refused.append(DataError(str(path), number, "", f"«{text[:80]}» is no address, network, domain, URL or hash"))
        else:
            read.indicators.append(Indicator(*found))
    return read


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as file:
            for number, data in enumerate(file, 1):
                if len(data) > _MAX_LINE:
                    raise DataError(str(path), number, "", f"the line is longer than {_MAX_LINE} bytes")
                yield number, data.decode("utf-8-sig" if number == 1 else "utf-8")
    except OSError as error:
        raise DataError(str(path), 0, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), 0, "", "the file is not UTF-8") from error


def recognised(text: str) -> tuple[Kind, str] | None:
    """What a value is, as it looks, and its one form; None where it is nothing."""
    for kind in _ORDER if _IN_ADDRESSES.issuperset(text) else _ORDER[1:]:
        try:
            return kind, canonical(kind, text)
        except ValueError:
            continue
    return None
