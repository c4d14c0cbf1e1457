"""Typed leaf predicates: one field, one comparison.

A predicate is a plain value (two equal ones are evaluated once by the index), and :func:`compiled` makes a function of it.
A field that holds a list matches if one of its elements does. Numbers, booleans and texts compare by their text
(``4624`` in a rule matches ``4624`` and ``"4624"`` in an event), as sources disagree about types.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from siem.detection.casing import without_case
from siem.detection.patterns import How, Pattern
from siem.detection.regex import search
from siem.detection.values import address, instant, number
from siem.event import text_of as text_of

#: The field of a keyword search: any value of the event.
ANYWHERE: Final = ""
#: The event's own instant, as a field.
TIMESTAMP: Final = "@timestamp"


#: The zone in which instants are judged where nothing says another.
UTC_ZONE: Final = "UTC"

Text = str | tuple[str, ...] | None
Test = Callable[["View"], bool]


class _Texts(dict[str, Text]):
    """Texts of an event's fields, made when first asked for."""

    __slots__ = ("at", "fields")

    def __init__(self, fields: Mapping[str, object], at: datetime | None) -> None:
        self.fields = fields
        self.at = at

    def __missing__(self, name: str) -> Text:
        value = self.fields.get(name)
        text: Text
        if value is None:
            text = self.at.isoformat() if name == TIMESTAMP and self.at is not None else None
        elif isinstance(value, list | tuple):
            text = tuple(text_of(item) for item in value if item is not None)
        else:
            text = text_of(value)
        self[name] = text
        return text


class _LowerTexts(dict[str, Text]):
    """The same as they are compared without case."""

    __slots__ = ("exact",)

    def __init__(self, exact: _Texts) -> None:
        self.exact = exact

    def __missing__(self, name: str) -> Text:
        text = self.exact[name]
        if isinstance(text, str):
            text = without_case(text)
        elif text is not None:
            text = tuple(map(without_case, text))
        self[name] = text
        return text


class View:
    """One event under evaluation. ``lower`` and ``exact`` give the text of a field, a tuple for a list, None if absent or null."""

    __slots__ = ("_everything", "at", "exact", "fields", "lower")

    def __init__(self, fields: Mapping[str, object], at: datetime | None = None) -> None:
        self.fields = fields
        self.at = at
        self.exact = _Texts(fields, at)
        self.lower = _LowerTexts(self.exact)
        self._everything: dict[bool, tuple[str, ...]] = {}

    def everything(self, *, cased: bool) -> tuple[str, ...]:
        """Texts of all values, for keyword searches."""
        found = self._everything.get(cased)
        if found is None:
            source = self.exact if cased else self.lower
            texts: list[str] = []
            for name in self.fields:
                text = source[name]
                if isinstance(text, str):
                    texts.append(text)
                elif text is not None:
                    texts.extend(text)
            found = self._everything[cased] = tuple(texts)
        return found


class Renamed(dict[str, Text]):
    """Texts of an event under the names that rules use: the first field that is there of those that ``event_names`` gives."""

    __slots__ = ("_event_names", "_texts")

    def __init__(self, texts: Mapping[str, Text], event_names: Callable[[str], Sequence[str]]) -> None:
        self._texts = texts
        self._event_names = event_names

    def __missing__(self, name: str) -> Text:
        text = None
        for one in self._event_names(name):
            text = self._texts[one]
            if text is not None:
                break
        self[name] = text
        return text


class Compare(Enum):
    """Numeric comparisons, by their Sigma names."""

    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    EQ = "eq"
    NEQ = "neq"

    def holds(self, left: float, right: float) -> bool:
        """Whether ``left`` stands in this relation to ``right``."""
        match self:
            case Compare.LT:
                return left < right
            case Compare.LTE:
                return left <= right
            case Compare.GT:
                return left > right
            case Compare.GTE:
                return left >= right
            case Compare.EQ:
                return left == right
            case Compare.NEQ:
                return left != right


class TimePart(Enum):
    """Parts of an instant that a rule may name."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    def of(self, instant: datetime) -> int:
        """The part, in the instant's own zone (ISO week number)."""
        if self is TimePart.WEEK:
            return instant.isocalendar().week
        return int(getattr(instant, self.value))


@dataclass(frozen=True, slots=True)
class TextIs:
    """The value's text compares with a pattern. ``pattern`` is already in lower case unless ``cased``."""

    field: str
    pattern: Pattern
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Matches:
    """A regular expression is found in the value's text. ``flags`` are those of :mod:`re`."""

    field: str
    expression: str
    flags: int = 0


@dataclass(frozen=True, slots=True)
class InNetwork:
    """The value is an address of the network."""

    field: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class NumberIs:
    """The value is a number that stands in this relation to ``number``."""

    field: str
    compare: Compare
    number: float


@dataclass(frozen=True, slots=True)
class TimePartIs:
    """A part of the instant that the field holds, in a zone, stands in this relation to ``number``."""

    field: str
    part: TimePart
    compare: Compare
    number: float
    zone: str = UTC_ZONE


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there (or not), whatever its value."""

    field: str
    expected: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """The field is absent or null. An empty text is not null."""

    field: str


@dataclass(frozen=True, slots=True)
class SameAs:
    """The value compares with the value of another field of the same event."""

    field: str
    other: str
    how: How
    cased: bool


Predicate = TextIs | Matches | InNetwork | NumberIs | TimePartIs | Exists | IsNull | SameAs


def text_test(predicate: Predicate) -> Callable[[str], bool]:
    """The test of one value's text, for predicates about one value (lower-case text unless cased or exact)."""
    match predicate:
        case TextIs(_, pattern, _):
            return _pattern_test(pattern)
        case Matches(_, expression, flags):
            return search(expression, flags)
        case InNetwork(_, network):
            return _network_test(network)
        case NumberIs(_, compare, limit):
            return lambda text: (found := number(text)) is not None and compare.holds(found, limit)
        case TimePartIs(_, part, compare, limit, zone):
            there = None if zone == UTC_ZONE else ZoneInfo(zone)
            return lambda text: (found := instant(text, there)) is not None and compare.holds(part.of(found), limit)
        case _:
            raise TypeError(f"{predicate!r} is not about one value")


def _pattern_test(pattern: Pattern) -> Callable[[str], bool]:
    how, text = pattern.classify()
    match how:
        case How.EQUALS:
            return text.__eq__
        case How.CONTAINS:
            return lambda value: text in value
        case How.STARTS:
            return lambda value: value.startswith(text)
        case How.ENDS:
            return lambda value: value.endswith(text)
        case How.GLOB:
            return pattern.matcher()


def _network_test(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Callable[[str], bool]:
    version = network.version

    def inside(text: str) -> bool:
        found = address(text)
        return found is not None and found.version == version and found in network

    return inside


def is_cased(predicate: Predicate) -> bool:
    """Whether the predicate reads the text as it is, not in lower case."""
    return not isinstance(predicate, TextIs) or predicate.cased


def fields_of(predicate: Predicate) -> tuple[str, ...]:
    """The fields a predicate reads (none for a keyword)."""
    if isinstance(predicate, SameAs):
        return (predicate.field, predicate.other)
    return (predicate.field,) if predicate.field != ANYWHERE else ()


def compiled(predicate: Predicate) -> Test:
    """The predicate as a function of an event."""
    match predicate:
        case Exists(name, expected):
            if name == TIMESTAMP:
                return lambda _view: expected
            return lambda view: (name in view.fields) is expected
        case IsNull(name):
            return lambda view: view.exact[name] is None
        case SameAs():
            return _same_as(predicate)
        case _:
            return over_values(predicate.field, text_test(predicate), cased=is_cased(predicate))


def over_values(name: str, test: Callable[[str], bool], *, cased: bool) -> Test:
    """A test of one value's text, as a test of the field (one element of a list is enough) or of the whole event."""
    if name == ANYWHERE:
        return lambda view: any(map(test, view.everything(cased=cased)))
    if cased:

        def exact(view: View) -> bool:
            text = view.exact[name]
            if type(text) is str:
                return test(text)
            return text is not None and any(map(test, text))

        return exact

    def lower(view: View) -> bool:
        text = view.lower[name]
        if type(text) is str:
            return test(text)
        return text is not None and any(map(test, text))

    return lower


_RELATIONS: Final[Mapping[How, Callable[[str, str], bool]]] = {
    How.EQUALS: lambda left, right: left == right,
    How.CONTAINS: lambda left, right: right in left,
    How.STARTS: lambda left, right: left.startswith(right),
    How.ENDS: lambda left, right: left.endswith(right),
}


def _same_as(predicate: SameAs) -> Test:
    relation = _RELATIONS[predicate.how]

    def same(view: View) -> bool:
        source = view.exact if predicate.cased else view.lower
        left, right = source[predicate.field], source[predicate.other]
        if left is None or right is None:
            return False
        lefts = (left,) if isinstance(left, str) else left
        rights = (right,) if isinstance(right, str) else right
        return any(relation(one, other) for one in lefts for other in rights)

    return same
