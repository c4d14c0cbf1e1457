"""A rule set as JSON and back, so that it need not be compiled at every start.

Only the values that rules are made of can be written, each under its own name, and only those are made when it is read: whatever the
bytes say, nothing of them runs. Objects stand in one table, each after those it refers to; equal ones are written once and
come back as one object.
"""

import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, Final, get_args

import orjson

from siem.detection import Rule
from siem.detection.baseline.document import Baseline, BaselineType
from siem.detection.conditions import AllOf, AnyOf, Leaf, Negated
from siem.detection.correlations import Correlation, CorrelationType
from siem.detection.filters import AddedFilter, Filter
from siem.detection.indicators import CompiledIndicators, Kind, Wanted
from siem.detection.load import CompiledBaseline, CompiledCorrelation, CompiledRule, Ruleset, Variant
from siem.detection.logsource import LogSource
from siem.detection.patterns import How, Pattern, Wild
from siem.detection.predicates import Compare, Predicate, TextIs, TimePart
from siem.detection.terms import Term
from siem.errors import DataError

_ENUMS: Final[Mapping[str, type[Enum]]] = {one.__name__: one for one in (Wild, How, Compare, TimePart, CorrelationType, BaselineType, Kind)}
_CLASSES: Final[Mapping[str, Any]] = {
    one.__name__: one
    for one in (
        *get_args(Predicate),
        *(Pattern, Leaf, AllOf, AnyOf, Negated),
        *(Rule, Correlation, Term, Baseline, Filter, AddedFilter, LogSource, DataError),
        *(Variant, CompiledRule, CompiledCorrelation, CompiledBaseline, CompiledIndicators, Wanted, Ruleset),
    )
}
_FIELDS: Final = {one: tuple(part.name for part in fields(one)) for one in _CLASSES.values()}
_NETWORKS: Final[Mapping[str, Any]] = {one.__name__: one for one in (ipaddress.IPv4Network, ipaddress.IPv6Network)}
_PLAIN: Final = frozenset({str, bool, int, float, type(None)})
_NODES: Final = {AllOf: "&", AnyOf: "|"}
_WILD_AS: Final[Mapping[Wild, int]] = {Wild.MANY: 0, Wild.ONE: 1}
_AS_WILD: Final = (Wild.MANY, Wild.ONE)


def encoded(value: object) -> bytes:
    """A rule set, a predicate, a log source … as JSON. Raises TypeError for a kind of value that rules are not made of."""
    writer = _Writer()
    root = writer.value(value)
    return orjson.dumps([writer.rows, root])


def decoded(data: bytes) -> Any:
    """What :func:`encoded` wrote. Raises ValueError, TypeError, LookupError or ArithmeticError for anything else."""
    rows, root = orjson.loads(data)
    table: list[Any] = []
    read = _reader(table)
    for row in rows:
        table.append(_object(row, table, read))
    return read(root)


class _Writer:
    """Writes objects into rows. A reference to a row is its number in a list."""

    def __init__(self) -> None:
        self.rows: list[object] = []
        self._places: dict[bytes, int] = {}
        self._known: dict[int, tuple[object, int]] = {}

    def value(self, value: object) -> object:
        """A value as JSON: plain ones as they are, objects by their row, the rest as a list that begins with its kind."""
        kind = type(value)
        if kind is float and not math.isfinite(value):  # type: ignore[arg-type]
            raise TypeError("JSON knows no infinite numbers")
        if kind in _PLAIN:
            return value
        if kind in _FIELDS:
            return [self.place(value)]
        if isinstance(value, tuple):
            return ["tuple", *map(self.value, value)]
        if isinstance(value, list):
            return ["list", *map(self.value, value)]
        if isinstance(value, frozenset):
            return ["set", *sorted(map(self.value, value), key=orjson.dumps)]
        if isinstance(value, Mapping):
            return ["map", *([self.value(key), self.value(one)] for key, one in value.items())]
        return self._named(value)

    @staticmethod
    def _named(value: object) -> object:
        name = type(value).__name__
        if isinstance(value, Enum) and name in _ENUMS:
            return [name, value.value]
        if name in _NETWORKS:
            return [name, str(value)]
        if isinstance(value, datetime):
            return ["datetime", value.isoformat()]
        raise TypeError(f"a rule set cannot be written with {value!r} in it")

    def place(self, value: Any) -> int:
        """The row of an object."""
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        row = self._row(value)
        key = orjson.dumps(row)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.rows)
            self.rows.append(row)
        self._known[id(value)] = (value, place)  # kept alive, so that its id stays its own
        return place

    def _row(self, value: Any) -> list[object]:
        kind = type(value)
        if kind is TextIs:
            parts = [part if isinstance(part, str) else _WILD_AS[part] for part in value.pattern.parts]
            return ["=", value.field, value.cased, *parts]
        if kind in _NODES:
            return [_NODES[kind], *map(self.place, value.children)]
        if kind is Leaf:
            return [".", self.place(value.predicate)]
        if kind is Negated:
            return ["!", self.place(value.child)]
        return [kind.__name__, *(self.value(getattr(value, name)) for name in _FIELDS[kind])]


def _object(row: Sequence[Any], table: Sequence[Any], read: Callable[[Any], Any]) -> Any:
    kind = row[0]
    if kind == "=":
        return TextIs(row[1], Pattern(tuple([part if type(part) is str else _AS_WILD[part] for part in row[3:]])), row[2])
    if kind == ".":
        return Leaf(table[row[1]])
    if kind == "&":
        return AllOf(tuple([table[place] for place in row[1:]]))
    if kind == "|":
        return AnyOf(tuple([table[place] for place in row[1:]]))
    if kind == "!":
        return Negated(table[row[1]])
    return _CLASSES[kind](*map(read, row[1:]))


def _reader(table: Sequence[Any]) -> Callable[[Any], Any]:
    makers: dict[str, Callable[[list[Any]], Any]] = {
        "tuple": lambda rest: tuple(map(read, rest)),
        "list": lambda rest: list(map(read, rest)),
        "set": lambda rest: frozenset(map(read, rest)),
        "map": lambda rest: {read(key): read(one) for key, one in rest},
        "datetime": lambda rest: datetime.fromisoformat(rest[0]),
    }

    def read(value: Any) -> Any:
        if type(value) is not list:
            return value
        first = value[0]
        if type(first) is int:
            return table[first]
        if first in makers:
            return makers[first](value[1:])
        return _ENUMS[first](value[1]) if first in _ENUMS else _NETWORKS[first](value[1])

    return read
