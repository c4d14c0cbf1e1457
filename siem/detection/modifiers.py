"""From one line of a selection (``field|modifier|…: values``) to a tree of predicates.

Modifiers are applied in the order written. Settled readings (docs/sigma.md): ``neq`` is the negation of the whole item (an absent field
differs from every value); ``cased`` and ``neq`` may stand anywhere; ``utf16`` puts the mark FF FE first, as the specification says
(pySigma writes EF BB BF); an encoded value still compares without case, unless ``cased``.

Source: Sigma specification 2.1.0, appendix «Modifiers».
"""

import base64
import contextlib
import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from siem.detection.conditions import Leaf, Negated, Node, all_of, any_of
from siem.detection.patterns import How, Pattern
from siem.detection.predicates import (
    ANYWHERE,
    Compare,
    Exists,
    InNetwork,
    IsNull,
    Matches,
    NumberIs,
    SameAs,
    TextIs,
    TimePart,
    TimePartIs,
    text_of,
)
from siem.detection.regex import CostlyExpression, check_expression
from siem.detection.values import is_measurable

#: Values for ``expand``: placeholder name to the values it stands for.
Placeholders = Mapping[str, Sequence[str]]


class ItemError(ValueError):
    """A line of a selection cannot be honoured; the text says why."""


#: Dashes that ``windash`` takes for one another.
_DASHES: Final = ("-", "/", "\u2013", "\u2014", "\u2015")
_DASH_PLACE: Final = re.compile(r"\B[-/\u2013\u2014\u2015]\b")
#: More combinations than this of one value come from a mistake.
_MAX_ALTERNATIVES: Final = 5**4
#: Values that one line may ask for, its lists filled in.
_MAX_VALUES: Final = 20_000
#: A placeholder, or what stands between two of them.
_PLACEHOLDER: Final = re.compile(r"(?<!\\)%([^%]+)%")

_ENCODINGS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "utf16le": lambda text: text.encode("utf-16-le"),
    "wide": lambda text: text.encode("utf-16-le"),
    "utf16be": lambda text: text.encode("utf-16-be"),
    "utf16": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
}
_FLAGS: Final[Mapping[str, int]] = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_PLACES: Final[Mapping[str, How]] = {"contains": How.CONTAINS, "startswith": How.STARTS, "endswith": How.ENDS}
_COMPARES: Final[Mapping[str, Compare]] = {item.value: item for item in Compare if item not in (Compare.EQ, Compare.NEQ)}
_TIME_PARTS: Final[Mapping[str, TimePart]] = {item.value: item for item in TimePart}
_TYPES: Final = frozenset({"re", "cidr", "exists", "fieldref"}) | _COMPARES.keys() | _TIME_PARTS.keys()
_TRANSFORMS: Final = frozenset({"base64", "base64offset", "windash", "expand"}) | _ENCODINGS.keys() | _PLACES.keys()
#: What the parts of an instant can be; a year may be any.
_SHOWN: Final[Mapping[TimePart, range]] = {
    TimePart.MINUTE: range(60),
    TimePart.HOUR: range(24),
    TimePart.DAY: range(1, 32),
    TimePart.WEEK: range(1, 54),
    TimePart.MONTH: range(1, 13),
}
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
#: Every modifier understood.
MODIFIERS: Final = _TYPES | _TRANSFORMS | _FLAGS.keys() | {"all", "cased", "neq"}


@dataclass(frozen=True, slots=True)
class _Item:
    """What the modifiers of one line ask for."""

    field: str
    transforms: tuple[str, ...]
    kind: str
    compare: Compare
    flags: int
    every: bool
    cased: bool
    negated: bool


#: The field of an event that holds what a rule calls by a name, or those that may, the likeliest first.
Rename = Callable[[str], str | Sequence[str]]


def item_node(key: str, value: object, placeholders: Placeholders, rename: Rename) -> Node:
    """The tree of one line. ``rename`` maps a rule's field to the event's. Raises ItemError."""
    item, names = _read_key(key, rename)
    nodes = [_line_node(replace(item, field=name), value, placeholders, rename) for name in names]
    # Absent means absent from all of the fields that could hold it; a value may be in any of them.
    absence = (item.kind == "exists" and value is False) or (item.kind == "text" and value is None)
    node = all_of(nodes) if absence else any_of(nodes)
    return Negated(node) if item.negated else node


def _line_node(item: _Item, value: object, placeholders: Placeholders, rename: Rename) -> Node:
    """The tree of one line for one field, not yet negated."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ItemError("the list of values is empty")
    if item.every and len(values) < 2:
        raise ItemError("«all» needs a list of at least two values")
    if isinstance(value, list) and any(one is None for one in values):
        raise ItemError("null may not stand in a list: it is not a value; write a selection of its own")
    if item.kind == "exists" and len(values) > 1:
        raise ItemError("«exists» takes one value, true or false")
    if any(isinstance(one, dict | list) for one in values):
        raise ItemError("a value is a text, a number, a boolean or null; found a map or a list in it")
    nodes = [_value_node(item, one, placeholders, rename) for one in values]
    return all_of(nodes) if item.every else any_of(nodes)


def _read_key(key: str, rename: Rename) -> tuple[_Item, Sequence[str]]:
    """What the modifiers ask for, and the fields it is asked of."""
    name, *modifiers = key.split("|")
    unknown = [word for word in modifiers if word not in MODIFIERS]
    if unknown:
        raise ItemError(f"unknown modifier «{unknown[0]}»")
    types = [word for word in modifiers if word in _TYPES]
    time_part = [word for word in types if word in _TIME_PARTS]
    compare = [word for word in types if word in _COMPARES]
    kinds = [word for word in types if word not in compare] if time_part else types
    for words in (compare, kinds):
        if len(words) > 1:
            raise ItemError(f"«{words[0]}» and «{words[1]}» exclude one another")
    kind = kinds[0] if kinds else "text"
    flags = [word for word in modifiers if word in _FLAGS]
    if flags and kind != "re":
        raise ItemError(f"«{flags[0]}» belongs to «re»")
    transforms = tuple(word for word in modifiers if word in _TRANSFORMS)
    allowed = {"text": _TRANSFORMS, "fieldref": _PLACES.keys(), "re": {"expand"} | _PLACES.keys(), "cidr": {"expand"}}.get(
        kind, frozenset()
    )
    misplaced = [word for word in transforms if word not in allowed]
    if misplaced:
        raise ItemError(f"«{misplaced[0]}» cannot be combined with «{kind}»")
    if name == "" and kind not in {"text", "re"}:
        raise ItemError(f"«{kind}» needs a field")
    item = _Item(
        field=name,
        transforms=transforms,
        kind="number" if kind in _COMPARES else kind,
        compare=_COMPARES[compare[0]] if compare else Compare.EQ,
        flags=sum(_FLAGS[word] for word in set(flags)),
        every="all" in modifiers,
        cased="cased" in modifiers,
        negated="neq" in modifiers,
    )
    return item, _renamed(name, rename) if name else (ANYWHERE,)


def _renamed(name: str, rename: Rename) -> Sequence[str]:
    found = rename(name)
    return (found,) if isinstance(found, str) else found


def _value_node(item: _Item, value: object, placeholders: Placeholders, rename: Rename) -> Node:
    """The tree of one value."""
    match item.kind:
        case "text":
            return _null_node(item) if value is None else _text_node(item, value, placeholders)
        case "exists":
            if not isinstance(value, bool):
                raise ItemError("«exists» takes true or false")
            return Leaf(Exists(item.field, value))
        case "fieldref":
            return any_of([Leaf(same) for same in _field_references(item, value, rename)])
        case "number":
            return Leaf(NumberIs(item.field, item.compare, _number(value)))
        case "re":
            return any_of([Leaf(_expression(item, text)) for text in _expanded(_string(value), item, placeholders)])
        case "cidr":
            return any_of([Leaf(InNetwork(item.field, _network(text))) for text in _expanded(_string(value), item, placeholders)])
        case part:
            return _time_part(item, _TIME_PARTS[part], _number(value))


def _null_node(item: _Item) -> Node:
    if item.transforms:
        raise ItemError(f"null cannot be combined with «{item.transforms[0]}»")
    if item.field == ANYWHERE:
        raise ItemError("null needs a field")
    return Leaf(IsNull(item.field))


def _text_node(item: _Item, value: object, placeholders: Placeholders) -> Node:
    if isinstance(value, bool | int | float):
        # A number's text holds no wildcard; «contains: 10» means the text 10.
        patterns = [Pattern.literal(text_of(value))]
    else:
        patterns = [Pattern.parse(text) for text in _expanded(_string(value), item, placeholders)]
    encoded: Sequence[Pattern | bytes] = patterns
    for word in item.transforms:
        encoded = [result for one in encoded for result in _transform(word, one)]
        if len(encoded) > _MAX_VALUES:
            raise ItemError(f"«{word}» gives more than {_MAX_VALUES} alternatives")
    finished = [one if isinstance(one, Pattern) else Pattern.literal(_as_text(one)) for one in encoded]
    # Keywords are looked for inside the event's values, as the specification says «across an entire event».
    if item.field == ANYWHERE:
        finished = [one.open_start().open_end() for one in finished]
    return any_of([Leaf(TextIs(item.field, one if item.cased else one.lower(), item.cased)) for one in dict.fromkeys(finished)])


def _transform(word: str, value: Pattern | bytes) -> Iterable[Pattern | bytes]:
    match word:
        case "contains":
            return [_pattern(value, word).open_start().open_end()]
        case "startswith":
            return [_pattern(value, word).open_end()]
        case "endswith":
            return [_pattern(value, word).open_start()]
        case "windash":
            return _dashes(_pattern(value, word))
        case "base64":
            return [Pattern.literal(base64.b64encode(_bytes(value, word)).decode())]
        case "base64offset":
            return _offsets(_bytes(value, word))
        case "expand":
            return [value]
        case encoding:
            return [_ENCODINGS[encoding](_plain(value, encoding))]


def _pattern(value: Pattern | bytes, word: str) -> Pattern:
    if isinstance(value, bytes):
        return Pattern.literal(_as_text(value))
    return value


def _as_text(value: bytes) -> str:
    """Encoded bytes as characters of the same numbers, where no Base64 follows the encoding."""
    return value.decode("latin-1")


def _plain(value: Pattern | bytes, word: str) -> str:
    if isinstance(value, bytes):
        raise ItemError(f"«{word}» follows another encoding; only one may be given")
    text = value.plain
    if text is None:
        raise ItemError(f"«{word}» cannot encode a wildcard; escape it with a backslash")
    return text


def _bytes(value: Pattern | bytes, word: str) -> bytes:
    return value if isinstance(value, bytes) else _plain(value, word).encode()


def _offsets(value: bytes) -> list[Pattern]:
    """The part of the Base64 text that does not depend on the neighbours, for each of the three alignments."""
    starts, ends = (0, 2, 3), (None, -3, -2)
    parts = [base64.b64encode(b" " * shift + value)[starts[shift] : ends[(len(value) + shift) % 3]].decode() for shift in range(3)]
    if not all(parts):
        raise ItemError("«base64offset» needs two bytes at least: of fewer, nothing is left that does not depend on the neighbours")
    return [Pattern.literal(part) for part in parts]


def _dashes(pattern: Pattern) -> list[Pattern]:
    """Every way to write the dashes that begin a word."""
    choices: list[Sequence[object]] = []
    for part in pattern.parts:
        if not isinstance(part, str):
            choices.append((part,))
            continue
        position = 0
        for found in _DASH_PLACE.finditer(part):
            choices.append((part[position : found.start()],))
            choices.append(_DASHES)
            position = found.end()
        choices.append((part[position:],))
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MAX_ALTERNATIVES:
        raise ItemError(f"«windash» gives more than {_MAX_ALTERNATIVES} alternatives")
    return [Pattern.of(combination) for combination in itertools.product(*choices)]  # type: ignore[arg-type]


def _expanded(text: str, item: _Item, placeholders: Placeholders) -> list[str]:
    """The text with its ``%placeholders%`` filled, where ``expand`` asks for it."""
    if "expand" not in item.transforms:
        return [text]
    choices: list[Sequence[str]] = []
    count = 1
    # The parts at odd places are names.
    for place, part in enumerate(_PLACEHOLDER.split(text)):
        values = placeholders.get(part, ()) if place % 2 else (part.replace("\\%", "%"),)
        if not values:
            raise ItemError(f"no values are known for the placeholder %{part}%")
        choices.append(values)
        count *= len(values)
    if count > _MAX_VALUES:
        raise ItemError(f"the placeholders stand for more than {_MAX_VALUES} values together")
    return ["".join(parts) for parts in itertools.product(*choices)]


def _expression(item: _Item, text: str) -> Matches:
    # An expression is found anywhere; «startswith» and «endswith» tie it to an end, which «contains» leaves as it is.
    begin, end = ("\\A", "\\Z") if "contains" not in item.transforms else ("", "")
    begin = begin if "startswith" in item.transforms else ""
    end = end if "endswith" in item.transforms else ""
    if begin or end:
        text = f"{begin}(?:{text}){end}"
    try:
        check_expression(text, item.flags)
    except CostlyExpression as error:
        raise ItemError(f"costly regular expression: {error}") from error
    except (re.error, OverflowError, RecursionError) as error:
        raise ItemError(f"not a regular expression: {error}") from error
    return Matches(item.field, text, item.flags)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ItemError(f"not a network (expected 192.0.2.0/24 or 2001:db8::/32): {text[:100]}") from error
    # As an address mapped into IPv6 is the IPv4 address, so is a network of them.
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def _time_part(item: _Item, part: TimePart, limit: float) -> Node:
    """Raises ItemError where no clock ever shows what is asked for."""
    shown = _SHOWN.get(part)
    if shown is not None and not any(item.compare.holds(one, limit) for one in shown):
        raise ItemError(f"no {part.value} is so: they are from {shown[0]} to {shown[-1]}, and the line would never hold")
    return Leaf(TimePartIs(item.field, part, item.compare, limit))


def _field_references(item: _Item, value: object, rename: Rename) -> list[SameAs]:
    other = Pattern.parse(_string(value)).plain
    if not other:
        raise ItemError("«fieldref» takes the name of a field, without wildcard")
    how = _PLACES[item.transforms[0]] if item.transforms else How.EQUALS
    return [SameAs(item.field, name, how, item.cased) for name in _renamed(other, rename)]


def _number(value: object) -> float:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and is_measurable(value):
        return float(value)
    raise ItemError(f"a finite number is expected, found {str(value)[:100]!r}")


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text_of(value)
    raise ItemError(f"a text is expected, found {value!r}")
