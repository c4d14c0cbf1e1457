"""Indicators of compromise: which watched fields of an event hold a value that somebody has warned of, and under which rule.

A rule document of our own, ``veilleur: {indicators: …}``, says in which fields to look for which kind of value, in which sets, and
from which confidence to which. The sets are not the rule's: a :class:`Book` answers whether a value is listed, and may be replaced
at any time. What a value is listed as is remembered, so a value that comes again costs one look-up; validity is judged for each event,
in its own time.
"""

import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from siem.detection import Detection, Rule
from siem.detection.filters import Hits
from siem.detection.observables import address_of, hashes_of, host_of, url_of
from siem.detection.selections import RuleMistake
from siem.event import FIELDS, Event

_KEYS: Final = frozenset({"fields", "sets", "confidence"})
#: Characters of remembered values; beyond it the memory starts anew.
_MAX_REMEMBERED: Final = 16_000_000
_ENTRY_COST: Final = 120
_LONGEST_KEY: Final = 200
#: Whoever says nothing of the confidence is believed half.
UNSTATED: Final = 50


class Kind(StrEnum):
    """What an indicator is a value of."""

    ADDRESS = "address"
    DOMAIN = "domain"
    URL = "url"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Indicator:
    """A value somebody warned of: an address or network, a domain with all under it, a URL, a hash; in the form of :mod:`siem.indicators`.

    Valid from ``valid_from`` until before ``valid_until``. ``confidence`` goes from 0 to 100 (None: not stated); ``source`` is who says
    so, ``licence`` under what terms, ``set_name`` the set it was loaded with, ``tlp`` how far it may be shared. ``revision`` is the
    loading of its set with which it came to find what it finds.
    """

    kind: Kind
    value: str
    id: str = ""
    name: str = ""
    source: str = ""
    set_name: str = ""
    tlp: str = ""
    confidence: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    licence: str = ""
    revision: int = 0

    def is_valid(self, at: datetime) -> bool:
        """Whether it holds at an instant."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_until is None or at < self.valid_until)

    @property
    def weight(self) -> int:
        """Its confidence, or what stands for one not stated."""
        return UNSTATED if self.confidence is None else self.confidence

    def covers(self, other: "Indicator", now: datetime) -> bool:
        """Whether another of the same value finds nothing before ``now`` that this one does not."""
        since = self.valid_from is None or (other.valid_from is not None and self.valid_from <= other.valid_from)
        until = self.valid_until is None or self.valid_until >= min(other.valid_until or now, now)
        return since and until and self.weight == other.weight


@dataclass(frozen=True, slots=True)
class Allowed:
    """A value that raises no alert though it is listed: an address or network, a domain with all under it, a URL, a hash.

    ``owner`` answers for it, ``reason`` says why it is right, for events from ``expires_at`` on it allows nothing.
    """

    kind: Kind
    value: str
    owner: str
    reason: str
    expires_at: datetime

    @property
    def key(self) -> str:
        """What its hits are counted under."""
        name = f"allow/{self.kind}/{self.value}"
        return name if len(name) <= _LONGEST_KEY else f"allow/{self.kind}/{hashlib.sha256(self.value.encode()).hexdigest()}"

    @property
    def last_day(self) -> date:
        """The last day whose events it allows."""
        return (self.expires_at - timedelta(days=1)).date()

    def holds_at(self, at: datetime) -> bool:
        """Whether it allows events of that instant."""
        return at < self.expires_at


class Book(Protocol):
    """Sets of indicators, and what is allowed though they list it."""

    @property
    def generation(self) -> int:
        """Another one means that what was answered before may be wrong now."""

    @property
    def is_empty(self) -> bool:
        """Whether it lists nothing at all."""

    def refresh(self) -> bool:
        """Take up what has changed; whether anything has. Called before each batch of events."""

    def find(self, kind: Kind, text: str) -> Sequence[Indicator]:
        """The indicators of a kind that a field's value falls under, whatever their validity."""

    def allowed(self, kind: Kind, text: str) -> Sequence[Allowed]:
        """What allows a field's value, whatever their validity."""


class Nothing:
    """No indicator at all."""

    generation = 0
    is_empty = True

    def refresh(self) -> bool:
        """It never changes."""
        return False

    def find(self, kind: Kind, text: str) -> Sequence[Indicator]:
        """None."""
        return ()

    def allowed(self, kind: Kind, text: str) -> Sequence[Allowed]:
        """Nothing has to be."""
        return ()


class Few:
    """A handful of indicators, compared one by one: for proofs, and to compare other books with."""

    generation = 0

    def __init__(self, indicators: Sequence[Indicator], allowed: Sequence[Allowed] = ()) -> None:
        self._indicators = indicators
        self._allowed = allowed
        self.is_empty = not indicators

    def refresh(self) -> bool:
        """It never changes."""
        return False

    def find(self, kind: Kind, text: str) -> Sequence[Indicator]:
        """Those that the value falls under."""
        return [one for one in self._indicators if one.kind is kind and falls_under(one, text)]

    def allowed(self, kind: Kind, text: str) -> Sequence[Allowed]:
        """Those that the value falls under."""
        return [one for one in self._allowed if one.kind is kind and falls_under(one, text)]


def falls_under(one: Indicator | Allowed, text: str) -> bool:
    """Whether a field's value is, or belongs to, what an indicator names. A URL also names its host, which may be an address."""
    match one.kind:
        case Kind.ADDRESS:
            address = address_of(text) or address_of(host_of(text))
            return address is not None and address in ipaddress.ip_network(one.value)
        case Kind.DOMAIN:
            host = host_of(text)
            return host == one.value or host.endswith("." + one.value)
        case Kind.URL:
            return url_of(text) == one.value
        case Kind.HASH:
            return one.value in hashes_of(text)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ``veilleur.indicators`` section: fields with the kinds to look for in each, the sets (empty: all), the range of confidence."""

    fields: tuple[tuple[str, Kind], ...]
    sets: frozenset[str]
    least: int
    most: int

    def takes(self, one: Indicator) -> bool:
        """Whether the rule is about the indicator."""
        return self.least <= one.weight <= self.most and (not self.sets or one.set_name in self.sets)


def read_indicators(section: object) -> Wanted:
    """Read an ``indicators`` section. Raises RuleMistake."""
    if not isinstance(section, Mapping):
        raise _mistake("a map is expected")
    unknown = [str(key) for key in section if key not in _KEYS]
    if unknown:
        raise _mistake(f"unknown key «{unknown[0]}»; there are {', '.join(sorted(_KEYS))}", unknown[0])
    confidence = section.get("confidence", {})
    if not isinstance(confidence, Mapping) or confidence.keys() - {"gte", "lte"}:
        raise _mistake("a map with gte, lte or both is expected", "confidence")
    limits = (confidence.get("gte", 0), confidence.get("lte", 100))
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= 100 for one in limits) or limits[0] > limits[1]:
        raise _mistake("numbers from 0 to 100 are expected, gte not above lte", "confidence")
    return Wanted(_fields(section.get("fields")), frozenset(_texts(section.get("sets", []), "sets")), *limits)


def _fields(section: object) -> tuple[tuple[str, Kind], ...]:
    if not isinstance(section, Mapping) or not section:
        raise _mistake(f"a map from {', '.join(Kind)} to fields is expected", "fields")
    found: list[tuple[str, Kind]] = []
    for kind, names in section.items():
        if kind not in list(Kind):
            raise _mistake(f"one of {', '.join(Kind)} is expected, not «{kind}»", "fields", str(kind))
        for name in _texts(names, "fields", str(kind)):
            if name not in FIELDS:
                raise _mistake(f"«{name}» is not a field of an event", "fields", str(kind))
            found.append((name, Kind(str(kind))))
    return tuple(found)


def _texts(value: object, *path: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) and one for one in values):
        raise _mistake("a text or a list of texts is expected", *path)
    return tuple(values)


def _mistake(problem: str, *path: str) -> RuleMistake:
    return RuleMistake(problem, "veilleur", "indicators", *path)


@dataclass(frozen=True, slots=True)
class CompiledIndicators:
    """A rule about indicators. It always alerts."""

    rule: Rule
    wanted: Wanted


#: What lists a value, and what allows it; nothing, where it is not listed.
_Known = tuple[tuple[Indicator, ...], tuple[Allowed, ...]]
_UNLISTED: Final[_Known] = ((), ())


class Indicators:
    """Compares events with the book of the moment, for the rules that are about indicators. Not for several threads at once."""

    def __init__(self, rules: Sequence[CompiledIndicators]) -> None:
        self.book: Book = Nothing()
        #: Matches of rules that were allowed, by key of what allows them, id of the rule and tenant.
        self.hidden: dict[tuple[str, str, str], Hits] = {}
        self._rules = tuple(rules)
        #: What a value of a field was listed as, by (field, kind).
        self._known: dict[tuple[str, Kind], dict[str, _Known]] = {place: {} for one in rules for place in one.wanted.fields}
        self._generation = 0
        self._remembered = 0

    def for_batch(self) -> Callable[[Event], Iterator[Detection]] | None:
        """What compares an event of the batch that begins, with the sets as they are now; None where there is nothing to compare."""
        self.book.refresh()
        return None if self.book.is_empty or not self._rules else self.match

    def match(self, event: Event) -> Iterator[Detection]:
        """A detection for each rule and each field whose value it has been warned of, at the time of the event."""
        book = self.book
        if book.generation != self._generation:
            self._start_anew()
            self._generation = book.generation
        fields = event.fields
        for place, known in self._known.items():
            value = fields.get(place[0])
            if value is None:
                continue
            for text in value if isinstance(value, list) else (value,):
                listed = known.get(text) if type(text) is str else _UNLISTED
                if listed is None:
                    listed = self._look_up(place, known, str(text))
                if listed[0]:
                    yield from self._of_rules(event, place, str(text), listed)

    def _look_up(self, place: tuple[str, Kind], known: dict[str, _Known], text: str) -> _Known:
        self._remembered += len(text) + _ENTRY_COST
        if self._remembered > _MAX_REMEMBERED:
            self._start_anew()
        listed = tuple(self.book.find(place[1], text))
        found = known[text] = (listed, tuple(self.book.allowed(place[1], text))) if listed else _UNLISTED
        return found

    def _start_anew(self) -> None:
        self._remembered = 0
        for known in self._known.values():
            known.clear()

    def _of_rules(self, event: Event, place: tuple[str, Kind], text: str, listed: _Known) -> Iterator[Detection]:
        valid = [one for one in listed[0] if one.is_valid(event.at)]
        allowing = next((one for one in listed[1] if one.holds_at(event.at)), None)
        for one in self._rules if valid else ():
            taken = [each for each in valid if one.wanted.takes(each)] if place in one.wanted.fields else []
            if taken and allowing is not None:
                self.hidden.setdefault((allowing.key, one.rule.id, event.tenant), Hits()).add(event.at)
            elif taken:
                yield _detection(one.rule, event, place[0], text, taken)


def _detection(rule: Rule, event: Event, field: str, text: str, taken: Sequence[Indicator]) -> Detection:
    best = max(taken, key=lambda one: (one.weight, one.source, one.id))
    feeds, licences = _each(one.source for one in taken), _each(one.licence for one in taken)
    values = {
        rule.subject: str(event.fields.get(rule.subject, "")),
        "value": text,
        "indicator": best.name or best.value,
        "feed": ", ".join(feeds) or "…",
        "licence": ", ".join(licences),
        "set": ", ".join(_each(one.set_name for one in taken)),
        "confidence": "…" if best.confidence is None else str(best.confidence),
        "tlp": best.tlp or "…",
        "valid_from": best.valid_from.isoformat() if best.valid_from else "",
        "valid_until": best.valid_until.isoformat() if best.valid_until else "",
    }
    return Detection(
        rule_id=rule.id,
        tenant=event.tenant,
        group=((field, text),),
        first_at=event.at,
        last_at=event.at,
        event_ids=(event.id,),
        matched_fields=(field,),
        values=tuple((name, value) for name, value in values.items() if name and value),
        authors=feeds,
        licences=licences,
    )


def _each(texts: Iterable[str]) -> tuple[str, ...]:
    """What there is of several texts, each once, in order: the alert is the same whichever set came first."""
    return tuple(sorted({one for one in texts if one}))
