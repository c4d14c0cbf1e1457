"""Records to bytes and back: a JSON object per record, its members named as the fields of :mod:`idp.model`.

The readers are made once per class from its type hints, so that a read costs microseconds.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, get_args, get_origin, get_type_hints

import orjson

T = TypeVar("T")


def to_bytes(record: object) -> bytes:
    """The record as a JSON object; sets become sorted lists."""
    return orjson.dumps(record, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"a record cannot hold a {type(value).__name__}")


class Reader(Generic[T]):
    """Reads records of one class. A member added later takes its default; one removed later is ignored.

    A login reads the same few records in each of its ten requests: those read last are kept, and given again for the same bytes.
    """

    #: Records kept of each class; few, because a grant and its token are a few kilobytes.
    _KEPT_COUNT: Final = 128

    def __init__(self, record_class: type[T]) -> None:
        hints = get_type_hints(record_class)
        self._class = record_class
        self._kept: dict[bytes, T] = {}
        self._convert = {name: convert for name, hint in hints.items() if (convert := _converter(hint))}
        self._names = frozenset(hints)
        self._required = frozenset(
            f.name
            for f in fields(record_class)  # type: ignore[arg-type]  # only dataclasses are read
            if f.default is MISSING and f.default_factory is MISSING
        )

    def __call__(self, document: bytes) -> T:
        """Raises ValueError when a member without default is missing."""
        kept = self._kept.get(document)
        if kept is not None:
            return kept
        record = self._read(document)
        if len(self._kept) >= self._KEPT_COUNT:
            self._kept.clear()
        self._kept[document] = record
        return record

    def _read(self, document: bytes) -> T:
        members: dict[str, Any] = orjson.loads(document)
        for name, convert in self._convert.items():
            value = members.get(name)
            if value is not None:
                members[name] = convert(value)
        if members.keys() != self._names:
            members = {name: value for name, value in members.items() if name in self._names}
            if missing := self._required - members.keys():
                raise ValueError(f"{self._class.__name__}: the member {min(missing)!r} is missing")
        return self._class(**members)


def _converter(hint: object) -> Callable[[Any], Any] | None:
    """How a JSON value becomes the hinted type; None when it is that type already."""
    origin = get_origin(hint)
    if origin is UnionType:
        inner = [part for part in get_args(hint) if part is not NoneType]
        return _converter(inner[0]) if len(inner) == 1 else None
    if origin is frozenset:
        return frozenset
    if origin is tuple:
        return tuple
    if hint is datetime:
        return datetime.fromisoformat
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    return None
