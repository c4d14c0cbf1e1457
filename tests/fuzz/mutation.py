"""Inputs a little beside the good ones: changed where their structure is, so that they get past the first look.

Everything is drawn from one ``Random``: the same state gives the same bytes.
"""

import gzip
import json
import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus

import yaml

from tests.fuzz.target import Shape

#: Texts at which parsers have stumbled, here or elsewhere, by what they look like.
INSTANTS: Final = (
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45", "2026-02-30T00:00:00Z", "2026-11-22T24:61:61Z", "20261122"),
    *("2026-11-22T20:00:00", "2026-11-22T20:00:00+99:99", "2026-W47-7", "0000-00-00", "2026-03-29T02:30", "١٢٣٤-01-01", "-1", "1e400"),
)
ADDRESSES: Final = (
    *(
        "http://[",
        "//[::1",
        "http://[::1",
        "https://a:99999",
        "https://a:b/",
        "https://a:٣/",
        "javascript:0",
        "file:///etc/passwd",
        "https:",
    ),
    *("https://é.example/", "https://xn--.example", "https://a@b", "::ffff:1.2.3.4%eth0", "fe80::1%a", "1.2.3.4/33", "::/0", "01.2.3.4"),
)
NUMBERS: Final = ("²", "٣٣", "１２", "9" * 5000, "-1", "0", "1e400", "NaN", "inf", "0x10", "1_000", "+1", " 1", "1.0", "-0")
TEXTS: Final = (
    *("", " ", "\0", "\r\nX-A: b", "\t", "\u202e", "\ud800", "ﬀ", "a" * 3000, "null", "true", "é", "\x7f", "\x85", "\u2028", "İ", "ß"),
    *("[", "]", "{", "}", "(", ")", "<", "'", '"', "\\", "%", "%00", "%FF", "%ED%A0%80", "*", "?", "|", "#", "&", ";", ":", "~", ".", ".."),
    *(
        "[" * 1200,
        "(" * 300,
        "NOT " * 2000,
        "{" * 1200,
        "a." * 500,
        "*a" * 200,
        "&a [*a]",
        "<<: *a",
        "!!python/name:os.system",
        "!!binary x",
    ),
    *("=", "==", "/", "//", "+", "-", "_", "e30", "e30.e30.AA", "Basic", "Bearer "),
    *INSTANTS,
    *ADDRESSES,
    *NUMBERS,
)
#: Values of another kind, or of another size, than anybody sends.
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**30, -(2**63) - 1, 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf),
    *([], {}, [[]], [{}], [None], {"": None}, {"a": {}}, [1, 2], ["a", "a"], {"$ref": "#"}),
)
#: What makes much of little: brackets that open, aliases that repeat aliases, an archive of nothing.
UNFOLDING: Final = (
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9) if n else b"x") for n in range(9)),
    gzip.compress(bytes(8_000_000), mtime=0),
)
#: Raw bytes that every parser is given once, whatever it reads.
HOSTILE: Final = (
    b"",
    b"\0",
    b"\n" * 1000,
    b" " * 100_000,
    b"\xff\xfe\x00\x00",
    b"\xef\xbb\xbf{}",
    b"\xed\xa0\x80",
    b"\x80" * 3000,
    b"(" * 50_000,
    b"- " * 20_000,
    b"a: &a [*a]\n",
    b"9" * 6000,
    b'"' * 5001,
    b"." * 10_000,
    b"&" * 10_000,
    b"a=1&" * 5000,
    b"%" * 10_000,
    b"\\" * 10_000,
    b"NOT " * 20_000,
    b"a,b\n" * 5000,
    b"null",
    b"[]",
    b"{}",
    b"{} {}",
    b"--- a\n--- b\n",
)


def mutated(data: bytes, shape: Shape, random: Random, *, longest: int = 16_384) -> bytes:
    """The input after one to three changes, most of them in its structure."""
    change = _CHANGES.get(shape)
    for _ in range(random.randint(1, 3)):
        in_structure = change is not None and random.random() < 0.8
        data = change(data, random) if change is not None and in_structure else _bytes(data, random)
    return data[:longest]


def _bytes(data: bytes, random: Random) -> bytes:
    """One change of bytes, whatever they mean."""
    begin = random.randint(0, len(data))
    end = min(len(data), begin + random.choice((0, 1, 2, 8, 64)))
    match random.randint(0, 5):
        case 0:
            return data[:begin] + data[end:]
        case 1:
            return random.choice(TEXTS).encode("utf-8", "surrogatepass")
        case 2:
            return data[:begin] + random.choice(TEXTS).encode("utf-8", "surrogatepass") + data[end:]
        case 3:
            return data[:begin] + data[begin:end] * random.choice((2, 3, 200)) + data[end:]
        case 4:
            return data[:begin] + bytes([random.randint(0, 255)]) + data[begin + 1 :]
        case _:
            return data[:begin]


def _text(value: str, random: Random) -> str:
    place = random.randint(0, len(value))
    match random.randint(0, 4):
        case 0:
            return random.choice(TEXTS)
        case 4:
            return random.choice(_alike(value))
        case 1:
            return value[:place] + random.choice(TEXTS) + value[place:]
        case 2:
            return value[:place] + value[place + 1 :]
        case _:
            return value * 2


def _alike(value: str) -> tuple[str, ...]:
    """Texts of the kind that stands there: an instant for an instant gets further than anything else does."""
    if value[:4].isdigit() and value[4:5] == "-":
        return INSTANTS
    if "://" in value or value.count(".") == 3 or "::" in value:
        return ADDRESSES
    return NUMBERS if value.isdigit() else TEXTS


def _value(value: Any, random: Random) -> Any:
    """Another value in its place: of its kind, of another kind, or itself within something."""
    match random.randint(0, 5):
        case 0:
            return random.choice(VALUES)
        case 1:
            return [value]
        case 2:
            return {"value": value, "id": value}
        case 3:
            return [value] * random.choice((2, 3, 300))
        case _:
            return _text(value, random) if isinstance(value, str) else random.choice((*VALUES, random.choice(TEXTS)))


def _tree(tree: Any, random: Random) -> Any:
    """One place of a document changed: replaced, removed, renamed, or filled with another place's value."""
    places = _places(tree)
    if not places or random.random() < 0.03:
        return _value(tree, random)
    holder, key = random.choice(places)
    match random.randint(0, 6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[_text(str(key), random)] = holder.pop(key)
        case 2:
            other, place = random.choice(places)
            holder[key] = json.loads(json.dumps(other[place])) if _is_plain(other[place]) else None
        case 3 if isinstance(holder, dict):
            holder[random.choice(TEXTS)] = random.choice(VALUES)
        case _:
            holder[key] = _value(holder[key], random)
    return tree


def _is_plain(value: Any) -> bool:
    """Whether it can be copied: a document may hold itself after a change."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every member and element, as (what holds it, its key)."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < 2000:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            waiting.append(node[key])
    return found


def _json(data: bytes, random: Random) -> bytes:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes(data, random)
    return json.dumps(_tree(tree, random), ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _yaml(data: bytes, random: Random) -> bytes:
    if random.random() < 0.4:
        return _lines(data, random)
    try:
        trees = list(yaml.load_all(data, Loader=_LOADER))
    except (yaml.YAMLError, ValueError, RecursionError):
        return _lines(data, random)
    if trees:
        place = random.randrange(len(trees))
        trees[place] = _tree(trees[place], random)
    try:
        return yaml.dump_all(trees, Dumper=_DUMPER, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, RecursionError, TypeError, UnicodeError):
        return _lines(data, random)


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _lines(data: bytes, random: Random) -> bytes:
    """A line taken out, put twice, moved, pushed in, or changed."""
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    match random.randint(0, 4):
        case 0:
            del lines[place]
        case 1:
            lines[place : place + 1] = [lines[place]] * random.choice((2, 2, 500))
        case 2:
            lines.insert(random.randrange(len(lines) + 1), lines[place])
        case 3:
            lines[place] = b"  " + lines[place]
        case _:
            lines[place] = _bytes(lines[place], random)
    return b"\n".join(lines)


def _form(data: bytes, random: Random) -> bytes:
    pairs = parse_qsl(data.decode("latin-1"), keep_blank_values=True)
    if not pairs:
        return _bytes(data, random)
    place = random.randrange(len(pairs))
    name, value = pairs[place]
    match random.randint(0, 4):
        case 0:
            del pairs[place]
        case 1:
            pairs.insert(place, (name, value))
        case 2:
            pairs[place] = (_text(name, random), value)
        case _:
            pairs[place] = (name, _text(value, random))
    written = "&".join(f"{quote_plus(one, errors='surrogatepass')}={quote_plus(other, errors='surrogatepass')}" for one, other in pairs)
    return written.encode("ascii")


def _pair(data: bytes, random: Random) -> bytes:
    header, _, payload = data.partition(b"\n")
    if random.random() < 0.35:
        return _json(header, random) + b"\n" + payload
    return header + b"\n" + _json(payload, random)


def _request(data: bytes, random: Random) -> bytes:
    """The body by its own shape; of the head, a line."""
    head, _, body = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if body and random.random() < 0.6:
        body = (_json if body[:1] in b"{[" else _form)(body, random)
    elif random.random() < 0.5:
        method, _, target = lines[0].partition(b" ")
        path, mark, query = target.partition(b"?")
        lines[0] = method + b" " + (path + mark + _form(query, random) if query else _bytes(path, random).replace(b"\n", b""))
    elif len(lines) > 1:
        place = random.randrange(1, len(lines))
        name, _, value = lines[place].partition(b": ")
        lines[place] = name + b": " + _bytes(value, random).replace(b"\n", b"")
    return b"\n".join(lines) + b"\n\n" + body


_CHANGES: Final[Mapping[Shape, Callable[[bytes, Random], bytes]]] = {
    Shape.LINES: _lines,
    Shape.JSON: _json,
    Shape.YAML: _yaml,
    Shape.FORM: _form,
    Shape.SIGNED: _pair,
    Shape.REQUEST: _request,
}
