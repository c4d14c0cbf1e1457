"""Random conditions and events over the fields of every kind, and one store that keeps each example apart as a tenant."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from siem.detection.conditions import AllOf, AnyOf, Negated, Node
from siem.detection.modifiers import item_node
from siem.event import FIELDS, SINGLE, Event, Kind, Value, text_of
from siem.store.events import EventStore, StoredEvent
from siem.store.query import Query

TEXTS = [
    "", "a", "A", "b", "ab", "aB", "abc", "é", "É", "i", "I", "İ", "i\u0307", "aİb", "dİ", "ı", "σ", "ς", "Σ", "ΑΣ", "ασ", "K", "ß", "ẞ",
    "a%b", "a_b", "%", "_", "\\", "C:\\x", "a\nb", "a\x00b", " a", "x'y", '"', "?", "*", "1", "2", "10", "+5", "1e1",
    "1_0", " 10 ", "１０", "1.5",
    "0010", "nan", "inf", "true", "192.0.2.7", "192.0.2.07", " 192.0.2.7", "[192.0.2.7]", "::ffff:192.0.2.7", "::ffff:c000:207", "10.1.2.3",
    "2001:db8::1", "192.0.2.7x", "1192.0.2.7", "2026-03-14T08:15:00+01:00", "2026-03-14T08:15:00", "w" * 1200,
]  # fmt: skip
_ALPHABET = "aAbBiIİıσςΣéÉ\u0307 1.-:%_\\\n\x00"
texts = st.one_of(st.sampled_from(TEXTS), st.text(_ALPHABET, max_size=4))


def _text(chance: random.Random) -> str:
    return chance.choice(TEXTS) if chance.random() < 0.7 else "".join(chance.choices(_ALPHABET, k=chance.randrange(6)))


def _texts(chance: random.Random) -> list[str]:
    return [_text(chance) for _ in range(chance.randrange(4))]


_VALUES: Mapping[str, Callable[[random.Random], Value]] = {
    "event.dataset": lambda chance: chance.choice(["idp.audit", "IDP.Audit", "nginx.access", "idp.audİt"]),
    "event.code": lambda chance: chance.choice(["1", "2"]),
    "user.id": _text,
    "message": _text,
    "url.path": _text,
    "source.ip": _text,
    "event.category": _texts,
    "event.type": _texts,
    "http.response.status_code": lambda chance: chance.choice([*range(-3, 13), 2**53 + 1, 2**62, -(2**60)]),
    "source.geo.location.lat": lambda chance: chance.choice([0.0, -0.0, 1.0, 1.5, -2.25, 1e-7, 1e19, 10.0, chance.uniform(-90, 90)]),
    "health.break_glass": lambda chance: chance.random() < 0.5,
    "Channel": lambda chance: chance.choice(["Security", "security", "['a']", "System"]),
    "Other's": _text,
    "OtherList": _texts,
    "OtherNumber": lambda chance: chance.choice([1, 10, 1.5, 2.0, True, 1e-7]),
}


def crowd(count: int, seed: int) -> list[dict[str, Value]]:
    """Fields of random events, the same ones for the same seed."""
    chance = random.Random(seed)
    return [{name: make(chance) for name, make in _VALUES.items() if chance.random() < 0.6} for _ in range(count)]


NAMES = [*_VALUES, "user_agent.original", "no.such.field", "@timestamp"]
_SUFFIXES = (
    "", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased", "|re", "|re|i", "|gt", "|lte", "|neq", "|cidr", "|exists",
    "|fieldref", "|fieldref|contains", "|fieldref|cased", "|hour|gte", "|week", "|base64offset|contains", "|windash|contains",
)  # fmt: skip
_PATTERNS = st.one_of(
    st.sampled_from(
        ["a*", "*b", "a?c", "*a*b*", "İ", "d?", "d??", "*i*", "*ab*", "a%b", "a_?", "C:\\\\*", "", "*", "?", "1?", "-*", "*.5", "10"]
    ),
    texts,
)


def _value_for(suffix: str) -> st.SearchStrategy[object]:
    if suffix.endswith("exists"):
        return st.booleans()
    if suffix.endswith("|week"):
        return st.integers(1, 53)
    if suffix.endswith(("|gt", "|lte", "|gte")):
        return st.one_of(st.integers(-3, 12), st.just(1.5))
    if suffix.endswith("|cidr"):
        return st.sampled_from(["192.0.2.0/24", "10.0.0.0/8", "192.0.2.7/32", "192.0.2.4/30", "0.0.0.0/0", "2001:db8::/32"])
    if "fieldref" in suffix:
        return st.sampled_from(NAMES)
    if "|re" in suffix:
        return st.sampled_from(["a.", "^b", "b$", "É", "a|c", r"\d+", r"^\w+$", "[a-c]{2}", "(?:a|b)c", r"\s"])
    if "base64" in suffix:
        return st.just("abc")
    plain = st.one_of(_PATTERNS, st.lists(_PATTERNS, min_size=1, max_size=4))
    return st.one_of(plain, st.sampled_from([None, 1, 10, True, 1.5])) if suffix == "" else plain


@st.composite
def lines(draw: st.DrawFn) -> Node:
    suffix = draw(st.sampled_from(_SUFFIXES))
    keyword = suffix in ("", "|cased", "|re") and draw(st.integers(0, 9)) == 0
    value = draw(_value_for(suffix).filter(lambda one: one is not None) if keyword else _value_for(suffix))
    return item_node(("" if keyword else draw(st.sampled_from(NAMES))) + suffix, value, {}, lambda name: (name,))


trees = st.recursive(
    lines(),
    lambda inner: st.one_of(
        st.builds(Negated, inner),
        st.builds(lambda some: AllOf(tuple(some)), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: AnyOf(tuple(some)), st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


def several(rows: Sequence[Mapping[str, Value]], seed: int) -> list[dict[str, Value]]:
    """The same events, some fields that hold one value holding those of two events instead, as texts."""
    chance = random.Random(seed)
    made = [dict(row) for row in rows]
    for row in made:
        for name in row.keys() & FIELDS.keys() - SINGLE:
            other = chance.choice(rows).get(name)
            if FIELDS[name] is not Kind.KEYWORDS and other is not None and chance.random() < 0.3:
                row[name] = [text_of(row[name]), text_of(other)]
    return made


class Stored(NamedTuple):
    """A tenant and its events; named in reports by the tenant alone."""

    tenant: str
    events: list[Event]

    def __repr__(self) -> str:
        return f"Stored({self.tenant!r}, {len(self.events)} events)"


class Shelf:
    """Stores lists of events, each under a tenant of its own."""

    def __init__(self) -> None:
        self.store = EventStore(None)
        self._numbers = itertools.count()

    def put(self, rows: Sequence[Mapping[str, Value]], *, seconds: float = 1.0) -> Stored:
        """The tenant that holds the events, and the events as the pipeline would have seen them."""
        number = next(self._numbers)
        tenant = f"t{number}"
        start = datetime(2026, 3, 14, 23, 59, 30, tzinfo=UTC)
        events = [
            Event(f"{number:08d}-{place:06d}", start + timedelta(seconds=seconds * place), "source", tenant, dict(row))
            for place, row in enumerate(rows)
        ]
        self.store.append([StoredEvent(number, event) for event in events])
        return Stored(tenant, events)

    def ids(self, tenant: str, query: Query) -> set[str]:
        """Events of a tenant that a condition lets through."""
        with self.store.reading() as cursor:
            rows = cursor.execute(f"SELECT id FROM events WHERE tenant = ? AND {query.condition}", [tenant, *query.parameters]).fetchall()
        return {row[0] for row in rows}
