"""Real events of attacks on Windows, and others made like them: whose identifiers and numbers nobody has seen before.

The data is no part of the product: its folder is named by ``VEILLEUR_DATA``, and without it there is nothing to measure.
"""

import gzip
import os
import random
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import orjson

DATA: Final = Path(os.environ.get("VEILLEUR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_RULES, _EVENTS = "sigmahq-rules.tar.gz", "windows-events-otrf-40k.ndjson.gz"
#: Fields that each event of the worst case has to itself, so that nothing remembered helps.
_UNIQUE: Final = ("CommandLine", "ParentCommandLine", "TargetObject", "Details", "TargetFilename", "ImageLoaded", "Image", "QueryName")
#: What differs from one event to the next of the same kind: the digits of identifiers, handles, addresses, instants, names of temporary
#: files. What is shorter belongs to a name (``System32``, ``ws2_32``), a version or a mask of rights.
_OWN_DIGITS: Final = re.compile(r"(?<![0-9A-Za-z])(?:0x[0-9a-fA-F]{5,}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}|[0-9]{4,})(?![0-9A-Za-z])")
_DIGIT: Final = re.compile("(?<=[^0])[0-9]")
#: They say what kind of event it is, are masks and codes of few values which rules name, or places in programs, the same in each run.
_KEPT: Final = frozenset(
    {"Channel", "EventID", "Version", "Keywords", "GrantedAccess", "AccessMask", "AccessList", "Status", "SubStatus", "CallTrace", "Hashes"}
)


def are_here() -> bool:
    """Whether there are rules and events to measure with."""
    return (DATA / _RULES).is_file() and (DATA / _EVENTS).is_file()


def rules_in(folder: Path) -> Path:
    """SigmaHQ's rules for Windows, unpacked there."""
    with tarfile.open(DATA / _RULES) as archive:
        archive.extractall(folder / "sigma", filter="data")
    return folder / "sigma" / "rules" / "windows"


def events() -> list[bytes]:
    """The events, one JSON object a line."""
    return gzip.decompress((DATA / _EVENTS).read_bytes()).splitlines()


def anew(lines: Sequence[bytes]) -> Iterator[bytes]:
    """The same events with identifiers and numbers of their own, as another day of these machines would bring; the same each time."""
    chance = random.Random(20260314)  # repeatable on purpose

    def another(match: re.Match[str]) -> str:
        return _DIGIT.sub(lambda _: chance.choice("0123456789"), match[0])

    for line in lines:
        fields = orjson.loads(line)
        for name, value in fields.items():
            if type(value) is str and name not in _KEPT:
                fields[name] = _OWN_DIGITS.sub(another, value)
        yield orjson.dumps(fields)


def unique(lines: Sequence[bytes]) -> Iterator[bytes]:
    """The same events, each long value unlike any other: the worst that can come."""
    for number, line in enumerate(lines):
        fields = orjson.loads(line)
        for name in _UNIQUE:
            if isinstance(fields.get(name), str):
                fields[name] += f" {number:x}"
        yield orjson.dumps(fields)
