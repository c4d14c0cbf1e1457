"""What a parser of the outside is to its tests: a function of bytes, what it may refuse with, and inputs to begin with."""

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any


class Shape(StrEnum):
    """How an input is built, and so how it is changed without losing all of its sense (:mod:`tests.fuzz.mutation`)."""

    TEXT = "text"
    LINES = "lines"
    JSON = "json"
    YAML = "yaml"
    FORM = "form"
    #: Header and payload of a token, a line each: signed with a good key before they are parsed.
    SIGNED = "signed"
    #: A request line, headers, an empty line and a body.
    REQUEST = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser. ``parse`` returns, or raises one of ``refusals``; anything else that comes of any bytes is a fault.

    ``reads``: the modules whose reading it goes through, as paths from the root. ``memory``: what one input may need, in bytes.
    """

    name: str
    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    reads: tuple[str, ...]
    refusals: tuple[type[Exception], ...] = ()
    shape: Shape = Shape.TEXT
    longest: int = 16_384
    memory: int = 64_000_000
    #: Of the examples that the suite draws, how many: a target that costs more gets fewer.
    examples: int = 40

    def run(self, data: bytes) -> None:
        """Parse; a declared refusal is as good as a result."""
        try:
            self.parse(data)
        except self.refusals:
            pass
        except BaseExceptionGroup as group:
            # A group is a refusal when all of it is.
            _, rest = group.split(self.refusals)
            if rest is not None:
                raise


def document(*values: Any) -> tuple[bytes, ...]:
    """Seeds in JSON."""
    return tuple(json.dumps(value, ensure_ascii=False).encode() for value in values)


def signed(*pairs: tuple[Any, Any]) -> tuple[bytes, ...]:
    """Seeds of :attr:`Shape.SIGNED`."""
    return tuple(json.dumps(header).encode() + b"\n" + json.dumps(payload).encode() for header, payload in pairs)


def text(data: bytes) -> str:
    """As a header arrives: latin-1, so that every byte is a character."""
    return data.decode("latin-1")


def words(data: bytes) -> str:
    """As a parameter arrives, which is UTF-8 or refused."""
    return data.decode("utf-8", "replace")


@cache
def folder() -> Path:
    """Where inputs that are files are written, for as long as the process lives."""
    made = Path(tempfile.mkdtemp(prefix="veilleur-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def as_file(name: str, parse: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of files, as a function of what the file holds."""

    def parse_bytes(data: bytes) -> object:
        path = folder() / name
        path.write_bytes(data)
        return parse(path)

    return parse_bytes


def files(paths: Iterable[Path], most: int = 6) -> tuple[bytes, ...]:
    """The shortest of these files, as seeds."""
    found = sorted((path.read_bytes() for path in paths), key=len)[:most]
    assert found, "no file to begin with"
    return tuple(found)
